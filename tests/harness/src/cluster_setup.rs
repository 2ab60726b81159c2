//! Installs Keyhole on a control plane as a user would: with a manifest from `deploy/`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _};
use kube_runtime::wait::{await_condition, conditions};

use crate::control_plane::ControlPlane;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
/// Long enough for any run; the host reads its token once from the kubeconfig.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// A manifest in `deploy/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// `install.yaml`, the default rights.
    Install,
    /// `install-no-list.yaml`, without list and watch on Secrets.
    InstallNoList,
    /// `install-namespaces.yaml`, for the namespaces `team-a` and `team-b`, which must exist.
    InstallNamespaces,
}

impl Manifest {
    fn file(self) -> &'static str {
        match self {
            Self::Install => "install.yaml",
            Self::InstallNoList => "install-no-list.yaml",
            Self::InstallNamespaces => "install-namespaces.yaml",
        }
    }

    /// The documents of the manifest.
    pub fn documents(self) -> anyhow::Result<Vec<DynamicObject>> {
        let path = Path::new(DEPLOY).join(self.file());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let values: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).context("not YAML")?;
        let objects = values
            .into_iter()
            .filter(|value| !value.is_null())
            .map(serde_json::from_value);
        objects
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} holds what is no object", path.display()))
    }
}

/// An installed Keyhole: whom the host is.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Namespace of the Deployment.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// A token of that account, as its pod would have.
    pub token: String,
    /// A kubeconfig text with that token and nothing else.
    pub kubeconfig: String,
}

impl ControlPlane {
    /// Applies a manifest, waits until its CRDs serve, starts the controller-manager, and takes a token of
    /// the service account.
    pub async fn install(&self, manifest: Manifest) -> anyhow::Result<Installed> {
        let objects = manifest.documents()?;
        let is_crd = |object: &&DynamicObject| kind(object) == "CustomResourceDefinition";
        for crd in objects.iter().filter(is_crd) {
            apply(&self.admin(), crd).await?;
            let crds: Api<CustomResourceDefinition> = Api::all(self.admin());
            let name = crd.name_any();
            let established = await_condition(crds, &name, conditions::is_crd_established());
            tokio::time::timeout(Duration::from_secs(60), established)
                .await
                .with_context(|| format!("CRD {name} is not established"))??;
        }
        for object in objects.iter().filter(|object| !is_crd(object)) {
            apply(&self.admin(), object).await?;
        }
        self.start_controller_manager()?;
        let account = objects
            .iter()
            .find(|object| kind(object) == "ServiceAccount")
            .context("no ServiceAccount")?;
        let namespace = account.namespace().context("the ServiceAccount has no namespace")?;
        let token = self.service_account_token(&namespace, &account.name_any()).await?;
        let kubeconfig = self.kubeconfig(&token);
        Ok(Installed {
            namespace,
            service_account: account.name_any(),
            token,
            kubeconfig,
        })
    }

    /// A bound token of a service account, from the API server.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> anyhow::Result<String> {
        self.token_for(namespace, name, "https://kubernetes.default.svc").await
    }

    /// The same for another audience.
    pub async fn token_for(&self, namespace: &str, name: &str, audience: &str) -> anyhow::Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin(), namespace);
        let spec = TokenRequestSpec {
            audiences: Some(vec![audience.to_owned()]),
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec: Some(spec),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        answer
            .status
            .and_then(|status| status.token)
            .context("the token request gave no token")
    }
}

/// Server-side apply of any object.
pub async fn apply(client: &kube::Client, object: &DynamicObject) -> anyhow::Result<()> {
    let types = object.types.as_ref().context("an object without apiVersion and kind")?;
    let (resource, _) = kube::discovery::pinned_kind(client, &GroupVersionKind::try_from(types)?).await?;
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("keyhole-test").force();
    let name = object.name_any();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("cannot apply {} {name}", kind(object)))?;
    Ok(())
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}
