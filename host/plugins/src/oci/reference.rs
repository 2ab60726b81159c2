//! A reference to an artifact: `registry/repository[:tag][@digest]`.
//!
//! The registry is always named. Docker's rule that a missing one means Docker Hub would turn a slip of the
//! pen into code from a stranger.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::source::Digest;

/// Longest name of registry and repository together.
const LONGEST: usize = 255;
/// Longest tag.
const LONGEST_TAG: usize = 128;

/// `registry/repository[:tag][@digest]`, each part as the distribution specification allows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: Arc<str>,
    repository: Arc<str>,
    tag: Option<Arc<str>>,
    digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Docker Hub goes without, this does not.
    #[error("{0:?} names no registry: write it like ghcr.io/acme/store (for Docker Hub docker.io/acme/store)")]
    NoRegistry(String),
    /// An address in place of a reference.
    #[error("{0:?} is written without a scheme: registry/repository@sha256:...")]
    Scheme(String),
    /// A registry that is no host.
    #[error("{0:?} is no host of a registry")]
    Registry(String),
    /// A repository with other characters.
    #[error("{0:?} is no repository: lower-case letters, digits and separators between them")]
    Repository(String),
    /// A tag with other characters.
    #[error("{0:?} is no tag")]
    Tag(String),
    /// A digest that is none.
    #[error("{0}")]
    Digest(#[from] crate::source::InvalidDigest),
    /// Neither tag nor digest.
    #[error("{0:?} names neither a tag nor a digest: add @sha256:... to it")]
    Nothing(String),
}

impl Reference {
    /// Host and perhaps port, as written.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if one is named.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository with this digest.
    #[must_use]
    pub fn pinned(&self, digest: &Digest) -> String {
        format!("{}/{}@{digest}", self.registry, self.repository)
    }

    /// Where its API is. Docker Hub's is not at its name.
    #[must_use]
    pub fn api_host(&self) -> &str {
        if self.is_docker_hub() {
            "registry-1.docker.io"
        } else {
            &self.registry
        }
    }

    pub(crate) fn is_docker_hub(&self) -> bool {
        matches!(&*self.registry, "docker.io" | "index.docker.io")
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(200).collect::<String>();
        if text.contains("://") {
            return Err(InvalidReference::Scheme(shown()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (registry, path) = name
            .split_once('/')
            .ok_or_else(|| InvalidReference::NoRegistry(shown()))?;
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(InvalidReference::NoRegistry(shown()));
        }
        if !is_host(registry) {
            return Err(InvalidReference::Registry(registry.chars().take(200).collect()));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_repository(repository) || registry.len() + repository.len() >= LONGEST {
            return Err(InvalidReference::Repository(repository.chars().take(200).collect()));
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(InvalidReference::Tag(tag.chars().take(200).collect()));
        }
        if tag.is_none() && digest.is_none() {
            return Err(InvalidReference::Nothing(shown()));
        }
        Ok(Self {
            registry: registry.into(),
            repository: repository.into(),
            tag: tag.map(Into::into),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// A name or an address, and perhaps a port.
fn is_host(text: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("https://{text}/")) else {
        return false;
    };
    // Whatever the parser took for user, path or query would come out elsewhere than in the authority.
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    text.eq_ignore_ascii_case(&format!("{host}{port}")) || text.eq_ignore_ascii_case(&format!("{host}:443"))
}

/// Components of lower-case letters and digits, with one of `.`, `_`, `__` or dashes between them.
fn is_repository(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_component = |component: &str| {
        let bytes = component.as_bytes();
        let ends = [bytes.first(), bytes.last()].into_iter();
        let separators: Vec<&str> = component
            .split(|letter: char| letter.is_ascii() && alphanumeric(letter as u8))
            .filter(|separator| !separator.is_empty())
            .collect();
        ends.flatten().filter(|byte| alphanumeric(**byte)).count() == 2
            && separators
                .iter()
                .all(|separator| matches!(*separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
    };
    text.split('/').all(is_component)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_TAG
        && bytes.first().is_some_and(|byte| word(*byte))
        && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn each_part_is_found() {
        let reference: Reference = format!("localhost:5000/acme/a-b__c.d:v1.2_3@{DIGEST}").parse().unwrap();
        assert_eq!(reference.registry(), "localhost:5000");
        assert_eq!(reference.repository(), "acme/a-b__c.d");
        assert_eq!(reference.tag(), Some("v1.2_3"));
        assert_eq!(reference.digest().unwrap().as_str(), DIGEST);
        for text in [
            format!("ghcr.io/acme/store@{DIGEST}"),
            "ghcr.io/acme/store:1".to_owned(),
            "[::1]:5000/x:1".to_owned(),
            "127.0.0.1:5000/x/y--z:1".to_owned(),
            "registry.example.com:443/x:1".to_owned(),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let hub: Reference = "docker.io/acme/store:1".parse().unwrap();
        assert_eq!(hub.api_host(), "registry-1.docker.io");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "store",
            "acme/store:1",
            "ghcr.io/acme/store",
            "https://ghcr.io/acme/store:1",
            "ghcr.io/acme/store:",
            "ghcr.io/acme/store@sha256:12",
            "ghcr.io/acme/store@",
            "ghcr.io/Acme/store:1",
            "ghcr.io/acme//store:1",
            "ghcr.io/acme/../store:1",
            "ghcr.io/acme/store/:1",
            "ghcr.io/a___b:1",
            "ghcr.io/-a:1",
            "user@ghcr.io/acme/store:1",
            "ghcr.io?x/acme/store:1",
            "ghcr.io:x/acme/store:1",
            "ghcr.io/acme/store:.x",
            "ghcr.io/acme/store:a/b",
            "ghcr.io/acme/st\u{f6}re:1",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
