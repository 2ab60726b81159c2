//! The fake AWS as a process: prints its endpoint and serves until it is killed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use keyhole_test_aws::{Credentials, FakeAws, FakeConfig};

/// Secrets Manager, Parameter Store and STS on 127.0.0.1, with every signature verified. Control API: see /_fake/ in the documentation.
#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Milliseconds that every answer takes
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Seconds that a session lives, whatever AssumeRole asks for
    #[arg(long)]
    session_seconds: Option<u64>,
    /// Access key id of the base user
    #[arg(long, default_value_t = FakeConfig::default().base.access_key_id)]
    access_key_id: String,
    /// Secret access key of the base user
    #[arg(long, default_value_t = FakeConfig::default().base.secret_access_key)]
    secret_access_key: String,
    /// A secret at start, as REGION/NAME=VALUE; may be repeated
    #[arg(long = "secret", value_name = "REGION/NAME=VALUE")]
    secrets: Vec<String>,
    /// A SecureString at start, as REGION/NAME=VALUE, with two slashes where the name starts with one; may be repeated
    #[arg(long = "parameter", value_name = "REGION/NAME=VALUE")]
    parameters: Vec<String>,
    /// Secrets at start: a JSON file {"REGION": {"NAME": "VALUE"}}
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let Args {
        port,
        latency_ms,
        session_seconds,
        access_key_id,
        secret_access_key,
        secrets,
        parameters,
        seed,
    } = Args::parse();
    let fake = FakeAws::start(FakeConfig {
        port,
        latency: Duration::from_millis(latency_ms),
        session_lifetime: session_seconds.map(Duration::from_secs),
        base: Credentials {
            access_key_id,
            secret_access_key,
            session_token: None,
        },
        ..FakeConfig::default()
    })?;
    for secret in &secrets {
        let (region, name, value) = entry(secret).context("--secret takes REGION/NAME=VALUE")?;
        fake.set_secret(region, name, value);
    }
    for parameter in &parameters {
        let (region, name, value) = entry(parameter).context("--parameter takes REGION/NAME=VALUE")?;
        fake.set_parameter(region, name, value);
    }
    if let Some(path) = seed {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let regions: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&text)?;
        for (region, values) in regions {
            for (name, value) in values {
                fake.set_secret(&region, &name, value);
            }
        }
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", fake.endpoint())?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}

/// Region, name and value of an argument.
fn entry(argument: &str) -> Option<(&str, &str, &str)> {
    let (place, value) = argument.split_once('=')?;
    let (region, name) = place.split_once('/')?;
    Some((region, name, value))
}
