//! OpenBao as the server of the `vault` backend, with its Kubernetes auth pointed at a test control plane.
//!
//! In memory, unsealed, without TLS. Its audit log tells what it was asked: the plugin's own word would prove
//! nothing about how often it logs in.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Method;
use keyhole_test_assets::OpenBao as Installed;
use serde_json::{Value as Json, json};

use crate::control_plane::ControlPlane;
use crate::eventually::eventually;
use crate::process::Process;
use crate::{http as client, ports};
use keyhole_test_assets::Scratch;

const START_WITHIN: Duration = Duration::from_secs(60);
const ATTEMPTS: usize = 5;
const AUDIT: &str = "audit.log";

/// A running OpenBao; it is gone when this is dropped.
pub struct OpenBao {
    endpoint: String,
    root_token: String,
    _process: Process,
    scratch: Scratch,
}

impl OpenBao {
    /// Starts the server and waits until it answers. `secret/` is a key-value engine of version 2.
    pub async fn start() -> anyhow::Result<Self> {
        let installed = Installed::find()?.context("OpenBao is not installed yet: `cargo xtask test` does it")?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(&installed).await {
                Err(error) if format!("{error:#}").contains("address already in use") => last = Some(error),
                outcome => return outcome,
            }
        }
        Err(last.context("no attempt")?)
    }

    async fn attempt(installed: &Installed) -> anyhow::Result<Self> {
        let scratch = Scratch::new("openbao")?;
        let root_token: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let audit = scratch.join(AUDIT);
        let config = format!(
            "audit \"file\" \"all\" {{ options {{ file_path = \"{}\" }} }}",
            audit.display()
        );
        fs::write(scratch.join("config.hcl"), config)?;
        let address = format!("127.0.0.1:{}", ports::free()?);
        let mut command = Command::new(&installed.binary);
        command
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={root_token}"))
            .arg(format!("-dev-listen-address={address}"))
            .arg(format!("-config={}", scratch.join("config.hcl").display()))
            .current_dir(scratch.path())
            .env("HOME", scratch.path());
        let mut process = Process::spawn("openbao", command, &scratch.join("openbao.log"))?;
        let endpoint = format!("http://{address}");
        let page = format!("{endpoint}/v1/sys/health");
        eventually(START_WITHIN, "OpenBao to answer", async || match process.check() {
            Err(ended) => Ok(Err(ended)),
            Ok(()) => client::get(&page).await.map(|_| Ok(())),
        })
        .await??;
        let server = Self {
            endpoint,
            root_token,
            _process: process,
            scratch,
        };
        // The engine is upgraded to version 2 in the background.
        eventually(START_WITHIN, "the key-value engine to be ready", async || {
            server.write("secret/data/keyhole-probe", json!({"data": {}})).await
        })
        .await?;
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A token that may do everything.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Asks the API as root; `namespace` is OpenBao's own. Every answer that is no success is an error.
    pub async fn call(&self, method: Method, namespace: &str, path: &str, body: Json) -> anyhow::Result<Json> {
        let url = format!("{}/v1/{path}", self.endpoint);
        let headers = [
            ("x-vault-token", self.root_token.as_str()),
            ("x-vault-namespace", namespace),
        ];
        let headers = headers.iter().filter(|(_, value)| !value.is_empty()).copied();
        let text = client::request(method, &url, headers, body.to_string()).await?;
        if text.is_empty() {
            return Ok(Json::Null);
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes to a path.
    pub async fn write(&self, path: &str, body: Json) -> anyhow::Result<Json> {
        self.call(Method::POST, "", path, body).await
    }

    /// Deletes a path.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Json> {
        self.call(Method::DELETE, "", path, Json::Null).await
    }

    /// Mounts a key-value engine of this version at `path`.
    pub async fn mount_kv(&self, path: &str, version: u8) -> anyhow::Result<()> {
        let body = json!({"type": "kv", "options": {"version": version.to_string()}});
        self.write(&format!("sys/mounts/{path}"), body).await?;
        Ok(())
    }

    /// Mounts Kubernetes auth at `mount`: tokens are reviewed by the API server of `plane`.
    pub async fn mount_kubernetes(&self, namespace: &str, mount: &str, plane: &ControlPlane) -> anyhow::Result<()> {
        let path = format!("sys/auth/{mount}");
        self.call(Method::POST, namespace, &path, json!({"type": "kubernetes"}))
            .await?;
        let config = json!({
            "kubernetes_host": plane.url(),
            "kubernetes_ca_cert": plane.authority(),
            "token_reviewer_jwt": plane.admin_token(),
            "disable_local_ca_jwt": true,
        });
        let path = format!("auth/{mount}/config");
        self.call(Method::POST, namespace, &path, config).await?;
        Ok(())
    }

    /// A role at `mount` for this service account, `NAMESPACE/NAME`, whose tokens live for `ttl` (`1h`) and
    /// have these policies.
    pub async fn role(
        &self,
        namespace: &str,
        mount: &str,
        role: &str,
        account: &str,
        more: Json,
    ) -> anyhow::Result<()> {
        let (account_namespace, account_name) = account.split_once('/').context("write NAMESPACE/NAME")?;
        let mut body = json!({
            "bound_service_account_names": [account_name],
            "bound_service_account_namespaces": [account_namespace],
            "audience": "vault",
            "token_policies": ["read-all"],
            "token_ttl": "1h",
        });
        let (Json::Object(body_members), Json::Object(more)) = (&mut body, more) else {
            bail!("what a role adds is no object");
        };
        body_members.extend(more);
        let path = format!("auth/{mount}/role/{role}");
        self.call(Method::POST, namespace, &path, body).await?;
        Ok(())
    }

    /// A policy in OpenBao's own language.
    pub async fn policy(&self, namespace: &str, name: &str, rules: &str) -> anyhow::Result<()> {
        let path = format!("sys/policies/acl/{name}");
        self.call(Method::POST, namespace, &path, json!({ "policy": rules }))
            .await?;
        Ok(())
    }

    /// Revokes every token of this mount, as an operator would after an incident.
    pub async fn revoke_logins(&self, mount: &str) -> anyhow::Result<()> {
        self.write(&format!("sys/leases/revoke-prefix/auth/{mount}"), Json::Null)
            .await?;
        Ok(())
    }

    /// Seals the server for good.
    pub async fn seal(&self) -> anyhow::Result<()> {
        self.call(Method::PUT, "", "sys/seal", Json::Null).await?;
        Ok(())
    }

    /// How often this operation (`update`, `read`, `list`) was asked of this path so far. Each is in the audit
    /// log before it is answered.
    pub fn asked(&self, operation: &str, path: &str) -> anyhow::Result<usize> {
        self.count(operation, path, |_| true)
    }

    fn count(&self, operation: &str, path: &str, counts: impl Fn(&Json) -> bool) -> anyhow::Result<usize> {
        let log = fs::read_to_string(self.scratch.join(AUDIT))?;
        let is_asked = |line: &Json| {
            let is = |pointer: &str, wanted: &str| line.pointer(pointer).and_then(Json::as_str) == Some(wanted);
            is("/type", "request") && is("/request/operation", operation) && is("/request/path", path)
        };
        // The last line may still be in the making.
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let count = lines.filter(|line| is_asked(line) && counts(line)).count();
        Ok(count)
    }

    /// Renewals so far of tokens that a login at `mount` gave.
    pub fn renewals(&self, mount: &str) -> anyhow::Result<usize> {
        // Who logs in is called MOUNT-NAMESPACE-NAME.
        let prefix = format!("{mount}-");
        let is_of = |line: &Json| {
            let name = line.pointer("/auth/display_name").and_then(Json::as_str);
            name.is_some_and(|name| name.starts_with(&prefix))
        };
        self.count("update", "auth/token/renew-self", is_of)
    }

    /// Logins at `mount` so far.
    pub fn logins(&self, mount: &str) -> anyhow::Result<usize> {
        self.asked("update", &format!("auth/{mount}/login"))
    }
}
