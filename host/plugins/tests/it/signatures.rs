//! What the real cosign signs, and what does not count although it looks like it.

use std::fs;
use std::path::Path;

use keyhole_plugins::{Demands, Digest, Policy, Source, Sources};
use keyhole_test_harness::{Cosign, CosignKey, SignatureFormat};

use crate::world::{REPOSITORY, World, at, component, open, public, reason, signed_by};

const FORMATS: [SignatureFormat; 2] = [SignatureFormat::Bundle, SignatureFormat::SimpleSigning];

struct Signer {
    cosign: Cosign,
    key: CosignKey,
    other: CosignKey,
}

impl Signer {
    async fn new() -> Self {
        let cosign = Cosign::find().unwrap();
        let (key, other) = (cosign.key("own").await.unwrap(), cosign.key("other").await.unwrap());
        Self { cosign, key, other }
    }

    async fn sign(&self, key: &CosignKey, world: &World, digest: &Digest, format: SignatureFormat) {
        let image = format!("{REPOSITORY}{}", at(digest));
        self.cosign.sign(key, &world.registry, &image, format).await.unwrap();
    }
}

#[tokio::test]
async fn both_shapes_of_a_signature_count() {
    let signer = Signer::new().await;
    for format in FORMATS {
        let world = open().await;
        let digest = world.push("1", &component("signed")).await;
        signer.sign(&signer.key, &world, &digest, format).await;
        let obtained = world
            .obtain(&at(&digest), &signed_by(&[&signer.other, &signer.key]))
            .await;
        assert_eq!(
            obtained.unwrap().signed_by.as_deref(),
            Some(public(&signer.key).fingerprint()),
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn a_key_on_another_curve_that_was_imported_counts_too() {
    let cosign = Cosign::find().unwrap();
    let private = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let key = cosign.import("p384", &private.serialize_pem()).await.unwrap();
    let world = open().await;
    let digest = world.push("1", &component("x")).await;
    let image = format!("{REPOSITORY}{}", at(&digest));
    for format in FORMATS {
        cosign.sign(&key, &world.registry, &image, format).await.unwrap();
        let obtained = world.obtain(&at(&digest), &signed_by(&[&key])).await.unwrap();
        assert_eq!(obtained.signed_by.as_deref(), Some(public(&key).fingerprint()));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    fs::write(&path, component("file")).unwrap();
    cosign.sign_blob(&key, &path).await.unwrap();
    let obtained = Sources::default()
        .obtain(&Source::File(path), &signed_by(&[&key]))
        .await;
    assert!(obtained.is_ok());
}

#[tokio::test]
async fn a_registry_with_tls_and_signatures_works_whole() {
    let signer = Signer::new().await;
    let world = World::start(keyhole_test_harness::RegistryConfig {
        tls: true,
        login: false,
    })
    .await;
    let digest = world.push("1", &component("signed")).await;
    signer.sign(&signer.key, &world, &digest, SignatureFormat::Bundle).await;
    assert!(world.obtain(&at(&digest), &signed_by(&[&signer.key])).await.is_ok());
}

#[tokio::test]
async fn a_missing_signature_and_one_of_another_key_are_told_apart() {
    let signer = Signer::new().await;
    for format in FORMATS {
        let world = open().await;
        let digest = world.push("1", &component("x")).await;
        let demands = signed_by(&[&signer.key]);
        assert_eq!(reason(world.obtain(&at(&digest), &demands).await), "SignatureMissing");
        signer.sign(&signer.other, &world, &digest, format).await;
        assert_eq!(
            reason(world.obtain(&at(&digest), &demands).await),
            "SignedByAnotherKey",
            "{format:?}"
        );
        // One more of the right key is enough.
        signer.sign(&signer.key, &world, &digest, format).await;
        assert!(world.obtain(&at(&digest), &demands).await.is_ok(), "{format:?}");
    }
}

#[tokio::test]
async fn nothing_is_fetched_of_a_component_that_nobody_signed() {
    let signer = Signer::new().await;
    let world = open().await;
    let digest = world.push("1", &component("unsigned")).await;
    let refused = world.obtain(&at(&digest), &signed_by(&[&signer.key])).await;
    assert_eq!(reason(refused), "SignatureMissing");
    let kept = world.sources.cache.as_ref().unwrap();
    let name = format!("{}.wasm", Digest::of(&component("unsigned")).hex());
    assert!(!kept.join(name).exists());
}

/// Puts the signature of one image beside another, as somebody who may write the repository can.
fn move_signature(world: &World, from: &Digest, to: &Digest, format: SignatureFormat) {
    let data = world.registry.stored(from.as_str());
    let tags = data
        .ancestors()
        .find(|path| path.ends_with("v2"))
        .unwrap()
        .join(format!("repositories/{REPOSITORY}/_manifests/tags"));
    let name = |digest: &Digest| match format {
        SignatureFormat::Bundle => format!("sha256-{}", digest.hex()),
        SignatureFormat::SimpleSigning => format!("sha256-{}.sig", digest.hex()),
    };
    copy_folder(&tags.join(name(from)), &tags.join(name(to)));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_signature_that_was_copied_from_another_image_does_not_count() {
    let signer = Signer::new().await;
    for format in FORMATS {
        let world = open().await;
        let signed = world.push("1", &component("signed")).await;
        let evil = world.push("2", &component("evil")).await;
        signer.sign(&signer.key, &world, &signed, format).await;
        move_signature(&world, &signed, &evil, format);
        let refused = world.obtain(&at(&evil), &signed_by(&[&signer.key])).await;
        assert_eq!(reason(refused), "SignatureOfAnotherFile", "{format:?}");
    }
}

#[tokio::test]
async fn a_tag_that_was_moved_to_what_nobody_signed_is_refused() {
    let signer = Signer::new().await;
    let mut world = open().await;
    world.allow_tags();
    let signed = world.push("1", &component("signed")).await;
    signer.sign(&signer.key, &world, &signed, SignatureFormat::Bundle).await;
    let demands = signed_by(&[&signer.key]);
    assert!(world.obtain(":1", &demands).await.is_ok());
    world.push("1", &component("evil")).await;
    assert_eq!(reason(world.obtain(":1", &demands).await), "SignatureMissing");
}

#[tokio::test]
async fn another_statement_of_the_same_key_is_no_signature() {
    let signer = Signer::new().await;
    let world = open().await;
    let digest = world.push("1", &component("x")).await;
    let image = format!("{REPOSITORY}{}", at(&digest));
    signer
        .cosign
        .attest(&signer.key, &world.registry, &image)
        .await
        .unwrap();
    let refused = world.obtain(&at(&digest), &signed_by(&[&signer.key])).await;
    assert!(["MalformedSignature", "SignatureMissing"].contains(&reason(refused)));
}

#[tokio::test]
async fn a_changed_signature_does_not_count() {
    let signer = Signer::new().await;
    let world = open().await;
    let digest = world.push("1", &component("x")).await;
    signer
        .sign(&signer.key, &world, &digest, SignatureFormat::SimpleSigning)
        .await;
    // The only blob with such a payload.
    let payload = blob_with(&world, &digest, "cosign container image signature");
    let text = fs::read_to_string(&payload).unwrap();
    fs::write(&payload, text.replace("\"optional\":null", "\"optional\":{} ")).unwrap();
    let refused = world.obtain(&at(&digest), &signed_by(&[&signer.key])).await;
    assert_eq!(reason(refused), "MalformedSignature");
}

fn blob_with(world: &World, any: &Digest, text: &str) -> std::path::PathBuf {
    let data = world.registry.stored(any.as_str());
    let blobs = data.ancestors().nth(3).unwrap().to_owned();
    let folders = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    folders(&blobs)
        .flat_map(|begin| folders(&begin).collect::<Vec<_>>())
        .map(|blob| blob.join("data"))
        .find(|data| String::from_utf8_lossy(&fs::read(data).unwrap()).contains(text))
        .unwrap()
}

#[tokio::test]
async fn a_verified_signature_is_kept_and_verified_again_while_the_registry_is_down() {
    let signer = Signer::new().await;
    for format in FORMATS {
        let mut world = open().await;
        let digest = world.push("1", &component("kept")).await;
        signer.sign(&signer.key, &world, &digest, format).await;
        let demands = signed_by(&[&signer.key]);
        world.obtain(&at(&digest), &demands).await.unwrap();
        world.registry.stop();
        assert!(world.obtain(&at(&digest), &demands).await.is_ok(), "{format:?}");
        // Another policy by now: what is kept does not meet it, and nobody can be asked.
        let other = signed_by(&[&signer.other]);
        assert_eq!(reason(world.obtain(&at(&digest), &other).await), "SourceUnreachable");
        let kept = world
            .sources
            .cache
            .as_ref()
            .unwrap()
            .join(format!("{}.signature", digest.hex()));
        let text = fs::read_to_string(&kept).unwrap();
        fs::write(
            &kept,
            text.replace("MEQ", "MEX").replace("MEU", "MEX").replace("MEY", "MEX"),
        )
        .unwrap();
        assert_ne!(fs::read_to_string(&kept).unwrap(), text);
        assert_eq!(
            reason(world.obtain(&at(&digest), &demands).await),
            "SourceUnreachable",
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn keys_of_the_cluster_apply_to_registries_and_an_object_cannot_add_to_them() {
    let signer = Signer::new().await;
    let mut world = open().await;
    let digest = world.push("1", &component("x")).await;
    signer
        .sign(&signer.other, &world, &digest, SignatureFormat::Bundle)
        .await;
    world.sources.policy = Policy {
        keys: vec![public(&signer.key)],
        ..Policy::default()
    };
    assert_eq!(reason(world.pull(&at(&digest)).await), "SignedByAnotherKey");
    let own = signed_by(&[&signer.other]);
    assert_eq!(reason(world.obtain(&at(&digest), &own).await), "KeysOutsidePolicy");
    signer.sign(&signer.key, &world, &digest, SignatureFormat::Bundle).await;
    assert!(world.pull(&at(&digest)).await.is_ok());
}

#[tokio::test]
async fn a_file_that_cosign_signed_loads_and_a_changed_one_does_not() {
    let signer = Signer::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    fs::write(&path, component("file")).unwrap();
    signer.cosign.sign_blob(&signer.key, &path).await.unwrap();
    let sources = Sources::default();
    let obtain = async |demands: &Demands| sources.obtain(&Source::File(path.clone()), demands).await;
    assert!(obtain(&signed_by(&[&signer.key])).await.is_ok());
    assert_eq!(reason(obtain(&signed_by(&[&signer.other])).await), "SignedByAnotherKey");
    fs::write(&path, component("evil")).unwrap();
    assert_eq!(
        reason(obtain(&signed_by(&[&signer.key])).await),
        "SignatureOfAnotherFile"
    );
}
