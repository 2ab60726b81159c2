//! The folder's rules. That a real child compiles a real component is tested with the real program,
//! in `host/keyhole`.

use super::*;
use keyhole_test_harness::write_script;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

/// A program that takes the child's arguments and does `script` with `$out`.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("child.sh");
    write_script(&path, &format!("out=$3\n{script}"));
    path
}

fn key() -> Key {
    Key {
        engine: "e".repeat(64),
        stem: "component-engine-".into(),
    }
}

fn file() -> PluginFile {
    PluginFile::new("fake".into(), b"the component".as_slice().into())
}

/// What the folder holds, without the program.
fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

async fn stored(script: &str) -> (tempfile::TempDir, Result<PathBuf, CacheError>) {
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let program = program(programs.path(), script);
    let result = store(folder.path(), Mode::Private, &program, &key(), &file()).await;
    (folder, result)
}

#[tokio::test]
async fn what_the_child_wrote_is_stored_under_its_own_digest() {
    let (folder, path) = stored("umask 077; cat > $out").await;
    let path = path.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the component");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let digest = keyhole_core::digest::sha256_hex(b"the component");
    assert_eq!(
        names(folder.path()),
        [format!(
            "component-engine-{}.cwasm",
            digest.trim_start_matches("sha256:")
        )]
    );
    assert_eq!(candidates(folder.path(), "component-engine-"), [path]);
    assert!(candidates(folder.path(), "other-engine-").is_empty());
}

#[tokio::test]
async fn the_child_is_told_engine_and_memory_and_has_no_environment() {
    let (_folder, path) = stored("umask 077; echo \"$@\" > $out; env >> $out; cat > /dev/null").await;
    let said = fs::read_to_string(path.unwrap()).unwrap();
    assert!(
        said.contains(&format!("--engine {} --memory ", "e".repeat(64))),
        "{said}"
    );
    for name in ["HOME", "PATH=/usr/local/cargo", "CARGO"] {
        assert!(!said.contains(name), "{said}");
    }
}

#[tokio::test]
async fn a_refused_component_is_told_in_one_line_and_leaves_nothing() {
    let (folder, result) =
        stored("cat > /dev/null; echo half > $out; echo 'bad magic' >&2; echo more >&2; exit 3").await;
    assert!(
        matches!(&result, Err(CacheError::Compile(CompileError::Refused(line))) if line == "bad magic"),
        "{result:?}"
    );
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_child_that_dies_is_told_with_the_remedy() {
    let (folder, result) = stored("cat > /dev/null; kill -9 $$").await;
    let text = result.unwrap_err().to_string();
    assert!(text.contains("memory limit") && text.contains("signal: 9"), "{text}");
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_child_that_reads_nothing_and_says_a_lot_does_not_hang() {
    let (_folder, result) = stored("exec 0<&-; head -c 1000000 /dev/zero >&2; exit 3").await;
    assert!(
        matches!(result, Err(CacheError::Compile(CompileError::Refused(_)))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_child_that_wrote_nothing_is_an_error() {
    let (_folder, result) = stored("cat > /dev/null").await;
    assert!(matches!(result, Err(CacheError::Folder { .. })), "{result:?}");
}

#[test]
fn a_file_that_others_may_write_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, b"code").unwrap();
    for (mode, trusted) in [(0o600, true), (0o644, true), (0o660, false), (0o606, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(open_trusted(&path).is_ok(), trusted, "{mode:o}");
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(open_trusted(&link).is_err(), "a link leads anywhere");
    assert!(open_trusted(folder.path()).is_err(), "a folder is no file");
}

#[test]
fn the_folder_keeps_the_newest_and_drops_what_was_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, seconds_ago: u64| {
        let path = folder.path().join(name);
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago))
            .unwrap();
        path
    };
    for age in 0..50 {
        at(&format!("{age:02}.cwasm"), 1000 + age);
    }
    at("old.tmp", 7200);
    at("young.tmp", 10);
    at("foreign.txt", 7200);
    let newest = at("newest.cwasm", 0);
    prune(folder.path(), &newest);
    let mut left = names(folder.path());
    left.sort();
    let compiled: Vec<_> = left.iter().filter(|name| name.ends_with(".cwasm")).collect();
    assert_eq!(compiled.len(), MOST_FILES);
    assert!(
        left.contains(&"00.cwasm".into()) && !left.contains(&"49.cwasm".into()),
        "{left:?}"
    );
    assert!(
        left.contains(&"newest.cwasm".into())
            && left.contains(&"young.tmp".into())
            && left.contains(&"foreign.txt".into())
    );
    assert!(!left.contains(&"old.tmp".into()));
}

#[test]
fn the_folder_is_bounded_in_bytes_and_keeps_what_was_used_last() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: u64, seconds_ago: u64| {
        let path = folder.path().join(name);
        let file = File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago))
            .unwrap();
        path
    };
    at("oldest.cwasm", 10, 4000);
    at("old.cwasm", MOST_BYTES / 2, 3000);
    let in_use = at("used.cwasm", MOST_BYTES / 2, 4500);
    used(&File::open(&in_use).unwrap());
    let newest = at("newest.cwasm", MOST_BYTES / 4, 5000);
    prune(folder.path(), &newest);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, ["newest.cwasm", "used.cwasm"]);
    // Whatever it takes, what was just made is there to be loaded.
    let giant = at("giant.cwasm", 2 * MOST_BYTES, 6000);
    prune(folder.path(), &giant);
    assert_eq!(names(folder.path()), ["giant.cwasm"]);
}

#[tokio::test]
async fn what_is_loaded_from_the_bounded_folder_counts_as_used_and_what_is_in_an_image_stays_as_it_is() {
    let engine = Engine::new(&keyhole_sandbox::EngineConfig {
        pooling: keyhole_sandbox::Pooling::Never,
        ..Default::default()
    })
    .unwrap();
    let file = PluginFile::new("empty".into(), b"\0asm\x0d\0\x01\0".as_slice().into());
    let code = engine.precompile(&file.component).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(5000);
    for in_image in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let digest = keyhole_core::digest::sha256_hex(&code);
        let stem = Key::new(&engine, &file).stem;
        let path = folder
            .path()
            .join(format!("{stem}{}.cwasm", digest.trim_start_matches("sha256:")));
        fs::write(&path, &code).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        let folder = Some(folder.path().to_owned());
        let (read_only, writable) = if in_image { (folder, None) } else { (None, folder) };
        let cache = CompileCache {
            read_only,
            writable,
            compiler: Compiler::InProcess,
        };
        cache.component(&engine, &file).await.unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(modified == long_ago, in_image);
    }
}
