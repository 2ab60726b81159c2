//! etcd, kube-apiserver 1.37 and the garbage collector, as on a cluster: TLS, RBAC, real tokens.
//!
//! There is no kubelet and no scheduler, so a Deployment is accepted and nothing runs; tests start the host
//! themselves, with the token and the rights that the Deployment's service account has.

mod certificates;
mod flags;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context as _;
use keyhole_test_assets::{ControlPlaneBinaries, Scratch};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::eventually::eventually;
use crate::ports;
use crate::process::Process;
use certificates::Certificates;
use flags::Layout;

/// Four seconds on an idle machine with two cores; a loaded one may take its time.
const START_WITHIN: Duration = Duration::from_secs(120);
/// Attempts with other ports, when somebody took one between looking and listening.
const ATTEMPTS: usize = 5;

/// A running control plane; it is gone when this is dropped.
pub struct ControlPlane {
    // Dropped in this order: clients of a server before the server.
    controller_manager: Mutex<Option<Process>>,
    apiserver: Mutex<Option<Process>>,
    etcd: Mutex<Process>,
    client: kube::Client,
    layout: Layout,
    binaries: ControlPlaneBinaries,
    certificates: Certificates,
    admin_token: String,
    scratch: Scratch,
}

impl ControlPlane {
    /// Starts etcd and the API server and waits until it is ready. The controller-manager follows with
    /// [`ControlPlane::start_controller_manager`], once the CRDs are there: its garbage collector looks for
    /// new kinds only every 30 seconds.
    pub async fn start() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let binaries = ControlPlaneBinaries::find()?
            .context("the test control plane is not built yet: `cargo xtask test` or `cargo xtask demo` builds it")?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(&binaries).await {
                Err(error) if format!("{error:#}").contains("address already in use") => last = Some(error),
                outcome => return outcome,
            }
        }
        Err(last.context("no attempt")?)
    }

    async fn attempt(binaries: &ControlPlaneBinaries) -> anyhow::Result<Self> {
        let scratch = Scratch::new("control-plane")?;
        let certificates = Certificates::create(scratch.path())?;
        let admin_token: String = std::iter::repeat_with(fastrand::alphanumeric).take(40).collect();
        let layout = Layout {
            folder: scratch.path().to_path_buf(),
            etcd_port: ports::free()?,
            etcd_peer_port: ports::free()?,
            apiserver_port: ports::free()?,
        };
        std::fs::write(
            layout.tokens(),
            format!("{admin_token},admin,admin,\"system:masters\"\n"),
        )?;
        let kubeconfig = Self::kubeconfig_text(&layout, &certificates, &admin_token);
        std::fs::write(layout.admin_kubeconfig(), &kubeconfig)?;

        let etcd = Process::spawn("etcd", layout.etcd(&binaries.etcd), &layout.log("etcd"))?;
        let apiserver = spawn_apiserver(binaries, &layout)?;
        let client = client(&kubeconfig).await?;
        let plane = Self {
            controller_manager: Mutex::new(None),
            apiserver: Mutex::new(Some(apiserver)),
            etcd: Mutex::new(etcd),
            client,
            layout,
            binaries: binaries.clone(),
            certificates,
            admin_token,
            scratch,
        };
        plane.wait_until_ready().await?;
        Ok(plane)
    }

    /// Starts the garbage collector and the namespace controller, if they do not run yet.
    pub fn start_controller_manager(&self) -> anyhow::Result<()> {
        let mut running = self.controller_manager.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let command = self.layout.controller_manager(&self.binaries.controller_manager);
            *running = Some(Process::spawn(
                "kube-controller-manager",
                command,
                &self.layout.log("controller-manager"),
            )?);
        }
        Ok(())
    }

    /// Kills the API server; watches break and requests are refused until [`ControlPlane::start_apiserver`].
    pub fn kill_apiserver(&self) {
        let process = self.apiserver.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(process);
    }

    /// Starts the API server again on its port, over the same etcd, and waits until it is ready.
    pub async fn start_apiserver(&self) -> anyhow::Result<()> {
        let process = spawn_apiserver(&self.binaries, &self.layout)?;
        *self.apiserver.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        self.wait_until_ready().await
    }

    /// Kills and starts the API server.
    pub async fn restart_apiserver(&self) -> anyhow::Result<()> {
        self.kill_apiserver();
        self.start_apiserver().await
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        eventually(START_WITHIN, "the API server to be ready", async || {
            // An end is final; waiting on would only hide the reason. etcd first: without it the API server ends too.
            if let Err(ended) = self.etcd.lock().unwrap_or_else(PoisonError::into_inner).check() {
                return Ok(Err(ended));
            }
            if let Some(process) = self.apiserver.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
                && let Err(ended) = process.check()
            {
                return Ok(Err(ended));
            }
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(|error| error.to_string())?;
            let asked = tokio::time::timeout(Duration::from_secs(5), self.client.request_text(request)).await;
            match asked {
                Ok(Ok(text)) if text.trim() == "ok" => Ok(Ok(())),
                Ok(Ok(text)) => Err(text),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        })
        .await?
    }

    /// A client with all rights.
    #[must_use]
    pub fn admin(&self) -> kube::Client {
        self.client.clone()
    }

    /// A kubeconfig file with all rights, for people.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.layout.admin_kubeconfig()
    }

    /// A kubeconfig text for the holder of `token`.
    #[must_use]
    pub fn kubeconfig(&self, token: &str) -> String {
        Self::kubeconfig_text(&self.layout, &self.certificates, token)
    }

    fn kubeconfig_text(layout: &Layout, certificates: &Certificates, token: &str) -> String {
        let cluster =
            serde_json::json!({"server": layout.url(), "certificate-authority-data": certificates.authority()});
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "keyhole",
            "clusters": [{"name": "keyhole", "cluster": cluster}],
            "users": [{"name": "keyhole", "user": {"token": token}}],
            "contexts": [{"name": "keyhole", "context": {"cluster": "keyhole", "user": "keyhole", "namespace": "default"}}],
        })
        .to_string()
    }

    /// The certificate authority of the API server, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.certificates.authority_pem()
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// Address of the API server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.layout.apiserver_port))
    }

    /// The admin's token, to search logs for.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Its folder, with the logs of all three.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.scratch.path()
    }
}

fn spawn_apiserver(binaries: &ControlPlaneBinaries, layout: &Layout) -> anyhow::Result<Process> {
    Process::spawn(
        "kube-apiserver",
        layout.apiserver(&binaries.apiserver),
        &layout.log("apiserver"),
    )
}

/// A client from the text of a kubeconfig.
pub async fn client(kubeconfig: &str) -> anyhow::Result<kube::Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
