//! `moto`: somebody else's reading of what AWS answers.
//!
//! It checks no signature and takes about 3 ms a request: right for correctness, wrong for load and faults.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use keyhole_test_assets::{MotoEnvironment, Scratch};
use keyhole_test_aws::Credentials;

use crate::emulator::{ParameterStoreEndpoint, SecretsManagerEndpoint};
use crate::eventually::eventually;
use crate::process::Process;
use crate::{http, ports};

/// Importing all of moto takes seconds.
const START_WITHIN: Duration = Duration::from_secs(90);
const ATTEMPTS: usize = 5;

/// A running moto server.
pub struct Moto {
    endpoint: String,
    _process: Process,
    _scratch: Scratch,
}

impl Moto {
    /// Starts the server and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        let environment = MotoEnvironment::find()?
            .context("moto is not installed yet: `cargo xtask test` or `cargo xtask demo --aws moto` does it")?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::attempt(&environment).await {
                Err(error) if format!("{error:#}").contains("ddress already in use") => last = Some(error),
                outcome => return outcome,
            }
        }
        Err(last.context("no attempt")?)
    }

    async fn attempt(environment: &MotoEnvironment) -> anyhow::Result<Self> {
        let scratch = Scratch::new("moto")?;
        let port = ports::free()?;
        let mut command = Command::new(&environment.python);
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(scratch.path());
        let mut process = Process::spawn("moto", command, &scratch.join("moto.log"))?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let page = format!("{endpoint}/moto-api/data.json");
        eventually(START_WITHIN, "moto to answer", async || match process.check() {
            Err(ended) => Ok(Err(ended)),
            Ok(()) => http::get(&page).await.map(|_| Ok(())),
        })
        .await??;
        Ok(Self {
            endpoint,
            _process: process,
            _scratch: scratch,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Any credentials will do.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: "AKIAMOTOBASEKEY00001".to_owned(),
            secret_access_key: "motoBaseSecretAccessKey/0123456789+abcdef".to_owned(),
            session_token: None,
        }
    }

    /// Its Secrets Manager.
    #[must_use]
    pub fn secrets_manager(&self) -> SecretsManagerEndpoint {
        SecretsManagerEndpoint::new(&self.endpoint)
    }

    /// Its Parameter Store.
    #[must_use]
    pub fn parameter_store(&self) -> ParameterStoreEndpoint {
        ParameterStoreEndpoint::new(&self.endpoint)
    }
}
