//! A loaded plugin: code, grant and description together, ready to be called.
//!
//! Each call is one fresh instance. What the plugin says about a failed exchange is replaced by what
//! the host saw itself, and nothing that it says is shown before the secrets of the call are masked.

use std::sync::Arc;

use keyhole_core::limits::Limits;
use keyhole_core::mask::{Mask, SHORTEST};
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Outcome, PluginId, Selector, StoreError, StoreErrorKind};
use serde_json::json;

use crate::answer::{Answer, clean_error, store_error};
use crate::bindings::since_v0_1_0::PluginPre;
use crate::bindings::since_v0_1_0::keyhole::backend::types as wit;
use crate::call::{Call, Export, PlannedRequest, Problem};
use crate::component::Component;
use crate::credentials::{CallCredentials, CallSecrets, Exposed, exposed};
use crate::description::Description;
use crate::egress::headers::holds;
use crate::egress::{CallEgress, Policy};
use crate::engine::Engine;
use crate::grant::Grant;
use crate::handled::Handled;
use crate::load_error::LoadError;
use crate::output::one_line;
use crate::ports::Ports;
use crate::run::{Given, Remains, Runner};
use crate::sessions::{ScopeKey, Sessions, Turn};
use crate::state::Network;
use crate::verdict::{corrected, host_knows_better, masked};

/// Problems of one `validate` that are reported; the rest is noise.
const PROBLEMS: usize = 32;

/// A plugin that can be called. Cheap to clone; calls may run side by side.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    id: PluginId,
    runner: Runner,
    policy: Arc<Policy>,
    exposed: Arc<Exposed>,
    ports: Ports,
    description: Description,
    sessions: Sessions,
    uses_sessions: bool,
}

impl Plugin {
    /// Links a component, makes one instance of it and checks what it says about itself. Nothing of it
    /// runs before it is within its limits, and it has no network while it is described.
    ///
    /// # Errors
    ///
    /// When the component does not fit the contract, or its description or grant makes no sense.
    pub async fn load(
        engine: &Engine,
        component: Component,
        id: PluginId,
        grant: Grant,
        ports: Ports,
    ) -> Result<Self, LoadError> {
        let policy = Policy::new(&grant, &ports).map_err(|error| LoadError::Grant(error.to_string()))?;
        let component = match grant.limits.memory > engine.slot_memory() {
            true => component.roomy(engine)?,
            false => component,
        };
        let exposed = exposed(&grant).map_err(LoadError::Grant)?;
        let mut runner = Self::link(engine, &component, &grant.limits)?;
        let mut described = Self::describe(&runner, &id, &ports).await;
        if component.is_pooled() && matches!(described, Err(CallError::Host(_))) {
            // It needs more of something than a slot of the pool has.
            runner = Self::link(engine, &component.roomy(engine)?, &grant.limits)?;
            described = Self::describe(&runner, &id, &ports).await;
        }
        let description = Description::parse(described.map_err(LoadError::Describe)?)?;
        Ok(Self(Arc::new(Inner {
            id,
            runner,
            policy: Arc::new(policy),
            exposed: Arc::new(exposed),
            ports,
            description,
            sessions: Sessions::default(),
            uses_sessions: component.imports("session-store"),
        })))
    }

    fn link(engine: &Engine, component: &Component, limits: &Limits) -> Result<Runner, LoadError> {
        let host = component.host(engine);
        let misfit = |error: wasmtime::Error| LoadError::Contract(one_line(&format!("{error:#}")));
        let pre = PluginPre::new(host.link(component.code()).map_err(misfit)?).map_err(misfit)?;
        Ok(Runner {
            engine: engine.clone(),
            wasm: host.engine.clone(),
            pre,
            limits: limits.clone(),
        })
    }

    async fn describe(runner: &Runner, id: &PluginId, ports: &Ports) -> Result<wit::Description, CallError> {
        let (described, remains) = runner
            .run(Given::offline(Export::Describe), |plugin, store| {
                Box::pin(async move { plugin.keyhole_backend_backend().call_describe(store).await })
            })
            .await;
        let mask = Mask::default();
        remains.report(id, ports, Export::Describe, Some(&mask), described.as_ref().err());
        described
    }

    /// Name and digest.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.0.id
    }

    /// What the plugin is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// Session entries that are kept for its calls now.
    #[must_use]
    pub fn session_entries(&self) -> usize {
        self.0.sessions.entries()
    }

    /// Whether instances come from the pool.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.0
            .runner
            .engine
            .pooled()
            .is_some_and(|host| wasmtime::Engine::same(&host.engine, &self.0.runner.wasm))
    }

    /// Asks the plugin whether settings make sense, beyond what its schema says. At most the first 32
    /// problems are returned.
    ///
    /// # Errors
    ///
    /// When the call itself failed.
    pub async fn validate(&self, settings: &str) -> Result<Vec<Problem>, CallError> {
        let inner = &*self.0;
        let settings = settings.to_owned();
        let (validated, remains) = inner
            .runner
            .run(Given::offline(Export::Validate), |plugin, store| {
                Box::pin(async move { plugin.keyhole_backend_backend().call_validate(store, &settings).await })
            })
            .await;
        let mask = remains.mask();
        remains.report(
            &inner.id,
            &inner.ports,
            Export::Validate,
            Some(&mask),
            validated.as_ref().err(),
        );
        let clean = |text: &str| one_line(&mask.apply(text));
        let problem = |raw: &wit::Problem| Problem {
            path: clean(&raw.path),
            message: clean(&raw.message),
        };
        Ok(validated?.iter().take(PROBLEMS).map(problem).collect())
    }

    /// Fetches: one outcome per request, in order.
    ///
    /// Cancel it by dropping the future: the instance and its exchanges go with it.
    ///
    /// # Errors
    ///
    /// When there is no answer to any request. Nothing of a faulty answer is returned.
    pub async fn fetch(&self, call: &Call, requests: &[PlannedRequest]) -> Result<Vec<Outcome>, CallError> {
        let inner = &*self.0;
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let most = inner.description.max_batch.get();
        if u32::try_from(requests.len()).map_or(true, |count| count > most) {
            return Err(CallError::Host(format!(
                "{} requests for a plugin that takes {most}",
                requests.len()
            )));
        }

        let scope = inner.uses_sessions.then(|| ScopeKey::of(call));
        let turn = match &scope {
            Some(scope) => Some(self.turn(scope).await?),
            None => None,
        };
        let handled = Handled::default();
        let given = Given {
            export: Export::Fetch,
            network: Network::Open(CallEgress::new(
                Arc::clone(&inner.policy),
                call,
                &inner.ports,
                handled.clone(),
            )),
            secrets: CallSecrets {
                sessions: scope.clone().map(|scope| (inner.sessions.clone(), scope)),
                credentials: Some(CallCredentials {
                    exposed: Arc::clone(&inner.exposed),
                    port: Arc::clone(&inner.ports.credentials),
                    identity: call.identity.clone(),
                }),
                handled,
            },
            requests: requests.len(),
        };
        let (header, asked) = (self.header(call), requests.iter().map(raw_request).collect::<Vec<_>>());
        let (returned, remains) = inner
            .runner
            .run(given, |plugin, store| {
                Box::pin(async move {
                    plugin
                        .keyhole_backend_backend()
                        .call_fetch(store, &header, &asked)
                        .await
                })
            })
            .await;
        if let Some(tap) = inner.policy.tap() {
            remains.handled.iter().for_each(|(secret, _)| tap.handled(secret));
        }
        let outcomes = self.conclude(returned, &remains, requests);
        if let Some(scope) = &scope {
            let answered = outcomes
                .as_ref()
                .is_ok_and(|outcomes| outcomes.iter().any(is_answer_of_the_store));
            inner.sessions.ended(scope, answered);
        }
        drop(turn);
        outcomes
    }

    /// Waits until no other call may be making the login that this one needs.
    async fn turn(&self, scope: &ScopeKey) -> Result<Turn, CallError> {
        let wall = self.0.runner.limits.wall;
        tokio::time::timeout(wall, self.0.sessions.turn(scope))
            .await
            .map_err(|_| {
                let message = format!(
                    "another call with the same settings and identity took more than {} s to log in",
                    wall.as_secs_f32()
                );
                CallError::Store(StoreError {
                    kind: StoreErrorKind::Unavailable(None),
                    message,
                    store_code: None,
                })
            })
    }

    /// Turns what came back into outcomes, and lets the plugin's output out.
    fn conclude(
        &self,
        returned: Result<Result<Vec<wit::Outcome>, wit::Error>, CallError>,
        remains: &Remains,
        requests: &[PlannedRequest],
    ) -> Result<Vec<Outcome>, CallError> {
        let Inner { id, ports, runner, .. } = &*self.0;
        let (outcomes, mask) = match returned {
            Ok(Ok(raw)) => {
                let answer = Answer::take(raw);
                match answer.check_sizes(&runner.limits) {
                    Ok(()) => {
                        let mask = remains.mask_with(&answer);
                        (remains.outcomes(answer, requests, &mask), Some(mask))
                    }
                    // To look for what else of it must not be shown, it would have to be read.
                    Err(error) => (Err(error), None),
                }
            }
            Ok(Err(raw)) => {
                let mask = remains.mask();
                let error = clean_error(store_error(raw), &mask);
                let known = remains.verdict(&mask).filter(|host| host_knows_better(&error, host));
                (Err(known.unwrap_or(CallError::Store(error))), Some(mask))
            }
            // A guest that crashes over a refused exchange should still tell its user about the refusal.
            Err(CallError::Trap(trap)) => {
                let host = remains.verdict(&remains.mask());
                let trap = host.map_or(trap.clone(), |host| format!("{trap}, after: {host}"));
                (Err(CallError::Trap(trap)), None)
            }
            Err(error) => (Err(masked(&error, &remains.mask())), None),
        };
        remains.report(id, ports, Export::Fetch, mask.as_ref(), outcomes.as_ref().err());
        outcomes
    }

    fn header(&self, call: &Call) -> wit::Call {
        let context = match &call.namespace {
            Some(namespace) => json!({ "namespace": &**namespace }).to_string(),
            None => JsonText::default().as_str().to_owned(),
        };
        wit::Call {
            settings: call.settings.as_str().to_owned(),
            deadline_ms: u64::try_from(self.0.runner.limits.wall.as_millis()).unwrap_or(u64::MAX),
            attempt: call.attempt.max(1),
            context,
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("id", &self.0.id).finish_non_exhaustive()
    }
}

fn raw_request(planned: &PlannedRequest) -> wit::Request {
    let selector = match &planned.request.selector {
        Selector::Key(key) => wit::Selector::Key(key.to_string()),
        Selector::Prefix { path, recursive } => wit::Selector::Prefix(wit::Prefix {
            path: path.to_string(),
            recursive: *recursive,
        }),
    };
    wit::Request {
        selector,
        options: planned.request.options.as_str().to_owned(),
        known_version: planned.known_version.as_deref().map(str::to_owned),
    }
}

/// Whether the store itself answered, so that whatever login it asks for has been made.
fn is_answer_of_the_store(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Value(_) | Outcome::Values(_) | Outcome::Unchanged => true,
        Outcome::Failed(error) => error.kind == StoreErrorKind::NotFound,
    }
}

impl Remains {
    /// Hides the session entries and credentials that the call had.
    fn mask(&self) -> Mask {
        let mut mask = Mask::default();
        for (secret, _) in &self.handled {
            mask.add(secret);
        }
        mask
    }

    /// What the host recorded of the call's exchanges, without the secrets of the call.
    fn verdict(&self, mask: &Mask) -> Option<CallError> {
        self.verdict.as_ref().map(|host| masked(host, mask))
    }

    /// What an answer whose sizes are within the limits gives.
    fn outcomes(&self, answer: Answer, requests: &[PlannedRequest], mask: &Mask) -> Result<Vec<Outcome>, CallError> {
        answer.check_fit(requests)?;
        self.check_values(&answer)?;
        let host = self.verdict(mask);
        let outcomes = answer.cleaned(mask).into_iter();
        Ok(outcomes.map(|outcome| corrected(outcome, host.as_ref())).collect())
    }

    /// Refuses an answer with a credential that the host put on a request: the store echoed it, and who asked
    /// may well have been a tenant who knows a page that does so.
    fn check_values(&self, answer: &Answer) -> Result<(), CallError> {
        let applied = self
            .handled
            .iter()
            .filter(|(_, applied)| *applied)
            .map(|(secret, _)| secret);
        let long: Vec<_> = applied.filter(|secret| secret.len() >= SHORTEST).collect();
        let echoed = !long.is_empty()
            && answer
                .values()
                .any(|value| long.iter().any(|secret| holds(value.bytes.expose(), secret.expose())));
        match echoed {
            true => Err(CallError::Protocol(
                "its answer repeats a credential that the host put on a request".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Hides the values of the answer as well. Empty where nothing was said: values are parsed to find
    /// what else of them could be shown, and most calls say nothing.
    fn mask_with(&self, answer: &Answer) -> Mask {
        if self.stats.log_lines == 0 && !answer.has_texts() {
            return Mask::default();
        }
        let mut mask = self.mask();
        for value in answer.values() {
            mask.add(&value.bytes);
        }
        mask
    }

    /// Lets the output of the call out and tells the observer. Of a call that did not come back, nobody
    /// knows what it had, so its output is only counted, and so it is where no mask was made.
    fn report(&self, id: &PluginId, ports: &Ports, export: Export, mask: Option<&Mask>, error: Option<&CallError>) {
        match mask {
            Some(mask) if self.returned => self.output.emit(id, export, mask),
            _ => self.output.emit_count(id, export),
        }
        if let Some(observer) = &ports.observer {
            observer.call_ended(id, export, &self.stats, error);
        }
    }
}
