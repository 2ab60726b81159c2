//! The one type that holds secret bytes.
//!
//! Everything that came out of a store, and every credential, lives in [`SecretBytes`] from the
//! moment it enters the host until it is written into a Secret. The type cannot be printed or
//! serialised by accident: `Debug` shows the length only, and there is no `Display` and no
//! `Serialize`. Whoever needs the bytes says [`SecretBytes::expose`], which is easy to search for.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Secret bytes: shared by reference count, overwritten with zeros when the last owner drops them.
#[derive(Clone, Default)]
pub struct SecretBytes(Arc<Zeroizing<Vec<u8>>>);

impl SecretBytes {
    /// Takes ownership of `bytes`; no copy stays behind.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes themselves. Never pass the result to a formatter, a log or an error.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

/// Compares in time that depends on the length only.
impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .expose()
                .iter()
                .zip(other.expose())
                .fold(0_u8, |difference, (a, b)| difference | (a ^ b))
                == 0
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_and_nothing_else() {
        let secret = SecretBytes::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "SecretBytes(7 bytes)");
    }

    #[test]
    fn equality_is_by_content() {
        assert_eq!(SecretBytes::new(vec![1, 2]), SecretBytes::new(vec![1, 2]));
        assert_ne!(SecretBytes::new(vec![1, 2]), SecretBytes::new(vec![1, 3]));
        assert_ne!(SecretBytes::new(vec![1, 2]), SecretBytes::new(vec![1, 2, 3]));
    }
}
