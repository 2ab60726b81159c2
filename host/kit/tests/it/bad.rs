//! The guest that is good, or bad in one way.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyhole_kit::Guest;
use keyhole_kit::suite::Material;
use keyhole_plugins::CompileCache;

const MARKER: &[u8] = b"bad-guest-habit:";
/// Bytes of the longest habit.
const ROOM: usize = 32;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile")
}

fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| keyhole_guests::build(&workspace(), "bad-guest", &workspace().join("target")).unwrap())
}

/// The guest with this habit, opened.
pub async fn guest(habit: &str) -> Guest {
    let mut bytes = std::fs::read(file()).unwrap();
    let places: Vec<usize> = bytes
        .windows(MARKER.len())
        .enumerate()
        .filter(|(_, window)| *window == MARKER)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 1, "the marker is there once");
    let at = places[0] + MARKER.len();
    bytes[at..at + ROOM].fill(b' ');
    bytes[at..at + habit.len()].copy_from_slice(habit.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.wasm");
    std::fs::write(&path, bytes).unwrap();
    Guest::open(&path, &CompileCache::in_memory()).await.unwrap()
}

/// Its recordings.
pub fn material() -> Material {
    Material::load(&workspace().join("bad/recordings")).unwrap()
}
