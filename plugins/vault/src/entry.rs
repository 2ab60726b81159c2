//! From a key to the path that Vault's API is asked for.
//!
//! A key is that path itself, as in KES: `secret/data/app` in version 2 of the key-value engine, `secret/app` in
//! version 1. Namespaces are permitted keys by their text, so the text must say where it leads: parts such as
//! `..` are refused rather than resolved, and everything that a URL would understand is escaped.

use keyhole_sdk::{Error, http};

use crate::options::Options;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As people read it: the path without the version.
    pub name: String,
    /// The same, escaped for a URL.
    pub path: String,
    /// The version, if not the latest.
    pub version: Option<u64>,
}

impl Entry {
    /// The entry of a key.
    ///
    /// # Errors
    /// When the key is no path, or the version none.
    pub fn new(key: &str, options: &Options) -> Result<Self, Error> {
        let version = options.version()?;
        // With KES this was the only way to ask for a version.
        let (name, suffix) = match key.split_once("?version=") {
            Some((name, number)) => match number.parse::<u64>() {
                Ok(number) => (name, Some(number).filter(|number| *number != 0)),
                Err(_) => (key, None),
            },
            None => (key, None),
        };
        if let (Some(one), Some(other)) = (version, suffix)
            && one != other
        {
            let message = format!("the key asks for version {other} and the options for {one}; set one of them");
            return Err(Error::invalid("/key", message));
        }
        // A leading slash makes no difference to Vault, which redirects.
        let name = name.strip_prefix('/').unwrap_or(name);
        Ok(Self {
            name: name.to_owned(),
            path: escaped(name, "/key")?,
            version: version.or(suffix),
        })
    }
}

/// A path, escaped part by part.
///
/// # Errors
/// When a part is empty or leads elsewhere.
pub fn escaped(path: &str, pointer: &str) -> Result<String, Error> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.trim().is_empty() {
        let message = "it is empty; write the path of an entry, e.g. secret/data/app";
        return Err(Error::invalid(pointer, message));
    }
    if path.split('/').any(odd) {
        let message = format!("{path:?} has an empty part, \".\" or \"..\"; write the path out, e.g. secret/data/app");
        return Err(Error::invalid(pointer, message));
    }
    Ok(path.split('/').map(http::encode).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sdk::ErrorKind;
    use serde_json::json;

    fn entry(key: &str, options: serde_json::Value) -> Result<Entry, Error> {
        Entry::new(key, &serde_json::from_value(options).unwrap())
    }

    #[test]
    fn a_key_is_the_path_of_the_api() {
        for (key, name, path, version) in [
            ("secret/data/app", "secret/data/app", "secret/data/app", None),
            ("/secret/data/app", "secret/data/app", "secret/data/app", None),
            ("secret/data/a b", "secret/data/a b", "secret/data/a%20b", None),
            (
                "secret/data/app?version=3",
                "secret/data/app",
                "secret/data/app",
                Some(3),
            ),
            ("secret/data/app?version=0", "secret/data/app", "secret/data/app", None),
        ] {
            let entry = entry(key, json!({})).unwrap();
            assert_eq!(
                (entry.name.as_str(), entry.path.as_str(), entry.version),
                (name, path, version)
            );
        }
    }

    #[test]
    fn nothing_in_a_key_is_understood_by_a_url() {
        for (key, path) in [
            ("secret/data/app?list=true", "secret/data/app%3Flist%3Dtrue"),
            ("secret/data/app?version=x", "secret/data/app%3Fversion%3Dx"),
            ("secret/data/app#x", "secret/data/app%23x"),
            ("secret/data/x%2f..%2fapp", "secret/data/x%252f..%252fapp"),
            ("secret\\..\\x", "secret%5C..%5Cx"),
        ] {
            assert_eq!(entry(key, json!({})).unwrap().path, path);
        }
    }

    #[test]
    fn a_key_that_leads_elsewhere_is_refused() {
        for key in [
            "",
            " ",
            "/",
            "secret/../sys/health",
            "./secret",
            "secret//app",
            "//secret",
            "secret/app/",
            "..",
        ] {
            let error = entry(key, json!({})).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid("/key".to_owned()), "{key:?}");
        }
    }

    #[test]
    fn a_version_in_the_key_and_one_in_the_options_must_agree() {
        assert_eq!(
            entry("a/b?version=3", json!({"version": "3"})).unwrap().version,
            Some(3)
        );
        assert_eq!(entry("a/b", json!({"versionId": "3"})).unwrap().version, Some(3));
        assert!(entry("a/b?version=3", json!({"version": "4"})).is_err());
    }
}
