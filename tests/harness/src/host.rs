//! The host as a process, as its container runs it: under its own token, with an empty environment.

mod metrics;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use keyhole_test_aws::{Credentials, FakeAws};

use crate::eventually::eventually;
use crate::process::Process;
use crate::{http, ports};
use keyhole_test_assets::Scratch;
pub use metrics::Metrics;

/// Compiling the built-in plugin takes a second on an idle machine; a loaded one may take its time.
const READY_WITHIN: Duration = Duration::from_secs(120);
const ATTEMPTS: usize = 5;

/// The built `keyhole`: `$KEYHOLE_BIN`, else the one in the target folder of the running test or tool.
pub fn keyhole_binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("KEYHOLE_BIN") {
        return Ok(PathBuf::from(path));
    }
    let me = env::current_exe()?;
    let found = me
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("keyhole"))
        .find(|path| path.is_file());
    found.context("no keyhole binary beside this one: run `cargo build -p keyhole`, or set KEYHOLE_BIN")
}

/// How a [`Host`] runs.
#[derive(Clone, Debug)]
pub struct HostConfig {
    kubeconfig: String,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
}

impl HostConfig {
    /// A host that reaches the API server by this kubeconfig text.
    #[must_use]
    pub fn new(kubeconfig: &str) -> Self {
        let config = Self {
            kubeconfig: kubeconfig.to_owned(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
        };
        // At this level a log gives away all that it could.
        config
            .env("LOG_LEVEL", "trace")
            .env("KEYHOLE_METRICS_ADDRESS", "127.0.0.1")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an argument after `run`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Uses this fake as AWS, with its base user's key as base credentials.
    #[must_use]
    pub fn aws(self, fake: &FakeAws, region: &str) -> Self {
        self.aws_at(&fake.endpoint(), &fake.base_credentials(), region)
    }

    /// Uses the AWS at this endpoint.
    #[must_use]
    pub fn aws_at(self, endpoint: &str, base: &Credentials, region: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", &base.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &base.secret_access_key)
            .env("AWS_REGION", region)
    }

    /// The refresh interval of objects that do not set their own.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        self.env("POLLER_INTERVAL_MILLISECONDS", interval.as_millis().to_string())
    }

    /// Reconciles only objects with this `controllerId`.
    #[must_use]
    pub fn instance(self, id: &str) -> Self {
        self.env("INSTANCE_ID", id)
    }

    /// Watches only these namespaces.
    #[must_use]
    pub fn namespaces(self, namespaces: &[&str]) -> Self {
        self.env("WATCHED_NAMESPACES", namespaces.join(","))
    }
}

/// A running host; it is killed when this is dropped.
pub struct Host {
    process: Process,
    port: u16,
    config: HostConfig,
    scratch: Scratch,
}

impl Host {
    /// Starts the host and waits until it is ready.
    pub async fn start(config: HostConfig) -> anyhow::Result<Self> {
        let mut host = Self::spawn(config)?;
        host.ready().await?;
        Ok(host)
    }

    /// Starts the host and does not wait: for starts that must fail.
    pub fn spawn(config: HostConfig) -> anyhow::Result<Self> {
        let scratch = Scratch::new("host")?;
        fs::write(scratch.join("kubeconfig"), &config.kubeconfig)?;
        fs::create_dir_all(scratch.join("home"))?;
        let (process, port) = run(&config, &scratch)?;
        Ok(Self {
            process,
            port,
            config,
            scratch,
        })
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            let url = format!("http://127.0.0.1:{}/readyz", self.port);
            let process = &mut self.process;
            let outcome = eventually(READY_WITHIN, "the host to be ready", async || match process.check() {
                Err(ended) => Ok(Err(ended)),
                Ok(()) => http::get(&url).await.map(|_| Ok(())),
            })
            .await
            .with_context(|| format!("its log ends:\n{}", self.log_tail()))?;
            match outcome {
                Err(error) if format!("{error:#}").contains("ddress already in use") => {
                    (self.process, self.port) = run(&self.config, &self.scratch)?;
                }
                outcome => return outcome,
            }
        }
        anyhow::bail!("no free port for the host")
    }

    /// Kills it at once.
    pub fn sigkill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop and waits until it has.
    pub async fn sigterm_and_wait(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.process.terminate(within).await
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.process.wait(within).await
    }

    /// Starts it again after an end, with the same configuration and log, and does not wait.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        (self.process, self.port) = run(&self.config, &self.scratch)?;
        Ok(())
    }

    /// Starts it again and waits until it is ready.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Everything that it wrote to standard output and error, the runs before a restart included.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The process, for memory and CPU time.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `http://127.0.0.1:PORT` of metrics, health and readiness.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A page of the admin port, e.g. `/healthz`.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        http::get(&format!("{}{path}", self.admin_url())).await
    }

    /// Its metrics now.
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        Ok(Metrics::parse(&self.page("/metrics").await?))
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .get(lines.len().saturating_sub(15)..)
            .unwrap_or_default()
            .join("\n")
    }
}

fn run(config: &HostConfig, scratch: &Scratch) -> anyhow::Result<(Process, u16)> {
    let port = ports::free()?;
    let mut command = Command::new(keyhole_binary()?);
    command
        .arg("run")
        .args(&config.arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", scratch.join("home"))
        .env("KUBECONFIG", scratch.join("kubeconfig"))
        .env("METRICS_PORT", port.to_string())
        .env("KEYHOLE_CACHE_DIR", keyhole_test_assets::root()?)
        .envs(&config.environment);
    Ok((Process::spawn("keyhole", command, &scratch.join("host.log"))?, port))
}
