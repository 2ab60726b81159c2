//! Which key of the Secret a parameter under a path becomes.

use crate::options::Joint;

/// The key of the parameter `name`, which was found under `path`: its last segment as in KES, or all
/// segments below the path.
pub fn key(path: &str, name: &str, joint: Option<Joint>) -> String {
    let Some(joint) = joint else {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    };
    let below = name
        .strip_prefix(path.trim_end_matches('/'))
        .filter(|below| below.starts_with('/'))
        .unwrap_or(name);
    let segments: Vec<&str> = below.split('/').filter(|segment| !segment.is_empty()).collect();
    segments.join(joint.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_last_segment_or_all_below_the_path() {
        for (path, name, leaf, whole) in [
            ("/app", "/app/name", "name", "name"),
            ("/app", "/app/db/name", "name", "db_name"),
            ("/", "/app/db/name", "name", "app_db_name"),
            ("/", "plain", "plain", "plain"),
            ("/app", "/apple/name", "name", "apple_name"),
        ] {
            assert_eq!(key(path, name, None), leaf);
            assert_eq!(key(path, name, Some(Joint::Underscore)), whole);
        }
        assert_eq!(key("/a", "/a/b/c", Some(Joint::Dot)), "b.c");
        assert_eq!(key("/a", "/a/b/c", Some(Joint::Dash)), "b-c");
    }
}
