//! The host's own JavaScript, for what must mean to it what it means to KES.
//!
//! It is a component like a plugin and no more trusted: what it evaluates is written by administrators
//! and tenants. Each call is a fresh instance with an empty WASI context, without HTTP and without any
//! interface of the plugins' contract, and ends with its CPU time. Nothing that it writes to standard
//! output or error is kept.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use keyhole_core::CallError;
use keyhole_core::permission::{MatchError, Matcher, Matching, Question};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::bindings::script::{Script as Bindings, ScriptPre};
use crate::component::Component;
use crate::cpu::{CpuExceeded, CpuMeter, Metered};
use crate::engine::Engine;
use crate::gauges::Living;
use crate::load_error::LoadError;
use crate::memory::Memory;
use crate::output::one_line;
use crate::run::{Answer, Stage, classify};

/// Handles that an instance may hold. A run-time of Rust takes a handful.
const HANDLES: usize = 64;
/// What a call may give back: a verdict, or a message about an expression that repeats it.
const ANSWER: Answer = Answer {
    what: "verdict",
    limit: 2 << 20,
};
/// Longest message of the component that is shown.
const MESSAGE: usize = 256;

/// What one evaluation may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLimits {
    /// CPU time. An expression that backtracks without end reaches it; all others take about a millisecond.
    pub cpu: Duration,
    /// Linear memory in bytes.
    pub memory: usize,
    /// Wall-clock time, also for waiting for a sandbox. Only a busy machine reaches it.
    pub wall: Duration,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(250),
            memory: 32 << 20,
            wall: Duration::from_secs(10),
        }
    }
}

/// The loaded component. Cheap to clone; calls may run side by side.
#[derive(Clone)]
pub struct Script(Arc<Inner>);

struct Inner {
    engine: Engine,
    wasm: wasmtime::Engine,
    pre: ScriptPre<State>,
    limits: ScriptLimits,
}

/// The data of a store.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    memory: Memory,
    meter: CpuMeter,
    _living: Living,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl Script {
    /// Links the component and tries it out.
    ///
    /// # Errors
    ///
    /// [`LoadError::Script`] when it does not fit, or judges something simple wrongly.
    pub async fn load(engine: &Engine, component: &Component, limits: ScriptLimits) -> Result<Self, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Script(one_line(&format!("{error:#}")));
        let wasm = component.host(engine).engine.clone();
        let mut linker = Linker::new(&wasm);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(misfit)?;
        let pre = ScriptPre::new(linker.instantiate_pre(component.code()).map_err(misfit)?).map_err(misfit)?;
        let script = Self(Arc::new(Inner {
            engine: engine.clone(),
            wasm,
            pre,
            limits,
        }));
        match script.evaluate("^a$", "a", false).await {
            Ok(Ok(true)) => Ok(script),
            Ok(other) => Err(LoadError::Script(format!("it says {other:?} where true is right"))),
            Err(error) => Err(LoadError::Script(error.to_string())),
        }
    }

    /// Whether instances come from the pool.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        let Inner { engine, wasm, .. } = &*self.0;
        engine
            .pooled()
            .is_some_and(|host| wasmtime::Engine::same(&host.engine, wasm))
    }

    /// `new RegExp(expression).test(text)`, or the engine's message about the expression.
    async fn evaluate(&self, expression: &str, text: &str, anchored: bool) -> Result<Result<bool, String>, CallError> {
        let (expression, text) = (expression.to_owned(), text.to_owned());
        self.run(move |script, store| {
            Box::pin(async move {
                script
                    .keyhole_script_expressions()
                    .call_matches(store, &expression, &text, anchored)
                    .await
            })
        })
        .await
    }

    async fn run<R: Send>(
        &self,
        call: impl for<'a> FnOnce(&'a Bindings, &'a mut Store<State>) -> BoxFuture<'a, wasmtime::Result<R>> + Send,
    ) -> Result<R, CallError> {
        let Inner {
            engine, pre, limits, ..
        } = &*self.0;
        let Ok(Some(slot)) = tokio::time::timeout(limits.wall, engine.slot()).await else {
            let why = format!("no sandbox was free within {} s", limits.wall.as_secs_f32());
            return Err(CallError::Host(why));
        };
        let meter = CpuMeter::new(limits.cpu);
        let mut store = self.store(&meter);
        let mut stage = Stage::Starting;
        let work = async {
            let instance = pre.instantiate_async(&mut store).await?;
            stage = Stage::Running;
            call(&instance, &mut store).await
        };
        let ended = tokio::time::timeout(limits.wall, Metered::new(meter, work)).await;
        let result = match ended {
            Err(_) => Err(CallError::Wall(limits.wall)),
            Ok(Err(CpuExceeded)) => Err(CallError::Cpu(limits.cpu)),
            Ok(Ok(Err(error))) => Err(classify(&error, stage, limits.cpu, ANSWER, &store.data().memory)),
            Ok(Ok(Ok(value))) => Ok(value),
        };
        drop(store);
        drop(slot);
        result
    }

    fn store(&self, meter: &CpuMeter) -> Store<State> {
        let Inner {
            engine, wasm, limits, ..
        } = &*self.0;
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let state = State {
            wasi: WasiCtxBuilder::new()
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .build(),
            table,
            memory: Memory::new(engine.gauges(), limits.memory),
            meter: meter.clone(),
            _living: Living::begin(engine.gauges()),
        };
        let mut store = Store::new(wasm, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(ANSWER.limit);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().meter.check()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

impl Matcher for Script {
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a> {
        Box::pin(async move {
            let Question {
                expression,
                text,
                anchored,
            } = question;
            match self.evaluate(expression, text, *anchored).await {
                Ok(Ok(matches)) => Ok(matches),
                Ok(Err(message)) => Err(MatchError::Malformed(short(&message))),
                Err(error) => Err(match_error(&error)),
            }
        })
    }
}

fn short(message: &str) -> String {
    let mut message = one_line(message);
    message.truncate(message.floor_char_boundary(MESSAGE));
    message
}

/// What an expression itself brought about is its fault and stays so; everything else may pass.
fn match_error(error: &CallError) -> MatchError {
    match error {
        CallError::Cpu(limit) => MatchError::Exhausted(format!("{} ms of CPU time", limit.as_millis())),
        CallError::Memory(limit) => MatchError::Exhausted(format!("{} MiB of memory", limit >> 20)),
        CallError::Output { .. } => MatchError::Exhausted("a message of 2 MiB".to_owned()),
        CallError::Trap(why) => MatchError::Exhausted(format!("the sandbox has ({})", short(why))),
        other => MatchError::Unavailable(short(&other.to_string())),
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
