//! The secrets that went through one call: session entries and credentials that the guest was handed,
//! and credentials that the host put on its requests, which a store may have echoed.
//!
//! All of them are replaced in whatever the call says. The list is bounded in number and bytes, so a secret
//! that has no room is not handed out: it could not be masked later.

use std::sync::{Arc, Mutex, PoisonError};

use keyhole_core::SecretBytes;

/// Secrets of one call. A guest that reads the same entry in a loop adds nothing new; one that writes a
/// million different ones is cut off.
const MOST: usize = 256;
/// Of these, only the host's own additions may take the last ones, so that a guest cannot fill the list to
/// make the host's requests fail.
const RESERVED: usize = 32;
/// Bytes of all of them: a full list of the largest session entries, or a few whole Secrets.
const MOST_BYTES: usize = 6 << 20;
/// Of these, again, for the host's own additions only: one whole Secret.
const RESERVED_BYTES: usize = 1 << 20;

/// The list. Clones share it: the call's exchanges write here too.
#[derive(Clone, Default)]
pub(crate) struct Handled(Arc<Mutex<Vec<(SecretBytes, bool)>>>);

impl Handled {
    /// Remembers a secret that the guest now has. `false` when there are too many to keep track of.
    pub(crate) fn note(&self, secret: &SecretBytes) -> bool {
        self.add(secret, false, MOST - RESERVED, MOST_BYTES - RESERVED_BYTES)
    }

    /// Remembers a credential that the host puts on a request.
    pub(crate) fn note_applied(&self, secret: &SecretBytes) -> bool {
        self.add(secret, true, MOST, MOST_BYTES)
    }

    fn add(&self, secret: &SecretBytes, applied: bool, most: usize, bytes: usize) -> bool {
        self.with(|secrets| {
            if let Some((_, known)) = secrets.iter_mut().find(|(known, _)| known == secret) {
                *known |= applied;
                return true;
            }
            let held: usize = secrets.iter().map(|(known, _)| known.len()).sum();
            let room = secrets.len() < most && held.saturating_add(secret.len()) <= bytes;
            if room {
                secrets.push((secret.clone(), applied));
            }
            room
        })
    }

    /// All of them, with whether the host put them on a request; leaves none.
    pub(crate) fn take(&self) -> Vec<(SecretBytes, bool)> {
        self.with(std::mem::take)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Vec<(SecretBytes, bool)>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(number: usize) -> SecretBytes {
        format!("secret {number}").into()
    }

    #[test]
    fn a_guest_cannot_take_the_room_of_the_hosts_own_credentials() {
        let handled = Handled::default();
        let noted = (0..1000).filter(|number| handled.note(&secret(*number))).count();
        assert_eq!(noted, MOST - RESERVED);
        assert!(handled.note(&secret(0)), "a known one takes no room");
        assert!(handled.note_applied(&"header".to_owned().into()));
        assert!(handled.note_applied(&secret(1)));
        let all = handled.take();
        assert!(all.contains(&("header".to_owned().into(), true)));
        assert!(all.contains(&(secret(0), false)) && all.contains(&(secret(1), true)));
        assert!(handled.take().is_empty());
    }

    #[test]
    fn the_list_is_bounded_in_bytes_as_well() {
        let handled = Handled::default();
        let large = |number: u8, bytes: usize| SecretBytes::new(vec![number; bytes]);
        assert!(!handled.note(&large(0, MOST_BYTES - RESERVED_BYTES + 1)));
        let noted = (1..100).filter(|number| handled.note(&large(*number, 1 << 20))).count();
        assert_eq!(noted, (MOST_BYTES - RESERVED_BYTES) >> 20);
        assert!(handled.note(&large(1, 1 << 20)), "a known one takes no room");
        assert!(!handled.note(&secret(0)));
        assert!(handled.note_applied(&large(100, RESERVED_BYTES)));
        assert!(!handled.note_applied(&secret(0)));
        let held: usize = handled.take().iter().map(|(secret, _)| secret.len()).sum();
        assert_eq!(held, MOST_BYTES);
    }
}
