//! A SHA-256 as it is written in references, manifests and objects: `sha256:` and 64 hexadecimal digits.
//!
//! Other algorithms are refused where a digest is parsed: two names for one content would be two entries of
//! the cache and two groups of the planner, and a weak one would be no check at all.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use keyhole_core::digest::sha256_hex;

/// `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Arc<str>);

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: it is written sha256: and 64 hexadecimal digits")]
pub struct InvalidDigest(String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes).into())
    }

    /// With the algorithm before it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits alone.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix(PREFIX).unwrap_or_default()
    }
}

const PREFIX: &str = "sha256:";

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).map(str::as_bytes);
        let is_digest = digits.is_some_and(|digits| {
            digits.len() == 64
                && digits
                    .iter()
                    .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit))
        });
        if is_digest {
            Ok(Self(text.into()))
        } else {
            Err(InvalidDigest(text.chars().take(100).collect()))
        }
    }
}

impl From<Digest> for Arc<str> {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sha_256_in_lower_case_is_a_digest() {
        let digest = Digest::of(b"component");
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        assert_eq!(digest.hex().len(), 64);
        for wrong in [
            digest.hex().to_owned(),
            digest.as_str().to_uppercase(),
            format!("{PREFIX}{}", digest.hex().to_uppercase()),
            format!("{digest}0"),
            format!("sha512:{}", digest.hex()),
            PREFIX.to_owned(),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
