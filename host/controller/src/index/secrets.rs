//! Which Secrets the watch shows, against which the host remembers to have written.

use std::collections::{HashMap, HashSet};

use keyhole_core::Reason;
use keyhole_core::digest::ContentDigest;

use crate::plan::ObjectKey;

/// A resourceVersion, in the order in which the API server gives them out. One that is no number is
/// older than all others, so that it is never taken for a newer state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// Of `metadata.resourceVersion`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.parse().unwrap_or(0))
    }
}

/// What this process knows of an object's Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The version of our last write, or of our last look at it.
    pub version: Version,
    /// The content that it has at that version.
    pub digest: ContentDigest,
    /// Whose it is.
    pub standing: Standing,
}

/// Whose Secret it is that holds what an object asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The object's, with our label: the watch shows it.
    Ours,
    /// The object's, but without our label yet, as KES leaves it: the watch does not show it.
    Unmarked,
    /// Somebody else's: neither shown by the watch nor written.
    Foreign,
}

impl Held {
    /// Whether the watch tells of changes.
    pub(super) fn is_shown(&self) -> bool {
        self.standing == Standing::Ours
    }
}

/// What the watch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there at this version.
    Present(Version),
    /// It is gone since this version.
    Gone(Version),
}

/// How a Secret differs from what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drift {
    /// Somebody wrote it; a look will tell whether that matters.
    Changed,
    /// It is gone, or changed and nothing is known to compare it with.
    Lost,
}

/// Every Secret that bears our label.
#[derive(Debug)]
pub(super) struct Secrets {
    watched: bool,
    shown: HashMap<ObjectKey, Presence>,
}

impl Secrets {
    pub(super) fn new(watched: bool) -> Self {
        Self {
            watched,
            shown: HashMap::new(),
        }
    }

    /// Returns whether this is anything new.
    pub(super) fn apply(&mut self, key: ObjectKey, version: Version) -> bool {
        let now = Presence::Present(version);
        self.shown.insert(key, now) != Some(now)
    }

    /// That a Secret has gone is worth remembering only as long as its object is there.
    pub(super) fn delete(&mut self, key: &ObjectKey, version: Version, has_object: bool) {
        if has_object {
            self.shown.insert(key.clone(), Presence::Gone(version));
        } else {
            self.shown.remove(key);
        }
    }

    pub(super) fn forget_gone(&mut self, key: &ObjectKey) {
        if matches!(self.shown.get(key), Some(Presence::Gone(_))) {
            self.shown.remove(key);
        }
    }

    /// Takes those that are not among `keys` for gone, and returns them.
    pub(super) fn listed(
        &mut self,
        namespace: Option<&str>,
        keys: &HashSet<ObjectKey>,
        has_object: impl Fn(&ObjectKey) -> bool,
    ) -> Vec<ObjectKey> {
        let is_gone = |(key, presence): &(&ObjectKey, &Presence)| {
            namespace.is_none_or(|namespace| namespace == &*key.namespace)
                && matches!(presence, Presence::Present(_))
                && !keys.contains(*key)
        };
        let gone: Vec<_> = self.shown.iter().filter(is_gone).map(|(key, _)| key.clone()).collect();
        for key in &gone {
            // When it went is unknown, only that it did after it was last seen.
            if let Some(Presence::Present(Version(seen))) = self.shown.get(key).copied() {
                self.delete(key, Version(seen.saturating_add(1)), has_object(key));
            }
        }
        gone
    }

    /// Whether the watch would show a Secret of ours, and shows none.
    pub(super) fn seems_missing(&self, key: &ObjectKey, unlisted: bool) -> bool {
        self.watched && !unlisted && !matches!(self.shown.get(key), Some(Presence::Present(_)))
    }

    /// Whether, as far as the watch shows, the Secret is as held.
    pub(super) fn is_current(&self, key: &ObjectKey, held: Option<&Held>) -> bool {
        match (held, self.shown.get(key)) {
            (None, _) => false,
            (Some(held), Some(Presence::Present(version) | Presence::Gone(version))) if held.is_shown() => {
                *version <= held.version
            }
            (Some(_), _) => true,
        }
    }

    /// Whether the watch shows the Secret at this version or a later one.
    pub(super) fn shows(&self, key: &ObjectKey, version: Version) -> bool {
        matches!(self.shown.get(key), Some(Presence::Present(shown)) if *shown >= version)
    }

    pub(super) fn is_older_than(&self, key: &ObjectKey, held: Option<&Held>) -> bool {
        match (held, self.shown.get(key)) {
            (Some(held), Some(Presence::Present(version))) => held.is_shown() && *version < held.version,
            _ => false,
        }
    }

    /// `last` is how the object's last sync ended.
    pub(super) fn drift(&self, key: &ObjectKey, held: Option<&Held>, last: Reason) -> Option<Drift> {
        match (self.shown.get(key)?, held) {
            (_, Some(held)) if !held.is_shown() => None,
            (Presence::Present(version), Some(held)) => (*version > held.version).then_some(Drift::Changed),
            (Presence::Gone(version), Some(held)) => (*version > held.version).then_some(Drift::Lost),
            // Not synced by this process yet. It was right when last synced, or it waits for a Secret to go.
            (Presence::Present(_), None) => (last == Reason::Synced).then_some(Drift::Lost),
            (Presence::Gone(_), None) => {
                matches!(last, Reason::Synced | Reason::Pending | Reason::TargetImmutable).then_some(Drift::Lost)
            }
        }
    }
}
