//! The crate as it would be published holds the contract, which is a link in this repository.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

#[test]
fn the_published_crate_holds_the_contract_and_nothing_of_the_host() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut list = Command::new(cargo);
    list.args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = list.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = String::from_utf8(output.stdout).unwrap();
    let has = |name: &str| files.lines().any(|file| file == name);
    for name in [
        "README.md",
        "CHANGELOG.md",
        "wit/backend.wit",
        "wit/deps/http.wit",
        "src/lib.rs",
    ] {
        assert!(has(name), "{name} is missing in\n{files}");
    }
    assert!(!files.contains("wit/script"), "{files}");
}
