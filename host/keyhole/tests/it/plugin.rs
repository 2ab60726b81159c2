//! The author's kit as the program offers it: the guest that is good, or bad in one way.

use super::*;

mod inspect;
mod project;
mod run;
mod test;

/// The guest's file with this habit, in a folder of its own.
fn guest(folder: &Path, habit: &str) -> PathBuf {
    const MARKER: &[u8] = b"bad-guest-habit:";
    const ROOM: usize = 32;
    let workspace = hostile();
    let built = keyhole_guests::build(&workspace, "bad-guest", &workspace.join("target")).unwrap();
    let mut bytes = std::fs::read(built).unwrap();
    let at = bytes.windows(MARKER.len()).position(|window| window == MARKER).unwrap() + MARKER.len();
    bytes[at..at + ROOM].fill(b' ');
    bytes[at..at + habit.len()].copy_from_slice(habit.as_bytes());
    let path = folder.join("bad.wasm");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn hostile() -> PathBuf {
    repository().join("tests/hostile")
}

/// `keyhole plugin ...`, compiling into the cache that all tests share.
fn plugin(arguments: &[&str]) -> Command {
    let mut command = keyhole();
    command.arg("plugin").args(arguments).env(
        "KEYHOLE_CACHE_DIR",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
    );
    command
}

/// Standard output, standard error and exit code.
fn ended(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command.output().unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}
