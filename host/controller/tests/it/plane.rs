//! One control plane for all tests; each has a namespace of its own.

use std::sync::{OnceLock, mpsc};

use keyhole_test_harness::ControlPlane;
use kube::Client;

use crate::world::install_crd;

/// A kubeconfig of the shared control plane, with the CRD installed and the garbage collector running.
fn kubeconfig() -> &'static str {
    static KUBECONFIG: OnceLock<String> = OnceLock::new();
    KUBECONFIG.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        // The thread owns the servers and never ends: the kernel ends them with this process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let plane = runtime.block_on(async {
                let plane = ControlPlane::start().await.unwrap();
                install_crd(&plane.admin(), keyhole_api::external_secret_crd()).await;
                plane.start_controller_manager().unwrap();
                plane
            });
            sender.send(plane.kubeconfig(plane.admin_token())).unwrap();
            loop {
                std::thread::park();
            }
        });
        receiver.recv().unwrap()
    })
}

/// A client of this test's own runtime.
pub async fn client() -> Client {
    let kubeconfig = tokio::task::spawn_blocking(kubeconfig).await.unwrap();
    keyhole_test_harness::client(kubeconfig).await.unwrap()
}
