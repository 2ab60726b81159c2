//! The wasmtime engine, set up once per process.
//!
//! Every call gets a fresh instance, so instances must be cheap: memories, tables and stacks come from
//! pools that are reserved at the start. A plugin that does not fit a pool slot (it was granted more
//! memory, or brings several memories) runs in a second engine that allocates on demand; so does
//! everything where the address space is too small for a pool. Both engines compile to the same code.
//!
//! The engine never holds more instances than it has slots ([`Engine::slot`]): without that bound a
//! burst of calls would fail inside the allocator in place of waiting for its turn.

mod settings;
mod ticker;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{InstancePre, Linker};

use crate::gauges::Gauges;
use crate::load_error::LoadError;
use crate::state::State;

/// How the engine is set up. The default suits the operator.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Instances that may live at once, over all plugins. At least 1.
    pub slots: u32,
    /// Memory of a pool slot in bytes. Plugins with a larger limit run outside the pool. Part of the
    /// compatibility hash: change it and every cached file is compiled again.
    pub slot_memory: usize,
    /// How often a running guest is looked at. CPU limits are exact to about one tick.
    pub tick: Duration,
    /// Whether to use the pool at all.
    pub pooling: Pooling,
}

/// Whether instances come from a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Where the address space allows it.
    #[default]
    Auto,
    /// Never: each instance is allocated when it is needed (about 30 us more per call).
    Never,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            slots: 64,
            slot_memory: 64 << 20,
            tick: Duration::from_millis(10),
            pooling: Pooling::Auto,
        }
    }
}

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    /// Instances from the pool, unless the address space is too small.
    pooled: Option<Host>,
    /// Instances allocated on demand.
    roomy: Host,
    slots: Arc<Semaphore>,
    slot_memory: usize,
    gauges: Arc<Gauges>,
    // Stops its thread when dropped.
    _ticker: ticker::Ticker,
}

/// One wasmtime engine with everything a plugin can import.
pub(crate) struct Host {
    pub(crate) engine: wasmtime::Engine,
    linker: Linker<State>,
}

impl Host {
    fn new(config: &wasmtime::Config) -> Result<Self, LoadError> {
        let engine = wasmtime::Engine::new(config).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let linker = crate::imports::linker(&engine).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        Ok(Self { engine, linker })
    }

    pub(crate) fn link(&self, component: &wasmtime::component::Component) -> wasmtime::Result<InstancePre<State>> {
        self.linker.instantiate_pre(component)
    }
}

impl Engine {
    /// Sets the engine up and starts its ticker thread, which ends with the last clone.
    ///
    /// # Errors
    ///
    /// [`LoadError::Engine`] when neither kind of allocation works on this machine.
    pub fn new(config: &EngineConfig) -> Result<Self, LoadError> {
        let slots = config.slots.max(1);
        let base = settings::compiler(config)?;
        let roomy = Host::new(&base)?;
        let pooled = match config.pooling {
            Pooling::Never => None,
            Pooling::Auto if !settings::address_space_suffices(slots, config.slot_memory) => {
                tracing::warn!("the address space is limited; sandboxes are allocated on demand, which is slower");
                None
            }
            Pooling::Auto => match Host::new(&settings::pooled(base, slots, config.slot_memory)) {
                Ok(host) => Some(host),
                Err(error) => {
                    tracing::warn!(%error, "no pool of sandboxes; they are allocated on demand, which is slower");
                    None
                }
            },
        };
        let engines = pooled.iter().chain([&roomy]).map(|host| host.engine.weak()).collect();
        let ticker = ticker::Ticker::start(engines, config.tick)?;
        Ok(Self(Arc::new(Inner {
            pooled,
            roomy,
            slots: Arc::new(Semaphore::new(usize::try_from(slots).unwrap_or(usize::MAX >> 4))),
            slot_memory: config.slot_memory,
            gauges: Arc::default(),
            _ticker: ticker,
        })))
    }

    /// Compiles a component to machine code that [`crate::Component::load_file`] takes, here or in
    /// any other process with the same [`Engine::compatibility_hash`].
    ///
    /// # Errors
    ///
    /// [`LoadError::Compile`] when the bytes are no valid component.
    pub fn precompile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        self.0
            .roomy
            .engine
            .precompile_component(component)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    /// Which precompiled files this engine can load: the same text for the same compiler, settings,
    /// target and CPU baseline. 64 hexadecimal digits.
    #[must_use]
    pub fn compatibility_hash(&self) -> String {
        struct Sink(Sha256);
        impl Hasher for Sink {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }
            fn finish(&self) -> u64 {
                0
            }
        }
        let mut sink = Sink(Sha256::new());
        self.0.roomy.engine.precompile_compatibility_hash().hash(&mut sink);
        sink.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether instances come from a pool.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.0.pooled.is_some()
    }

    /// Instances that live now. 0 when no call is running.
    #[must_use]
    pub fn live_instances(&self) -> usize {
        self.0.gauges.instances.load(Ordering::Acquire)
    }

    /// Bytes of linear memory and tables of all instances that live now. 0 when no call is running.
    #[must_use]
    pub fn limiter_bytes(&self) -> usize {
        self.0.gauges.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn pooled(&self) -> Option<&Host> {
        self.0.pooled.as_ref()
    }

    pub(crate) fn roomy(&self) -> &Host {
        &self.0.roomy
    }

    pub(crate) fn slot_memory(&self) -> usize {
        self.0.slot_memory
    }

    pub(crate) fn gauges(&self) -> &Arc<Gauges> {
        &self.0.gauges
    }

    /// Waits for a slot. The permit must outlive the instance.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.slots).acquire_owned().await.ok()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("pooled", &self.is_pooled())
            .finish_non_exhaustive()
    }
}
