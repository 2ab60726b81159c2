//! How much memory a child may take.
//!
//! What counts is the container's limit, not the machine's: cgroup v2 tells it in `memory.max`. Page
//! cache that can be given back at once (`inactive_file`) is not in use.

use std::fs;
use std::path::{Path, PathBuf};

/// Stays free for what the host itself does meanwhile.
const MARGIN: u64 = 32 << 20;
/// Less than this is not worth starting with; the child then dies and says so.
const LEAST: u64 = 32 << 20;
/// More than this no component needs. A Python guest of 18 MiB takes 360 MiB.
const MOST: u64 = 2 << 30;

/// Bytes that a child may take now.
pub(super) fn for_child() -> u64 {
    let cgroup = cgroup_folder(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default());
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available(&text));
    let container = [cgroup, PathBuf::from("/sys/fs/cgroup")]
        .iter()
        .filter_map(|folder| left(folder))
        .min();
    share(container.into_iter().chain(machine).min())
}

fn share(left: Option<u64>) -> u64 {
    left.map_or(MOST, |left| left.saturating_sub(MARGIN)).clamp(LEAST, MOST)
}

/// From the line `0::/path` of cgroup v2.
fn cgroup_folder(text: &str) -> PathBuf {
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    Path::new("/sys/fs/cgroup").join(path)
}

/// Bytes until the limit of this cgroup; `None` without a limit.
fn left(folder: &Path) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let idle = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok())
        .unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(idle)))
}

/// `MemAvailable` in bytes.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(max: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("memory.max"), max).unwrap();
        fs::write(folder.path().join("memory.current"), "100000000\n").unwrap();
        fs::write(folder.path().join("memory.stat"), "anon 5\ninactive_file 40000000\n").unwrap();
        folder
    }

    #[test]
    fn page_cache_that_can_go_is_not_in_use() {
        assert_eq!(left(cgroup("200000000\n").path()), Some(140_000_000));
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(left(cgroup("max\n").path()), None);
        assert_eq!(left(Path::new("/nonexistent")), None);
        assert_eq!(share(None), MOST);
    }

    #[test]
    fn the_child_gets_less_than_what_is_left() {
        assert_eq!(share(Some(256 << 20)), 224 << 20);
        assert_eq!(share(Some(1 << 20)), LEAST);
        assert_eq!(share(Some(64 << 30)), MOST);
    }

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(available("MemTotal: 5 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(
            cgroup_folder("0::/kubepods/pod1\n"),
            Path::new("/sys/fs/cgroup/kubepods/pod1")
        );
        assert_eq!(cgroup_folder("0::/\n"), Path::new("/sys/fs/cgroup"));
    }
}
