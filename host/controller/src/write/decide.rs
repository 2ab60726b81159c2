//! What to do about the Secret that is there, as a function of it and of the one that is wanted.
//!
//! The invariant: a Secret that is not this object's is never changed, and of one that is, only what
//! the object owns. `data` and `type` are the object's entirely; labels and annotations that somebody
//! else put there stay, and so do finalizers and further owners. Without it a manifest with an unlucky name would
//! wipe a Secret that something else lives on.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use keyhole_core::{Failure, Reason, SecretBytes};

use crate::write::target::Target;
use keyhole_api::names::{
    API_VERSION, FIELD_MANAGER, FORBIDDEN_SECRET_TYPES, KIND, MANAGED_LABEL, MANAGED_VALUE, REVISION_ANNOTATION,
};

/// The Secret that an object asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Namespace of object and Secret.
    pub namespace: String,
    /// Name of object and Secret.
    pub name: String,
    /// The object's uid, which controls the Secret.
    pub uid: String,
    /// `type`.
    pub type_name: String,
    /// Labels beside our own.
    pub labels: BTreeMap<String, String>,
    /// Annotations beside our own.
    pub annotations: BTreeMap<String, String>,
    /// The whole data.
    pub data: BTreeMap<String, SecretBytes>,
}

/// What to do about an existing Secret.
#[derive(Debug)]
pub enum Decision {
    /// Nothing: it is ours and as it should be.
    Right,
    /// Nothing: it is somebody else's, and already holds what we would write.
    ForeignRight,
    /// Put this in its place.
    Replace(Box<Target>),
    /// It is the object's and as it should be, but for our label: put this in its place when there is time.
    Mark(Box<Target>),
    /// Nothing yet: it is about to go by itself.
    Wait(Failure),
    /// Nothing: it must not, or cannot, be changed.
    Refuse(Failure),
}

impl Desired {
    /// The Secret to create where there is none.
    #[must_use]
    pub fn fresh(&self) -> Target {
        let mut annotations = self.annotations.clone();
        annotations.insert(REVISION_ANNOTATION.to_owned(), "1".to_owned());
        Target {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(self.all_labels().collect()),
                annotations: Some(annotations),
                owner_references: Some(vec![self.owner()]),
                ..ObjectMeta::default()
            },
            kind: Some(self.type_name.clone()),
            immutable: None,
            data: self.data.clone(),
        }
    }

    fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    /// Wanted labels and our own, which nothing may override.
    fn all_labels(&self) -> impl Iterator<Item = (String, String)> {
        let wanted = self.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        wanted.chain([(MANAGED_LABEL.to_owned(), MANAGED_VALUE.to_owned())])
    }
}

/// What to do about `existing`, given that `desired` is wanted.
#[must_use]
pub fn decide(existing: &Target, desired: &Desired) -> Decision {
    if existing.metadata.deletion_timestamp.is_some() {
        let message = format!(
            "Secret {}/{} is being deleted; waiting for it to go",
            desired.namespace, desired.name
        );
        return Decision::Wait(Failure::new(Reason::Pending, message));
    }
    match ownership(&existing.metadata, desired) {
        Ownership::Ours => {}
        Ownership::Earlier => {
            let message = format!(
                "Secret {}/{} still belongs to an earlier ExternalSecret of this name; waiting for its collection",
                desired.namespace, desired.name
            );
            return Decision::Wait(Failure::new(Reason::Pending, message));
        }
        Ownership::Foreign(_) if already_equal(existing, desired) => return Decision::ForeignRight,
        Ownership::Foreign(by) => return Decision::Refuse(conflict(desired, &by)),
    }
    let data_changed = existing.data != desired.data;
    if let Some(failure) = immutable(existing, desired, data_changed) {
        return Decision::Refuse(failure);
    }
    let replacement = Target {
        metadata: replace_metadata(&existing.metadata, desired, data_changed),
        kind: Some(desired.type_name.clone()),
        immutable: existing.immutable,
        data: desired.data.clone(),
    };
    if data_changed {
        return Decision::Replace(Box::new(replacement));
    }
    if same_metadata(&existing.metadata, &replacement.metadata) {
        return Decision::Right;
    }
    let marked = marked(existing);
    if same_metadata(&marked.metadata, &replacement.metadata) {
        Decision::Mark(Box::new(marked))
    } else {
        Decision::Replace(Box::new(replacement))
    }
}

/// The same Secret with our label.
#[must_use]
pub fn marked(existing: &Target) -> Target {
    let mut marked = existing.clone();
    let labels = marked.metadata.labels.get_or_insert_default();
    labels.insert(MANAGED_LABEL.to_owned(), MANAGED_VALUE.to_owned());
    // Absent means: the API server keeps its own record.
    marked.metadata.managed_fields = None;
    marked
}

/// Whether a Secret is the object's of this uid. One without our label is, when the object controls it.
#[must_use]
pub fn is_controlled_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

enum Ownership {
    Ours,
    /// Controlled by an object of our kind and name that is gone.
    Earlier,
    /// By whom, for the message.
    Foreign(String),
}

fn ownership(metadata: &ObjectMeta, desired: &Desired) -> Ownership {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(controller) if controller.uid == desired.uid => Ownership::Ours,
        Some(controller) if is_our_kind(controller) && controller.name == desired.name => Ownership::Earlier,
        Some(controller) => Ownership::Foreign(format!("is controlled by {} {}", controller.kind, controller.name)),
        None if has_our_label(metadata) => Ownership::Ours,
        None => Ownership::Foreign("was not created by this ExternalSecret".to_owned()),
    }
}

fn is_our_kind(owner: &OwnerReference) -> bool {
    let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
    owner.kind == KIND && group(&owner.api_version) == group(API_VERSION)
}

fn has_our_label(metadata: &ObjectMeta) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_LABEL))
        .is_some_and(|value| value == MANAGED_VALUE)
}

/// KES's comparison: data, labels and annotations, but neither type nor owner.
fn already_equal(existing: &Target, desired: &Desired) -> bool {
    let holds = |there: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
        wanted
            .iter()
            .all(|(name, value)| there.as_ref().and_then(|map| map.get(name)) == Some(value))
    };
    existing.data == desired.data
        && holds(&existing.metadata.labels, &desired.labels)
        && holds(&existing.metadata.annotations, &desired.annotations)
}

fn conflict(desired: &Desired, by: &str) -> Failure {
    let message = format!(
        "Secret {}/{} {by} and is left as it is",
        desired.namespace, desired.name
    );
    Failure::new(Reason::TargetConflict, message)
        .remedy("give this ExternalSecret another name, or delete that Secret and wait for the next interval")
}

fn immutable(existing: &Target, desired: &Desired, data_changed: bool) -> Option<Failure> {
    let what = if existing.type_name() != desired.type_name {
        format!(
            "field type is {:?}, not {:?}, and cannot be changed",
            existing.type_name(),
            desired.type_name
        )
    } else if data_changed && existing.immutable == Some(true) {
        "field immutable is true, so its data cannot be changed".to_owned()
    } else {
        return None;
    };
    let message = format!("Secret {}/{}: {what}", desired.namespace, desired.name);
    Some(Failure::new(Reason::TargetImmutable, message).remedy("delete the Secret and it is created anew"))
}

fn replace_metadata(existing: &ObjectMeta, desired: &Desired, data_changed: bool) -> ObjectMeta {
    let managed = existing.managed_fields.as_deref().unwrap_or_default();
    let labels = merge(&existing.labels, &owned(managed, "f:labels"), desired.all_labels());
    let mut annotations = merge(
        &existing.annotations,
        &owned(managed, "f:annotations"),
        desired
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let revision = existing
        .annotations
        .as_ref()
        .and_then(|map| map.get(REVISION_ANNOTATION));
    if let Some(next) = next_revision(revision.map(String::as_str), data_changed) {
        annotations.insert(REVISION_ANNOTATION.to_owned(), next);
    }

    let mut owners = existing.owner_references.clone().unwrap_or_default();
    match owners.iter_mut().find(|owner| owner.uid == desired.uid) {
        Some(owner) => owner.controller = Some(true),
        None => owners.push(desired.owner()),
    }
    ObjectMeta {
        labels: Some(labels),
        annotations: Some(annotations),
        owner_references: Some(owners),
        // Absent means: the API server keeps its own record.
        managed_fields: None,
        ..existing.clone()
    }
}

/// What is there, less what was ours, plus what is wanted.
fn merge(
    existing: &Option<BTreeMap<String, String>>,
    ours: &BTreeSet<&str>,
    wanted: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let existing = existing
        .iter()
        .flatten()
        .filter(|(name, _)| !ours.contains(name.as_str()));
    let mut merged: BTreeMap<_, _> = existing.map(|(name, value)| (name.clone(), value.clone())).collect();
    merged.extend(wanted);
    merged
}

/// The names of one section of the metadata that this host alone has set, by the API server's record.
fn owned<'a>(managed: &'a [ManagedFieldsEntry], section: &str) -> BTreeSet<&'a str> {
    let names = |ours: bool| {
        managed
            .iter()
            .filter(move |entry| (entry.manager.as_deref() == Some(FIELD_MANAGER)) == ours)
            .filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:metadata")?.get(section)?.as_object())
            .flat_map(|fields| fields.keys())
            .filter_map(|field| field.strip_prefix("f:"))
    };
    let others: BTreeSet<_> = names(false).collect();
    names(true).filter(|name| !others.contains(name)).collect()
}

/// A text that is no number counts as none, so that a hand-made one cannot stop the counting. Where there is none and
/// nothing changed, there is nothing to count yet.
fn next_revision(current: Option<&str>, data_changed: bool) -> Option<String> {
    let current: u64 = current.and_then(|text| text.parse().ok()).unwrap_or(0);
    match (data_changed, current) {
        (true, current) => Some(current.saturating_add(1).to_string()),
        (false, 0) => None,
        (false, current) => Some(current.to_string()),
    }
}

fn same_metadata(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    let map = |map: &Option<BTreeMap<String, String>>| map.clone().unwrap_or_default();
    map(&a.labels) == map(&b.labels)
        && map(&a.annotations) == map(&b.annotations)
        && a.owner_references.as_deref().unwrap_or_default() == b.owner_references.as_deref().unwrap_or_default()
}

/// Whether a Secret is controlled by the object of this uid and bears our label.
#[must_use]
pub fn bears_our_marks(metadata: &ObjectMeta, uid: &str) -> bool {
    has_our_label(metadata) && is_controlled_by(metadata, uid)
}

/// Why no Secret of this type is written, if none is: Kubernetes mints a token for it, and the author
/// of the object would get somebody else's identity.
#[must_use]
pub fn refused_type(type_name: &str) -> Option<Failure> {
    FORBIDDEN_SECRET_TYPES.contains(&type_name).then(|| {
        Failure::new(
            Reason::InvalidSpec,
            format!("Secrets of type {type_name} are not written: Kubernetes mints tokens for them"),
        )
        .remedy("choose another type")
    })
}

/// Whoever else last changed the Secret's content, by the API server's record: the other of two
/// writers that undo each other's work.
#[must_use]
pub fn other_writer(metadata: &ObjectMeta) -> Option<&str> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default().iter();
    entries
        .filter(|entry| entry.manager.as_deref().is_some_and(|manager| manager != FIELD_MANAGER))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.as_deref())
}

#[cfg(test)]
mod tests;
