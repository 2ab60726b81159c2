//! What is done with a Secret, for each way that it can be there already.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretBytes> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretBytes::from((*value).to_owned())))
        .collect()
}

fn desired() -> Desired {
    Desired {
        namespace: "ns".to_owned(),
        name: "db".to_owned(),
        uid: "uid-1".to_owned(),
        type_name: "Opaque".to_owned(),
        labels: map(&[("team", "a")]),
        annotations: map(&[("note", "n")]),
        data: data(&[("password", "new")]),
    }
}

/// What the API server would hold after our own write.
fn written() -> Target {
    let mut target = desired().fresh();
    target.metadata.uid = Some("secret-uid".to_owned());
    target.metadata.resource_version = Some("41".to_owned());
    target.metadata.managed_fields = Some(vec![entry(
        FIELD_MANAGER,
        &["team", MANAGED_LABEL],
        &["note", REVISION_ANNOTATION],
        1,
    )]);
    target
}

fn entry(manager: &str, labels: &[&str], annotations: &[&str], second: i64) -> ManagedFieldsEntry {
    let fields = |names: &[&str]| {
        names
            .iter()
            .map(|name| (format!("f:{name}"), json!({})))
            .collect::<serde_json::Map<_, _>>()
    };
    ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Update".to_owned()),
        time: Some(Time(Timestamp::from_second(second).unwrap())),
        fields_v1: Some(FieldsV1(
            json!({"f:metadata": {"f:labels": fields(labels), "f:annotations": fields(annotations)}}),
        )),
        ..ManagedFieldsEntry::default()
    }
}

fn controlled_by(kind: &str, name: &str, uid: &str) -> OwnerReference {
    let api_version = if kind == KIND { API_VERSION } else { "apps/v1" };
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn replaced(decision: Decision) -> Target {
    match decision {
        Decision::Replace(target) => *target,
        other => panic!("{other:?}"),
    }
}

fn refused(decision: Decision) -> Failure {
    match decision {
        Decision::Refuse(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn waits(decision: Decision) -> Failure {
    match decision {
        Decision::Wait(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_we_wrote_is_right() {
    assert!(matches!(decide(&written(), &desired()), Decision::Right));
}

#[test]
fn a_created_secret_carries_owner_label_and_first_revision() {
    let target = desired().fresh();
    assert_eq!(
        target.metadata.labels.unwrap(),
        map(&[("team", "a"), (MANAGED_LABEL, "true")])
    );
    assert_eq!(
        target.metadata.annotations.unwrap(),
        map(&[("note", "n"), (REVISION_ANNOTATION, "1")])
    );
    let owners = target.metadata.owner_references.unwrap();
    assert_eq!(owners, [controlled_by(KIND, "db", "uid-1")]);
    assert_eq!(target.kind.as_deref(), Some("Opaque"));
}

#[test]
fn changed_data_is_replaced_whole_and_counted() {
    let mut existing = written();
    existing.data = data(&[("password", "old"), ("added-by-hand", "x")]);
    let target = replaced(decide(&existing, &desired()));
    assert_eq!(target.data, desired().data);
    assert_eq!(target.metadata.annotations.unwrap()[REVISION_ANNOTATION], "2");
    assert_eq!(
        target.metadata.resource_version.as_deref(),
        Some("41"),
        "the precondition"
    );
    assert_eq!(target.metadata.uid.as_deref(), Some("secret-uid"));
    assert!(target.metadata.managed_fields.is_none());
}

#[test]
fn a_change_of_metadata_alone_does_not_count_as_a_revision() {
    let mut wanted = desired();
    wanted.labels = map(&[("team", "b")]);
    let target = replaced(decide(&written(), &wanted));
    assert_eq!(target.metadata.labels.unwrap()["team"], "b");
    assert_eq!(target.metadata.annotations.unwrap()[REVISION_ANNOTATION], "1");
}

#[test]
fn a_revision_that_is_no_number_starts_again() {
    let mut existing = written();
    existing
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert(REVISION_ANNOTATION.to_owned(), "many".to_owned());
    existing.data = data(&[]);
    assert_eq!(
        replaced(decide(&existing, &desired())).metadata.annotations.unwrap()[REVISION_ANNOTATION],
        "1"
    );
}

#[test]
fn foreign_labels_annotations_finalizers_and_owners_stay() {
    let mut existing = written();
    existing
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("theirs".to_owned(), "1".to_owned());
    existing
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("theirs".to_owned(), "2".to_owned());
    existing.metadata.finalizers = Some(vec!["x/y".to_owned()]);
    let second = OwnerReference {
        controller: None,
        ..controlled_by("Deployment", "web", "uid-9")
    };
    existing
        .metadata
        .owner_references
        .as_mut()
        .unwrap()
        .push(second.clone());
    assert!(
        matches!(decide(&existing, &desired()), Decision::Right),
        "nothing of ours differs"
    );

    existing.data = data(&[]);
    let target = replaced(decide(&existing, &desired()));
    assert_eq!(target.metadata.labels.unwrap()["theirs"], "1");
    assert_eq!(target.metadata.annotations.unwrap()["theirs"], "2");
    assert_eq!(target.metadata.finalizers.unwrap(), ["x/y"]);
    assert!(target.metadata.owner_references.unwrap().contains(&second));
}

#[test]
fn labels_and_annotations_of_ours_that_are_no_longer_wanted_go() {
    let mut wanted = desired();
    wanted.labels.clear();
    wanted.annotations.clear();
    let target = replaced(decide(&written(), &wanted));
    assert_eq!(target.metadata.labels.unwrap(), map(&[(MANAGED_LABEL, "true")]));
    assert_eq!(target.metadata.annotations.unwrap(), map(&[(REVISION_ANNOTATION, "1")]));
}

#[test]
fn a_label_that_somebody_else_set_too_is_not_ours_to_remove() {
    let mut existing = written();
    existing
        .metadata
        .managed_fields
        .as_mut()
        .unwrap()
        .push(entry("kubectl", &["team"], &[], 2));
    let mut wanted = desired();
    wanted.labels.clear();
    assert!(matches!(decide(&existing, &wanted), Decision::Right));
}

#[test]
fn our_label_comes_back() {
    let mut existing = written();
    existing.metadata.labels.as_mut().unwrap().remove(MANAGED_LABEL);
    let Decision::Mark(target) = decide(&existing, &desired()) else {
        panic!("only the label is missing");
    };
    assert_eq!(target.metadata.labels.unwrap()[MANAGED_LABEL], "true");
    let mut wanted = desired();
    wanted.labels.insert(MANAGED_LABEL.to_owned(), "false".to_owned());
    assert!(
        matches!(decide(&written(), &wanted), Decision::Right),
        "a template cannot change it"
    );
}

#[test]
fn a_secret_without_controller_that_carries_our_label_is_taken_back() {
    let mut existing = written();
    existing.metadata.owner_references = None;
    let target = replaced(decide(&existing, &desired()));
    assert_eq!(
        target.metadata.owner_references.unwrap(),
        [controlled_by(KIND, "db", "uid-1")]
    );
}

#[test]
fn a_secret_of_kes_is_ours_and_gets_our_label_alone() {
    let mut existing = written();
    existing.metadata.labels = None;
    existing.metadata.annotations = None;
    existing.metadata.managed_fields = None;
    let mut wanted = desired();
    wanted.labels.clear();
    wanted.annotations.clear();
    let Decision::Mark(target) = decide(&existing, &wanted) else {
        panic!("only the label is missing");
    };
    let labelled = Some(map(&[(MANAGED_LABEL, "true")]));
    assert_eq!(
        *target,
        Target {
            metadata: ObjectMeta {
                labels: labelled,
                ..existing.metadata.clone()
            },
            ..existing.clone()
        }
    );

    // With the first change of the data the counting begins.
    existing.data = data(&[("k", "old")]);
    let target = replaced(decide(&existing, &wanted));
    assert_eq!(target.metadata.annotations.unwrap(), map(&[(REVISION_ANNOTATION, "1")]));
}

#[test]
fn a_foreign_secret_is_left_alone_and_its_controller_named() {
    let mut existing = written();
    existing.metadata.owner_references = Some(vec![controlled_by("SealedSecret", "db", "uid-7")]);
    existing.data = data(&[("password", "theirs")]);
    let failure = refused(decide(&existing, &desired()));
    assert_eq!(failure.reason, Reason::TargetConflict);
    assert_eq!(
        failure.message,
        "Secret ns/db is controlled by SealedSecret db and is left as it is"
    );
    assert!(failure.remedy.is_some());

    existing.metadata.owner_references = None;
    existing.metadata.labels = None;
    assert_eq!(refused(decide(&existing, &desired())).reason, Reason::TargetConflict);
}

#[test]
fn a_secret_of_another_external_secret_is_foreign() {
    let mut existing = written();
    existing.metadata.owner_references = Some(vec![controlled_by(KIND, "other", "uid-7")]);
    existing.data = data(&[]);
    assert_eq!(refused(decide(&existing, &desired())).reason, Reason::TargetConflict);
}

#[test]
fn a_foreign_secret_that_is_equal_is_not_adopted() {
    let mut existing = written();
    existing.metadata.owner_references = None;
    existing.metadata.labels = Some(map(&[("team", "a"), ("theirs", "x")]));
    existing.metadata.annotations = Some(map(&[("note", "n")]));
    existing.kind = Some("example.com/odd".to_owned());
    assert!(matches!(decide(&existing, &desired()), Decision::ForeignRight));

    existing.metadata.labels = Some(map(&[("team", "b")]));
    assert_eq!(
        refused(decide(&existing, &desired())).reason,
        Reason::TargetConflict,
        "the first difference"
    );
}

#[test]
fn a_secret_of_an_earlier_object_of_the_name_is_waited_for() {
    let mut existing = written();
    existing.metadata.owner_references = Some(vec![controlled_by(KIND, "db", "uid-0")]);
    assert_eq!(waits(decide(&existing, &desired())).reason, Reason::Pending);
}

#[test]
fn a_secret_that_is_being_deleted_is_waited_for() {
    let mut existing = written();
    existing.metadata.deletion_timestamp = Some(Time(Timestamp::from_second(1).unwrap()));
    assert_eq!(waits(decide(&existing, &desired())).reason, Reason::Pending);
}

#[test]
fn immutable_data_and_a_changed_type_are_named() {
    let mut existing = written();
    existing.immutable = Some(true);
    assert!(matches!(decide(&existing, &desired()), Decision::Right));
    existing.data = data(&[("password", "old")]);
    let failure = refused(decide(&existing, &desired()));
    assert_eq!(failure.reason, Reason::TargetImmutable);
    assert!(failure.message.contains("field immutable"), "{}", failure.message);

    let mut existing = written();
    existing.kind = Some("kubernetes.io/tls".to_owned());
    let failure = refused(decide(&existing, &desired()));
    assert_eq!(failure.reason, Reason::TargetImmutable);
    assert!(
        failure.message.contains("field type is \"kubernetes.io/tls\""),
        "{}",
        failure.message
    );
}

#[test]
fn metadata_of_an_immutable_secret_can_still_be_mended() {
    let mut existing = written();
    existing.immutable = Some(true);
    existing.metadata.labels = None;
    let target = replaced(decide(&existing, &desired()));
    assert_eq!(target.immutable, Some(true));
}

#[test]
fn the_last_other_writer_is_named() {
    let mut metadata = written().metadata;
    assert_eq!(other_writer(&metadata), None);
    let managed = metadata.managed_fields.as_mut().unwrap();
    managed.push(entry("argocd", &[], &[], 5));
    managed.push(entry("kubectl-edit", &[], &[], 9));
    managed.push(entry(FIELD_MANAGER, &[], &[], 11));
    assert_eq!(other_writer(&metadata), Some("kubectl-edit"));
}

#[test]
fn types_that_mint_tokens_are_refused() {
    assert!(refused_type("kubernetes.io/service-account-token").is_some());
    assert!(refused_type("bootstrap.kubernetes.io/token").is_some());
    assert!(refused_type("Opaque").is_none());
}

#[test]
fn marks_are_our_label_and_our_control() {
    let mut metadata = written().metadata;
    assert!(bears_our_marks(&metadata, "uid-1"));
    assert!(!bears_our_marks(&metadata, "uid-2"));
    metadata.labels = None;
    assert!(!bears_our_marks(&metadata, "uid-1"));
}
