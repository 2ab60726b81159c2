//! The compiler child and the folder it fills.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

/// The hash that this build's engine wants, from the child's own complaint.
fn engine() -> String {
    let output = compile("nonsense", 1 << 30, Path::new("/nonexistent/out"), b"");
    let complaint = text(&output.stderr);
    let hash = complaint
        .split_whitespace()
        .find(|word| word.trim_end_matches(',').len() == 64);
    hash.unwrap_or_else(|| panic!("{complaint}"))
        .trim_end_matches(',')
        .to_owned()
}

fn compile(engine: &str, memory: u64, out: &Path, component: &[u8]) -> Output {
    let mut command = keyhole();
    command
        .arg("compile")
        .arg("--out")
        .arg(out)
        .args(["--engine", engine, "--memory", &memory.to_string()]);
    with_input(&mut command, component)
}

#[test]
fn a_component_becomes_machine_code_that_only_its_owner_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let output = compile(&engine(), 1 << 30, &folder.path().join("code"), &empty_component());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metadata = std::fs::metadata(folder.path().join("code")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(metadata.len() > 0);
}

/// The empty component.
fn empty_component() -> Vec<u8> {
    b"\0asm\x0d\0\x01\0".to_vec()
}

#[test]
fn a_file_that_is_no_component_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [&b"no component"[..], b"", b"\0asm\x01\0\0\0"] {
        let output = compile(&engine(), 1 << 30, &folder.path().join("out"), bytes);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn too_little_memory_ends_the_child_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let builtin = keyhole_builtin::all()[0].wasm;
    let output = compile(&engine(), 12 << 20, &out, builtin);
    assert!(
        !output.status.success() && output.status.code() != Some(3),
        "{:?}",
        output.status
    );
    assert!(!out.exists());
}

#[test]
fn a_child_may_write_a_file_of_a_bounded_size_and_no_larger_one() {
    let mut child = keyhole()
        .args([
            "compile",
            "--out",
            "/nonexistent/out",
            "--engine",
            "any",
            "--memory",
            "1073741824",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It limits itself and then waits for a component.
    let limits = format!("/proc/{}/limits", child.id());
    let deadline = Instant::now() + Duration::from_secs(30);
    let expected = keyhole_plugins::compile_child::MOST_CODE.to_string();
    loop {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max file size")).unwrap();
        let mut words = line.split_whitespace().skip(3);
        if words.next() == Some(&expected) && words.next() == Some(&expected) {
            break;
        }
        assert!(Instant::now() < deadline, "{line}");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_file_that_is_there_already_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::write(&out, b"precious").unwrap();
    let output = compile(&engine(), 1 << 30, &out, &empty_component());
    assert!(!output.status.success());
    assert_eq!(std::fs::read(&out).unwrap(), b"precious");
}

#[test]
fn an_image_is_filled_once_and_readable_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("plugins");
    let out_text = out.to_str().unwrap();
    let printed = stdout(&["precompile", "--out", out_text]);
    let files: Vec<_> = printed.lines().map(PathBuf::from).collect();
    assert_eq!(
        files.len(),
        keyhole_builtin::components().count(),
        "plugins and JavaScript"
    );
    for file in &files {
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o644,
            "{}",
            file.display()
        );
        assert!(file.starts_with(&out));
    }
    assert_eq!(
        stdout(&["precompile", "--out", out_text]),
        printed,
        "the same code each time"
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), files.len());
}
