//! What the cases share.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Installed, Manifest};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::case::Case;
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
}

/// One runtime for all cases: clients live in the runtime that made them, and the world outlives any case.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static WORLD: OnceCell<World> = OnceCell::const_new();

impl World {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL);
        let host = Host::start(config).await.unwrap();
        Self {
            plane,
            installed,
            aws,
            host,
            values: Mutex::default(),
            other_logs: Mutex::default(),
        }
    }
}

/// Runs a case in a namespace of its own, and searches what was said for what must stay secret.
pub fn case(test: impl AsyncFnOnce(&Case)) {
    RUNTIME.block_on(async {
        let world = WORLD.get_or_init(World::start).await;
        let case = Case::open(world).await;
        let outcome = AssertUnwindSafe(test(&case)).catch_unwind().await;
        if let Err(panic) = outcome {
            eprintln!("what the host says about {}:\n{}", case.namespace, case.about());
            resume_unwind(panic);
        }
        search::nothing_leaked(world).await;
    });
}

/// Runs something that needs nothing of what is shared.
pub fn alone(test: impl AsyncFnOnce()) {
    RUNTIME.block_on(test());
}
