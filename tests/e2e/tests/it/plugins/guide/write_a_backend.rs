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
    ControlPlane, Host, HostConfig, Manifest, Registry, RegistryConfig, Scratch, free_port, keyhole_binary,
};

use super::{page, script};
use crate::world::{INTERVAL, alone};

const PAGE: &str = "guide/write-a-backend.md";
/// A plugin is compiled twice, once by cargo.
const WITHIN: Duration = Duration::from_secs(600);

/// A file with the authorities that this machine trusts, and this one: cargo has to reach its registry as well.
fn authorities(folder: &Path, authority: &str) -> String {
    let given = env::var("SSL_CERT_FILE").ok();
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let mut places = given.into_iter().chain(usual.map(str::to_owned));
    let system = places
        .find_map(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    let file = folder.join("authorities.pem");
    fs::write(&file, format!("{system}\n{authority}")).unwrap();
    file.display().to_string()
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
        let trusted = authorities(scratch.path(), registry.authority());
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
            // The store and the registry are on this machine.
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("no_proxy", "127.0.0.1".to_owned()),
            // A build of one plugin, shared with nobody.
            ("CARGO_TARGET_DIR", scratch.join("target").display().to_string()),
            ("KEYHOLE_CACHE_DIR", scratch.join("cache").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let of_cargo = [
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "HTTPS_PROXY",
            "https_proxy",
        ];
        for name in of_cargo {
            environment.extend(env::var(name).ok().map(|value| (name.to_owned(), value)));
        }
        let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk");
        let variables = BTreeMap::from([
            ("REGISTRY", format!("{}/acme", registry.host())),
            ("STORE", format!("http://127.0.0.1:{}", free_port().unwrap())),
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
