//! Digests: of a Secret's content, to see that nothing changed, and of files, to name them.
//!
//! The digest of a content is keyed with random bytes that live as long as the process. So it may be
//! kept in memory for every object in place of the plaintext, and a copy of it tells nobody anything:
//! without the key a low-entropy value cannot be guessed offline. It is never written to the cluster.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// The key of this process's content digests.
pub struct ContentKey(Zeroizing<[u8; 64]>);

/// The keyed digest of a Secret's content. Comparable only under one [`ContentKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest([u8; 32]);

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

impl ContentKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut key = Zeroizing::new([0; 64]);
        getrandom::fill(key.as_mut()).map_err(NoRandomness)?;
        Ok(Self(key))
    }

    /// The digest of `data` together with `extra`, e.g. the Secret's type and wanted labels. Every part
    /// goes in with its length, so that no two different contents are the same stream of bytes.
    #[must_use]
    pub fn digest(&self, data: &BTreeMap<String, SecretBytes>, extra: &[&str]) -> ContentDigest {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.0).into());
        let mut add = |part: &[u8]| {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        };
        add(&(data.len() as u64).to_le_bytes());
        for (name, value) in data {
            add(name.as_bytes());
            add(value.expose());
        }
        for part in extra {
            add(part.as_bytes());
        }
        ContentDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey")
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentDigest")
    }
}

/// `sha256:` and the digest of `bytes` in 64 hexadecimal digits: the name of a file by its content.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(7 + 64);
    text.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &[u8])]) -> BTreeMap<String, SecretBytes> {
        entries
            .iter()
            .map(|(name, value)| ((*name).to_owned(), SecretBytes::new(value.to_vec())))
            .collect()
    }

    #[test]
    fn equal_content_has_an_equal_digest_under_one_key_only() {
        let (one, other) = (ContentKey::random().unwrap(), ContentKey::random().unwrap());
        let content = data(&[("a", b"1"), ("b", b"2")]);
        assert_eq!(
            one.digest(&content, &["Opaque"]),
            one.digest(&content.clone(), &["Opaque"])
        );
        assert_ne!(one.digest(&content, &["Opaque"]), other.digest(&content, &["Opaque"]));
    }

    #[test]
    fn bytes_that_move_between_parts_change_the_digest() {
        let key = ContentKey::random().unwrap();
        let contents = [
            (data(&[]), vec![]),
            (data(&[]), vec![""]),
            (data(&[("", b"")]), vec![]),
            (data(&[("ab", b"c")]), vec![]),
            (data(&[("a", b"bc")]), vec![]),
            (data(&[("a", b"b")]), vec!["c"]),
            (data(&[("a", b"")]), vec!["b", "c"]),
            (data(&[("a", b"")]), vec!["bc"]),
            (data(&[("a", b""), ("b", b"c")]), vec![]),
            (data(&[("a", b"")]), vec!["b", "c", ""]),
        ];
        let digests: std::collections::HashSet<_> =
            contents.iter().map(|(data, extra)| key.digest(data, extra)).collect();
        assert_eq!(digests.len(), contents.len());
    }

    #[test]
    fn nothing_of_key_or_digest_can_be_printed() {
        let key = ContentKey::random().unwrap();
        assert_eq!(
            format!("{key:?} {:?}", key.digest(&data(&[]), &[])),
            "ContentKey ContentDigest"
        );
    }

    #[test]
    fn a_file_is_named_by_its_sha256() {
        assert_eq!(
            sha256_hex(b"abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
