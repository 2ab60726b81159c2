//! One call: a fresh instance, limits on everything it does, and one typed error for each way to
//! misbehave. Nothing of the instance is left when [`Runner::run`] returns, whatever happened.

use std::time::Duration;

use futures::future::BoxFuture;
use keyhole_core::limits::Limits;
use keyhole_core::{CallError, SecretBytes};
use tokio::time::Instant;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use crate::bindings::since_v0_1_0::{Plugin as Bindings, PluginPre};
use crate::call::{CallStats, Export};
use crate::cpu::{CpuExceeded, CpuMeter, Metered};
use crate::credentials::CallSecrets;
use crate::description::DESCRIPTION_LIMIT;
use crate::engine::Engine;
use crate::gauges::Living;
use crate::memory::Memory;
use crate::output::{Output, one_line};
use crate::state::{Network, NoNetwork, State};

/// What lifting an answer may cost beside its values: one outcome and the texts around it.
const FUEL_PER_REQUEST: usize = 8 << 10;
/// The same for any call.
const FUEL: usize = 1 << 20;
/// Longest text about a crash.
const REASON: usize = 256;

/// Makes instances of one component and calls them.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) pre: PluginPre<State>,
    pub(crate) limits: Limits,
}

/// What a call is given beside its arguments.
pub(crate) struct Given {
    pub(crate) export: Export,
    pub(crate) network: Network,
    pub(crate) secrets: CallSecrets,
    /// Number of requests, for the size of the answer.
    pub(crate) requests: usize,
}

impl Given {
    /// For the exports that have no business on a network, and nothing to remember.
    pub(crate) fn offline(export: Export) -> Self {
        Self {
            export,
            network: Network::Closed(NoNetwork::default()),
            secrets: CallSecrets::default(),
            requests: 0,
        }
    }
}

/// What is left of an instance when its call has ended.
pub(crate) struct Remains {
    /// Whether the guest itself came back, with whatever result.
    pub(crate) returned: bool,
    /// What the host recorded of its exchanges.
    pub(crate) verdict: Option<CallError>,
    /// Session entries and credentials that it had, and whether the host put them on a request.
    pub(crate) handled: Vec<(SecretBytes, bool)>,
    pub(crate) output: Output,
    pub(crate) stats: CallStats,
}

impl Runner {
    /// Runs one export. `call` gets the fresh instance and its store.
    pub(crate) async fn run<R: Send>(
        &self,
        given: Given,
        call: impl for<'a> FnOnce(&'a Bindings, &'a mut Store<State>) -> BoxFuture<'a, wasmtime::Result<R>> + Send,
    ) -> (Result<R, CallError>, Remains) {
        let Given {
            export,
            network,
            secrets,
            requests,
        } = given;
        let handled = secrets.handled.clone();
        let output = Output::new(self.limits.log_lines);
        let slot = tokio::time::timeout(self.limits.wall, self.engine.slot()).await;
        let Ok(Some(slot)) = slot else {
            let why = format!("no sandbox was free within {} s", self.limits.wall.as_secs_f32());
            return (Err(CallError::Host(why)), Remains::of_nothing(output));
        };

        let began = Instant::now();
        let meter = CpuMeter::new(self.limits.cpu);
        let memory = Memory::new(self.engine.gauges(), self.limits.memory);
        let living = Living::begin(self.engine.gauges());
        let state = State::new(network, memory, meter.clone(), output.clone(), secrets, living);
        let mut store = self.store(state, export, requests);

        let mut stage = Stage::Starting;
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            stage = Stage::Running;
            call(&instance, &mut store).await
        };
        let ended = tokio::time::timeout(self.limits.wall, Metered::new(meter.clone(), work)).await;

        let state = store.data_mut();
        state.finish_output();
        let returned = matches!(ended, Ok(Ok(Ok(_))));
        let result = match ended {
            Err(_) => Err(CallError::Wall(self.limits.wall)),
            Ok(Err(CpuExceeded)) => Err(CallError::Cpu(self.limits.cpu)),
            Ok(Ok(Err(error))) => {
                let answer = self.answer(export);
                Err(classify(&error, stage, self.limits.cpu, answer, &state.memory))
            }
            Ok(Ok(Ok(value))) => Ok(value),
        };
        let record = state.egress().map(|egress| egress.record());
        let stats = CallStats {
            cpu: meter.spent(),
            wall: began.elapsed(),
            exchanges: record
                .as_ref()
                .map_or(state.asked_in_vain(), |record| record.exchanges()),
            peak_memory: state.memory.peak(),
            log_lines: output.written(),
        };
        let verdict = record.and_then(|record| record.verdict());
        drop(store);
        drop(slot);
        let handled = handled.take();
        (
            result,
            Remains {
                returned,
                verdict,
                handled,
                output,
                stats,
            },
        )
    }

    fn store(&self, state: State, export: Export, requests: usize) -> Store<State> {
        let mut store = Store::new(&self.wasm, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(self.fuel(export, requests));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().meter.check()?;
            // Lets the wall clock, and everything else on this thread, have its turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Bytes that one transfer from the guest may take in the host. The exact limits are checked
    /// afterwards; this one keeps a giant answer from being copied at all.
    fn fuel(&self, export: Export, requests: usize) -> usize {
        self.answer(export)
            .limit
            .saturating_add(FUEL)
            .saturating_add(requests.saturating_mul(FUEL_PER_REQUEST))
    }

    fn answer(&self, export: Export) -> Answer {
        let limit = match export {
            Export::Describe | Export::Validate => DESCRIPTION_LIMIT,
            Export::Fetch => self.limits.values,
        };
        Answer {
            what: export.result_name(),
            limit,
        }
    }
}

/// What a call returns, as error texts call it, and how many bytes it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) what: &'static str,
    pub(crate) limit: usize,
}

/// The one place where an error of wasmtime becomes ours.
pub(crate) fn classify(
    error: &wasmtime::Error,
    stage: Stage,
    cpu: Duration,
    answer: Answer,
    memory: &Memory,
) -> CallError {
    if error.is::<CpuExceeded>() {
        return CallError::Cpu(cpu);
    }
    if is_fuel(error) {
        let Answer { what, limit } = answer;
        return CallError::Output { what, limit };
    }
    // A guest that was refused memory aborts in its own way; the refusal is the cause.
    if memory.refused() {
        return CallError::Memory(memory.limit());
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return CallError::Trap(trap.to_string());
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return CallError::Trap(format!("it called exit({code})"));
    }
    let mut reason = one_line(&error.root_cause().to_string());
    reason.truncate(reason.floor_char_boundary(REASON));
    match stage {
        Stage::Starting => CallError::Host(reason),
        Stage::Running => CallError::Protocol(reason),
    }
}

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting,
    Running,
}

/// Whether a transfer was over its fuel. The type of this error is private to wasmtime; a test calls
/// a guest that is over it, so a change of the text would be noticed.
fn is_fuel(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

impl Remains {
    fn of_nothing(output: Output) -> Self {
        Self {
            returned: false,
            verdict: None,
            handled: Vec::new(),
            output,
            stats: CallStats::default(),
        }
    }
}
