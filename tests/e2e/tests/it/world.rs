//! What the cases share.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Installed, Manifest};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::case::Case;
use crate::moto::MotoWorld;
use crate::search;

/// Region of everything that needs one.
pub const REGION: &str = "eu-west-1";
/// Interval of the shared host: the shortest there is, so that following takes a second.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// A control plane with Keyhole installed, an AWS, and a host.
pub struct World {
    pub plane: ControlPlane,
    pub installed: Installed,
    pub aws: FakeAws,
    pub host: Host,
    /// Every secret value that a case made up, to search for.
    pub values: Mutex<Vec<Vec<u8>>>,
    /// What hosts of single cases wrote, once they are gone.
    pub other_logs: Mutex<Vec<String>>,
    /// The other store, with a host of its own; started by the first case that needs it.
    pub moto: OnceCell<MotoWorld>,
}

/// One runtime for all cases: clients live in the runtime that made them, and the world outlives any case.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static WORLD: OnceCell<Arc<World>> = OnceCell::const_new();

impl World {
    /// One whose parts run already.
    pub fn of(plane: ControlPlane, installed: Installed, aws: FakeAws, host: Host) -> Self {
        Self {
            plane,
            installed,
            aws,
            host,
            values: Mutex::default(),
            other_logs: Mutex::default(),
            moto: OnceCell::new(),
        }
    }

    async fn start() -> Arc<Self> {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL);
        let host = Host::start(config).await.unwrap();
        Arc::new(Self::of(plane, installed, aws, host))
    }
}

/// Runs a case in a namespace of its own, and searches what was said for what must stay secret.
pub fn case(test: impl AsyncFnOnce(&Case)) {
    RUNTIME.block_on(async {
        let world = WORLD.get_or_init(World::start).await;
        run(Case::open(world, None).await, test).await;
    });
}

/// The same with moto as the store.
pub fn moto_case(test: impl AsyncFnOnce(&Case)) {
    RUNTIME.block_on(async {
        let world = WORLD.get_or_init(World::start).await;
        let moto = world.moto.get_or_init(|| MotoWorld::start(world)).await;
        run(Case::open(world, Some(moto)).await, test).await;
    });
}

/// Runs a case to its end. One that fails leaves what the host said about it.
pub async fn run(case: Case, test: impl AsyncFnOnce(&Case)) {
    let outcome = AssertUnwindSafe(test(&case)).catch_unwind().await;
    if let Err(panic) = outcome {
        eprintln!("what the host says about {}:\n{}", case.namespace, case.about());
        resume_unwind(panic);
    }
    search::nothing_leaked(&case.world).await;
}

/// Runs something that needs nothing of what is shared.
pub fn alone(test: impl AsyncFnOnce()) {
    RUNTIME.block_on(test());
}
