//! Where the tour takes place: a control plane of our own, or a cluster of the user's.

use std::path::PathBuf;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use keyhole_test_harness::{ControlPlane, Manifest, Scratch, apply, client};
use kube::api::{DeleteParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, ResourceExt as _};

/// Namespace of the sample object. Nothing else in the cluster is touched, but for the CRD.
pub const NAMESPACE: &str = "keyhole-demo";

/// A cluster with Keyhole's CRD and an empty namespace.
pub struct Cluster {
    /// Client of whoever shows the tour.
    pub client: kube::Client,
    /// Kubeconfig text of the host.
    pub host_kubeconfig: String,
    /// Kubeconfig file for the user.
    pub user_kubeconfig: Option<PathBuf>,
    /// Whom the host is, for people.
    pub host_is: String,
    own: bool,
    _plane: Option<ControlPlane>,
    _scratch: Option<Scratch>,
}

impl Cluster {
    /// Starts one: the host runs under the service account and rights of `deploy/install.yaml`.
    pub async fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let installed = plane.install(Manifest::Install).await?;
        let cluster = Self {
            client: plane.admin(),
            host_kubeconfig: installed.kubeconfig.clone(),
            user_kubeconfig: Some(plane.admin_kubeconfig()),
            host_is: format!(
                "system:serviceaccount:{}:{}",
                installed.namespace, installed.service_account
            ),
            own: true,
            _plane: Some(plane),
            _scratch: None,
        };
        cluster.create_namespace().await?;
        Ok(cluster)
    }

    /// Uses a context of the user's kubeconfig, for the host as well.
    pub async fn of_context(name: &str) -> anyhow::Result<Self> {
        let mut kubeconfig = Kubeconfig::read().context("cannot read your kubeconfig")?;
        kubeconfig.current_context = Some(name.to_owned());
        let text = serde_json::to_string(&kubeconfig)?;
        let client = client(&text)
            .await
            .with_context(|| format!("cannot use context {name}"))?;
        let crds = Manifest::Install.documents()?;
        for crd in crds
            .iter()
            .filter(|object| object.name_any() == "externalsecrets.kubernetes-client.io")
        {
            apply(&client, crd).await?;
        }
        let cluster = Self {
            client,
            host_kubeconfig: text,
            user_kubeconfig: None,
            host_is: format!("the user of context {name}"),
            own: false,
            _plane: None,
            _scratch: None,
        };
        cluster.create_namespace().await?;
        Ok(cluster)
    }

    async fn create_namespace(&self) -> anyhow::Result<()> {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(NAMESPACE.to_owned());
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        if namespaces.get_opt(NAMESPACE).await?.is_none() {
            namespaces.create(&PostParams::default(), &namespace).await?;
        }
        Ok(())
    }

    /// Takes the namespace away again where the cluster is not ours and stays.
    pub async fn leave(&self) -> anyhow::Result<()> {
        if !self.own {
            Api::<Namespace>::all(self.client.clone())
                .delete(NAMESPACE, &DeleteParams::default())
                .await?;
        }
        Ok(())
    }
}
