//! The tour ends well, with our emulator and with somebody else's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

fn tour(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyhole-demo"));
    let output = command.arg("--once").args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

fn shows_the_value_and_its_rotation(text: &str) {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let place = |wanted: &str| {
        lines
            .iter()
            .position(|line| *line == wanted)
            .unwrap_or_else(|| panic!("no {wanted} in\n{text}"))
    };
    assert!(place("password: correct-horse-battery-1") < place("password: correct-horse-battery-2"));
    // Parameter Store, by path and by key.
    place("token: sesame-open-1");
    place("license-key: KH-2026-0042");
}

#[test]
fn the_tour_shows_a_secret_and_its_rotation() {
    let text = tour(&[]);
    shows_the_value_and_its_rotation(&text);
    assert!(text.contains("signatures refused: 0"), "{text}");
}

#[test]
fn the_tour_with_moto_shows_the_same() {
    shows_the_value_and_its_rotation(&tour(&["--aws", "moto"]));
}
