use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(&folder.path().join("sources"));
    (folder, store)
}

#[test]
fn what_was_put_is_found_again_and_is_for_this_user_only() {
    let (_folder, store) = store();
    let digest = Digest::of(b"component");
    assert_eq!(store.component(&digest), None);
    store.put_component(&digest, b"component");
    assert_eq!(store.component(&digest).as_deref(), Some(b"component".as_slice()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.path(&digest, COMPONENT)), 0o600);
    assert_eq!(mode(&store.folder), 0o700);
    assert_eq!(
        fs::read_dir(&store.folder).unwrap().count(),
        1,
        "nothing temporary stays"
    );
}

#[test]
fn a_file_that_was_changed_is_the_same_as_none() {
    let (_folder, store) = store();
    let digest = Digest::of(b"component");
    for change in ["comp0nent", "component and more", ""] {
        store.put_component(&digest, b"component");
        store.put_manifest(&digest, b"component");
        fs::write(store.path(&digest, COMPONENT), change).unwrap();
        fs::write(store.path(&digest, MANIFEST), change).unwrap();
        assert_eq!(store.component(&digest), None, "{change}");
        assert_eq!(store.manifest(&digest), None, "{change}");
    }
}

#[test]
fn a_file_that_others_may_write_or_that_points_elsewhere_is_the_same_as_none() {
    let (folder, store) = store();
    let digest = Digest::of(b"component");
    store.put_component(&digest, b"component");
    let path = store.path(&digest, COMPONENT);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(store.component(&digest), None);
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, b"component").unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert_eq!(store.component(&digest), None);
}

#[test]
fn a_signature_and_a_tag_are_kept_by_what_they_belong_to() {
    let (_folder, store) = store();
    let (manifest, other) = (Digest::of(b"manifest"), Digest::of(b"other"));
    let signature = Signature::SimpleSigning {
        payload: "{}".into(),
        signature: "c2ln".into(),
    };
    store.put_signature(&manifest, &signature);
    assert_eq!(store.signature(&manifest), Some(signature));
    assert_eq!(store.signature(&other), None);
    let reference: Reference = "r.io/x:1".parse().unwrap();
    store.put_tag(&reference, &manifest);
    assert_eq!(store.tag(&reference), Some(manifest));
    assert_eq!(store.tag(&"r.io/x:2".parse().unwrap()), None);
}

#[test]
fn those_that_were_used_longest_ago_go_first() {
    let (_folder, store) = store();
    let digests: Vec<Digest> = (0..=MOST_COMPONENTS)
        .map(|number| Digest::of(&number.to_be_bytes()))
        .collect();
    let long_ago = SystemTime::now() - Duration::from_secs(1000);
    for (number, digest) in digests.iter().enumerate() {
        store.put_component(digest, &number.to_be_bytes());
        let file = fs::File::open(store.path(digest, COMPONENT)).unwrap();
        file.set_modified(long_ago + Duration::from_secs(number as u64))
            .unwrap();
        if number == MOST_COMPONENTS - 1 {
            assert!(store.component(&digests[0]).is_some(), "reading is using");
        }
    }
    assert_eq!(fs::read_dir(&store.folder).unwrap().count(), MOST_COMPONENTS);
    assert!(store.component(&digests[0]).is_some());
    assert!(store.component(&digests[1]).is_none());
    assert!(store.component(&digests[MOST_COMPONENTS]).is_some());
}

#[test]
fn the_folder_is_bounded_in_bytes_too() {
    let (_folder, store) = store();
    store.put_tag(&"r.io/x:1".parse().unwrap(), &Digest::of(b"x"));
    let newest = store.folder.join("c.wasm");
    for name in ["a.wasm", "b.wasm", "c.wasm"] {
        fs::write(store.folder.join(name), [0; 10]).unwrap();
    }
    keep(&store.folder, &newest, COMPONENT, 32, 15);
    assert!(newest.exists());
    assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 2, "the tag stays");
}

#[test]
fn room_is_made_before_something_is_written_and_small_files_are_bounded_in_bytes_too() {
    let (_folder, store) = store();
    let long_ago = SystemTime::now() - Duration::from_secs(1000);
    fs::create_dir_all(&store.folder).unwrap();
    let sparse = |name: &str, bytes: u64, age: u64| {
        let file = fs::File::create(store.folder.join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(long_ago + Duration::from_secs(age)).unwrap();
    };
    sparse("old.wasm", MOST_COMPONENT_BYTES / 2, 1);
    sparse("new.wasm", MOST_COMPONENT_BYTES / 2, 2);
    sparse("old.manifest", MAX_MANIFEST, 1);
    sparse("newer.manifest", MAX_MANIFEST, 2);
    let component = Digest::of(b"component");
    // Full to the brim, so one has to go for nine bytes.
    store.put_component(&component, b"component");
    assert!(!store.folder.join("old.wasm").exists() && store.folder.join("new.wasm").exists());
    assert!(store.component(&component).is_some() && store.folder.join("old.manifest").exists());
    store.put_manifest(&component, b"component");
    assert!(!store.folder.join("old.manifest").exists() && store.folder.join("newer.manifest").exists());
    assert!(store.manifest(&component).is_some() && store.component(&component).is_some());
}

#[test]
fn a_folder_that_cannot_be_written_is_no_failure() {
    let store = Store::new(Path::new("/proc/nowhere"));
    store.put_component(&Digest::of(b"x"), b"x");
    assert_eq!(store.component(&Digest::of(b"x")), None);
}
