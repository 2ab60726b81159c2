//! Files, ConfigMaps and the policy. Registries and cosign itself are in `tests/it`.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use keyhole_core::SecretBytes;
use tempfile::TempDir;

use super::*;

const COMPONENT: &[u8] = b"\0asm component";
/// Made by cosign 3.1.3: keys, and its bundle for [`COMPONENT`].
const KEY: &str = include_str!("tests/cosign.pub");
const OTHER_KEY: &str = include_str!("tests/other.pub");
const BUNDLE: &[u8] = include_bytes!("tests/component.sigstore.json");

/// A namespace with one ConfigMap.
#[derive(Debug, Default)]
struct Entries(BTreeMap<&'static str, Vec<u8>>);

impl ClusterFiles for Entries {
    fn config_map_entry<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ClusterFileError>> {
        let found = match name {
            "plugins" => Ok(self.0.get(key).cloned()),
            "forbidden" => Err(ClusterFileError {
                why: "no right to get it".into(),
                transient: false,
            }),
            _ => Err(ClusterFileError {
                why: "the API server is away".into(),
                transient: true,
            }),
        };
        async { found }.boxed()
    }

    fn docker_config<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<SecretBytes>, ClusterFileError>> {
        async { Ok(None) }.boxed()
    }
}

fn key(pem: &str) -> PublicKey {
    pem.parse().unwrap()
}

fn signed_by(keys: &[&str]) -> Demands {
    Demands {
        digest: None,
        keys: keys.iter().map(|pem| key(pem)).collect(),
    }
}

fn demanding(policy: Policy) -> Sources {
    Sources {
        policy,
        ..Sources::default()
    }
}

fn of_cluster(keys: &[&str]) -> Policy {
    Policy {
        keys: keys.iter().map(|pem| key(pem)).collect(),
        ..Policy::default()
    }
}

/// A folder with the component and, if any, its bundle.
fn folder(bundle: Option<&[u8]>) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    std::fs::write(&path, COMPONENT).unwrap();
    if let Some(bundle) = bundle {
        std::fs::write(folder.path().join("plugin.wasm.sigstore.json"), bundle).unwrap();
    }
    (folder, Source::File(path))
}

fn reason(obtained: Result<Obtained, SourceError>) -> &'static str {
    obtained.unwrap_err().reason()
}

#[tokio::test]
async fn the_same_bytes_have_the_same_digest_wherever_they_come_from() {
    let (_folder, file) = folder(None);
    let sources = Sources {
        cluster: Some(Arc::new(Entries(BTreeMap::from([("plugin.wasm", COMPONENT.to_vec())])))),
        ..Sources::default()
    };
    let config_map = Source::ConfigMap {
        name: "plugins".into(),
        key: "plugin.wasm".into(),
    };
    for source in [file, config_map, Source::BuiltIn(COMPONENT)] {
        let obtained = sources.obtain(&source, &Demands::default()).await.unwrap();
        assert_eq!(*obtained.digest, *Digest::of(COMPONENT).as_str(), "{source}");
        assert_eq!(&*obtained.component, COMPONENT, "{source}");
        assert_eq!(obtained.signed_by, None);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_cannot_be_asked() {
    let sources = Sources {
        cluster: Some(Arc::new(Entries::default())),
        ..Sources::default()
    };
    let entry = |name: &str| Source::ConfigMap {
        name: name.into(),
        key: "plugin.wasm".into(),
    };
    let obtain = async |source: Source| sources.obtain(&source, &Demands::default()).await;
    assert_eq!(reason(obtain(entry("plugins")).await), "SourceNotFound");
    assert_eq!(reason(obtain(entry("forbidden")).await), "SourceDenied");
    let away = obtain(entry("away")).await.unwrap_err();
    assert_eq!(away.reason(), "SourceUnreachable");
    assert!(away.is_transient());
    assert_eq!(
        reason(obtain(Source::File("/nonexistent/plugin.wasm".into())).await),
        "SourceNotFound"
    );
    assert_eq!(
        reason(Sources::default().obtain(&entry("plugins"), &Demands::default()).await),
        "NoCluster"
    );
}

#[tokio::test]
async fn a_file_that_is_no_webassembly_or_no_file_is_no_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    std::fs::write(&path, "#!/bin/sh").unwrap();
    for path in [path, folder.path().to_owned(), "/dev/zero".into()] {
        let obtained = Sources::default()
            .obtain(&Source::File(path), &Demands::default())
            .await;
        assert_eq!(reason(obtained), "NotAPlugin");
    }
}

#[tokio::test]
async fn a_file_is_read_up_to_the_limit_and_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(MAX_COMPONENT + 1)
        .unwrap();
    let obtained = Sources::default()
        .obtain(&Source::File(path), &Demands::default())
        .await;
    assert_eq!(reason(obtained), "TooLarge");
}

#[tokio::test]
async fn another_digest_than_the_demanded_one_is_refused_from_every_source() {
    let demands = Demands {
        digest: Some(Digest::of(b"something else")),
        keys: Vec::new(),
    };
    let (_folder, file) = folder(None);
    for source in [file, Source::BuiltIn(COMPONENT)] {
        assert_eq!(
            reason(Sources::default().obtain(&source, &demands).await),
            "DigestMismatch",
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_bundle_of_cosign_beside_a_file_or_an_entry_signs_it() {
    let (_folder, file) = folder(Some(BUNDLE));
    let entries = BTreeMap::from([
        ("plugin.wasm", COMPONENT.to_vec()),
        ("plugin.wasm.sigstore.json", BUNDLE.to_vec()),
    ]);
    let sources = Sources {
        cluster: Some(Arc::new(Entries(entries))),
        ..Sources::default()
    };
    let config_map = Source::ConfigMap {
        name: "plugins".into(),
        key: "plugin.wasm".into(),
    };
    for source in [file, config_map] {
        let obtained = sources.obtain(&source, &signed_by(&[OTHER_KEY, KEY])).await.unwrap();
        assert_eq!(obtained.signed_by.as_deref(), Some(key(KEY).fingerprint()), "{source}");
    }
}

#[tokio::test]
async fn each_signature_that_does_not_count_has_its_own_reason() {
    let bundle = std::str::from_utf8(BUNDLE).unwrap();
    let attestation = r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "dsseEnvelope": {"payload": "", "payloadType": "x", "signatures": []}}"#;
    for (bundle, keys, expected) in [
        (None, &[KEY][..], "SignatureMissing"),
        (Some(bundle), &[OTHER_KEY], "SignedByAnotherKey"),
        (Some("{}"), &[KEY], "MalformedSignature"),
        (Some(attestation), &[KEY], "MalformedSignature"),
        (
            Some(&*bundle.replace("+json", "+xml").replace("dev.sigstore", "other")),
            &[KEY],
            "MalformedSignature",
        ),
        (
            Some(&*bundle.replace(r#""signature":""#, r#""signature":"!"#)),
            &[KEY],
            "MalformedSignature",
        ),
    ] {
        let (_folder, file) = folder(bundle.map(str::as_bytes));
        let obtained = Sources::default().obtain(&file, &signed_by(keys)).await;
        assert_eq!(reason(obtained), expected, "{bundle:?}");
    }
}

#[tokio::test]
async fn a_signature_of_another_file_does_not_count_for_this_one() {
    let (folder, file) = folder(Some(BUNDLE));
    std::fs::write(folder.path().join("plugin.wasm"), b"\0asm another component").unwrap();
    let obtained = Sources::default().obtain(&file, &signed_by(&[KEY])).await;
    assert_eq!(reason(obtained), "SignatureOfAnotherFile");
}

#[tokio::test]
async fn keys_of_an_object_narrow_those_of_the_cluster_and_never_widen_them() {
    let (_folder, file) = folder(Some(BUNDLE));
    let obtain = async |cluster: &[&str], object: &[&str]| {
        let sources = demanding(of_cluster(cluster));
        sources.obtain(&file, &signed_by(object)).await
    };
    assert!(obtain(&[KEY, OTHER_KEY], &[]).await.is_ok());
    assert!(obtain(&[KEY, OTHER_KEY], &[KEY]).await.is_ok());
    assert_eq!(
        reason(obtain(&[KEY, OTHER_KEY], &[OTHER_KEY]).await),
        "SignedByAnotherKey"
    );
    assert_eq!(reason(obtain(&[OTHER_KEY], &[]).await), "SignedByAnotherKey");
    assert_eq!(reason(obtain(&[OTHER_KEY], &[KEY]).await), "KeysOutsidePolicy");
}

#[tokio::test]
async fn an_operator_that_takes_signed_plugins_only_needs_to_know_whose() {
    let (_folder, file) = folder(Some(BUNDLE));
    let sources = demanding(Policy {
        signed_only: true,
        ..Policy::default()
    });
    assert_eq!(
        reason(sources.obtain(&file, &Demands::default()).await),
        "SignatureDemanded"
    );
    assert!(sources.obtain(&file, &signed_by(&[KEY])).await.is_ok());
    assert_eq!(
        reason(sources.obtain(&file, &signed_by(&[OTHER_KEY])).await),
        "SignedByAnotherKey"
    );
}

#[tokio::test]
async fn a_built_in_plugin_is_vouched_for_by_the_binary_and_has_no_signature() {
    let policy = Policy {
        signed_only: true,
        ..of_cluster(&[KEY])
    };
    let sources = demanding(policy);
    let built_in = Source::BuiltIn(COMPONENT);
    assert!(sources.obtain(&built_in, &Demands::default()).await.is_ok());
    assert_eq!(
        reason(sources.obtain(&built_in, &signed_by(&[KEY])).await),
        "SignatureMissing"
    );
}
