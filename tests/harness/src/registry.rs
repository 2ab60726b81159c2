//! A registry, the reference implementation, with TLS and a password where a test wants them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use keyhole_test_assets::{RegistryBinaries, Scratch};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::ports;
use crate::process::Process;

const START_WITHIN: Duration = Duration::from_secs(60);
const ATTEMPTS: usize = 5;
/// The hash of [`Registry::PASSWORD`], with the least cost that bcrypt has.
const PASSWORD_FILE: &str = "tester:$2b$05$abcdefghijklmnopqrstuucoBHxrOz1JPhvMP97TeQ3r1OHQFXeau\n";

/// What a registry asks of its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistryConfig {
    /// HTTPS with an authority of its own.
    pub tls: bool,
    /// User and password for everything.
    pub login: bool,
}

/// A running registry.
pub struct Registry {
    process: Process,
    port: u16,
    authority: Option<String>,
    binary: PathBuf,
    scratch: Scratch,
}

impl Registry {
    /// Who may log in, where a login is asked for.
    pub const USER: &'static str = "tester";
    /// His password.
    pub const PASSWORD: &'static str = "registry password";

    /// Starts a registry and waits until it listens.
    pub async fn start(config: RegistryConfig) -> anyhow::Result<Self> {
        let binaries =
            RegistryBinaries::find()?.context("the test registry is not built yet: `cargo xtask test` builds it")?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(config, &binaries.registry).await {
                Err(error) if format!("{error:#}").contains("address already in use") => last = Some(error),
                outcome => return outcome,
            }
        }
        Err(last.context("no attempt")?)
    }

    async fn attempt(config: RegistryConfig, binary: &Path) -> anyhow::Result<Self> {
        let scratch = Scratch::new("registry")?;
        let port = ports::free()?;
        let authority = if config.tls {
            Some(certificates(scratch.path())?)
        } else {
            None
        };
        fs::write(scratch.join("password"), PASSWORD_FILE)?;
        fs::write(
            scratch.join("config.json"),
            configuration(config, port, scratch.path()).to_string(),
        )?;
        let process = spawn(binary, &scratch)?;
        let mut registry = Self {
            process,
            port,
            authority,
            binary: binary.to_path_buf(),
            scratch,
        };
        registry.wait_until_ready().await?;
        Ok(registry)
    }

    /// `127.0.0.1:PORT`, as references name it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its authority's certificate in PEM; empty without TLS.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }

    /// A file with that certificate.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.scratch.join("authority.crt")
    }

    /// The file that holds a blob or a manifest, for tests that change what was stored.
    #[must_use]
    pub fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let begin = hex.get(..2).unwrap_or_default();
        self.scratch
            .join("storage/docker/registry/v2/blobs/sha256")
            .join(begin)
            .join(hex)
            .join("data")
    }

    /// Everything that it logged, requests included.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Stops it; its content stays.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.binary, &self.scratch)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let process = &mut self.process;
        eventually(START_WITHIN, "the registry to listen", async || match process.check() {
            Err(ended) => Ok(Err(ended)),
            Ok(()) => TcpStream::connect(address).await.map(|_| Ok(())),
        })
        .await?
    }
}

fn spawn(binary: &Path, scratch: &Scratch) -> anyhow::Result<Process> {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg(scratch.join("config.json"))
        .current_dir(scratch.path())
        .env_clear()
        // It would look for a collector of traces otherwise.
        .env("OTEL_TRACES_EXPORTER", "none");
    Process::spawn("registry", command, &scratch.join("registry.log"))
}

/// YAML, which JSON is a part of.
fn configuration(config: RegistryConfig, port: u16, folder: &Path) -> serde_json::Value {
    let mut configuration = serde_json::json!({
        "version": 0.1,
        "log": { "level": "warn" },
        "storage": {
            "filesystem": { "rootdirectory": folder.join("storage") },
            "maintenance": { "uploadpurging": { "enabled": false } },
        },
        "http": { "addr": format!("127.0.0.1:{port}") },
    });
    let mut set = |pointer: &str, value: serde_json::Value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        if let Some(parent) = configuration
            .pointer_mut(parent)
            .and_then(serde_json::Value::as_object_mut)
        {
            parent.insert(name.to_owned(), value);
        }
    };
    if config.tls {
        let files = serde_json::json!({ "certificate": folder.join("tls.crt"), "key": folder.join("tls.key") });
        set("/http/tls", files);
    }
    if config.login {
        let file = serde_json::json!({ "realm": "test", "path": folder.join("password") });
        set("/auth", serde_json::json!({ "htpasswd": file }));
    }
    configuration
}

/// Writes `tls.{crt,key}` and `authority.crt`, and returns the authority's certificate.
fn certificates(folder: &Path) -> anyhow::Result<String> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "keyhole test registry's authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let params = CertificateParams::new(["127.0.0.1", "localhost"].map(str::to_owned))?;
    let key = KeyPair::generate()?;
    fs::write(folder.join("tls.crt"), params.signed_by(&key, &authority)?.pem())?;
    fs::write(folder.join("tls.key"), key.serialize_pem())?;
    fs::write(folder.join("authority.crt"), authority.pem())?;
    Ok(authority.pem())
}
