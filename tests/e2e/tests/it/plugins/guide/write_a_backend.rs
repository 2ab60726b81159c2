//! "Write a backend in ten minutes", in as many as the machine takes.
//!
//! What the page's reader has is there: a cluster with the operator, a registry with a certificate that
//! everybody trusts, kubectl, cosign and cargo. Nothing else is prepared, and the page's own commands do the rest.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyhole_test_assets::{Kubectl, RegistryBinaries};
use keyhole_test_harness::{
    ControlPlane, Host, HostConfig, Manifest, Registry, RegistryConfig, Scratch, keyhole_binary,
};

use super::{page, script};
use crate::world::{INTERVAL, alone};

const PAGE: &str = "guide/write-a-backend.md";
/// A plugin is compiled twice, once by cargo.
const WITHIN: Duration = Duration::from_secs(600);

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A folder with these programs under the names that a page calls them by.
fn programs(folder: &Path, programs: [(&str, PathBuf); 3]) -> PathBuf {
    let folder = folder.join("bin");
    fs::create_dir(&folder).unwrap();
    for (name, program) in programs {
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    }
    folder
}

#[test]
fn the_commands_of_the_page_make_a_secret_out_of_an_empty_folder() {
    alone(async || {
        let scratch = Scratch::new("guide").unwrap();
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let registry = Registry::start(RegistryConfig {
            tls: true,
            ..RegistryConfig::default()
        })
        .await
        .unwrap();
        let trusted = registry.authority_file().display().to_string();
        let config = HostConfig::new(&installed.kubeconfig)
            .interval(INTERVAL)
            .env("KEYHOLE_NAMESPACE", &installed.namespace)
            .env("KEYHOLE_CACHE_DIR", scratch.join("cache").display().to_string())
            .env("SSL_CERT_FILE", &trusted)
            .env("AWS_REGION", "eu-west-1");
        let host = Host::start(config).await.unwrap();

        let binaries = RegistryBinaries::find().unwrap().unwrap();
        let kubectl = Kubectl::find().unwrap().unwrap().0;
        let tools = [
            ("keyhole", keyhole_binary().unwrap()),
            ("kubectl", kubectl),
            ("cosign", binaries.cosign),
        ];
        let bin = programs(scratch.path(), tools);
        let path = env::var("PATH").unwrap();
        let mut environment: BTreeMap<String, String> = [
            ("PATH", format!("{}:{path}", bin.display())),
            ("KUBECONFIG", plane.admin_kubeconfig().display().to_string()),
            ("SSL_CERT_FILE", trusted),
            // A build of one plugin, shared with nobody.
            ("CARGO_TARGET_DIR", scratch.join("target").display().to_string()),
            ("KEYHOLE_CACHE_DIR", scratch.join("cache").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            environment.extend(env::var(name).ok().map(|value| (name.to_owned(), value)));
        }
        let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk");
        let variables = BTreeMap::from([
            ("REGISTRY", format!("{}/acme", registry.host())),
            ("STORE", format!("http://127.0.0.1:{}", free_port())),
            ("SDK", sdk.to_owned()),
        ]);
        let steps = script::steps(&page::blocks(PAGE), &variables);
        assert!(steps.len() >= 6, "{}", steps.len());
        if let Err(what) = script::run(&steps, scratch.path(), &environment, WITHIN).await {
            panic!("{what}\n{}", host.log());
        }
        // The page shows the value; nothing else does.
        let log = host.log();
        assert!(!log.contains("hunter2") && !log.contains("open-sesame"), "{log}");
    });
}
