//! What is checked before the first watch, so that a missing CRD or a missing right is one clear line
//! and not a retry for ever.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use keyhole_api::ExternalSecret;
use keyhole_api::names::GROUP;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};

use crate::api_error::ApiError;
use crate::controller::ControllerError;

/// How long an API server that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);
/// Questions about rights that are asked at once.
const AT_ONCE: usize = 8;

/// A right that the host uses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    namespace: Option<Arc<str>>,
    /// The only object that it is about, where that is not all of them.
    name: Option<Arc<str>>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match (&self.name, &self.namespace) {
            (Some(name), _) => write!(f, " named {name}"),
            (None, Some(namespace)) => write!(f, " in namespace {namespace}"),
            (None, None) => f.write_str(" in all namespaces"),
        }
    }
}

/// Fails if the CRD or a right is missing. `namespaces` are those watched; all if there are none.
pub async fn check(client: &Client, namespaces: &[Arc<str>], list_secrets: bool) -> Result<(), ControllerError> {
    let scopes: Vec<Option<Arc<str>>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().cloned().map(Some).collect()
    };
    wait_for_crd(client, scopes.first().and_then(Option::as_deref)).await?;
    let required = scopes.iter().flat_map(|scope| required(scope.as_ref(), list_secrets));
    let missing = missing(client, required.collect()).await?;
    if !missing.is_empty() {
        return Err(ControllerError::Forbidden(
            missing.iter().map(ToString::to_string).collect(),
        ));
    }
    let optional = scopes
        .iter()
        .flat_map(|scope| rights("events.k8s.io", "events", None, &["create"], scope.as_ref()));
    for right in self::missing(client, optional.collect()).await? {
        tracing::warn!("the operator may not {right}; Kubernetes events are not published there");
    }
    Ok(())
}

fn required(scope: Option<&Arc<str>>, list_secrets: bool) -> Vec<Right> {
    let secrets: &[_] = if list_secrets {
        &["get", "create", "update", "list", "watch"]
    } else {
        &["get", "create", "update"]
    };
    [
        rights(GROUP, "externalsecrets", None, &["get", "list", "watch"], scope),
        rights(GROUP, "externalsecrets", Some("status"), &["patch"], scope),
        rights("", "secrets", None, secrets, scope),
        rights("", "namespaces", None, &["list", "watch"], None)
            .into_iter()
            .map(|right| Right {
                name: scope.cloned(),
                ..right
            })
            .collect(),
    ]
    .concat()
}

fn rights(
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
    verbs: &[&'static str],
    namespace: Option<&Arc<str>>,
) -> Vec<Right> {
    let right = |verb: &&'static str| Right {
        verb,
        group,
        resource,
        subresource,
        namespace: namespace.cloned(),
        name: None,
    };
    verbs.iter().map(right).collect()
}

async fn wait_for_crd(client: &Client, namespace: Option<&str>) -> Result<(), ControllerError> {
    let api: Api<ExternalSecret> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let params = ListParams::default().limit(1);
        let answer = tokio::time::timeout_at(give_up, api.list_metadata(&params)).await;
        let error = match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => ApiError::from(error),
            Err(_) => ApiError::timed_out(PATIENCE),
        };
        match error {
            ApiError::NotFound => return Err(ControllerError::CrdMissing),
            // The review of rights says what exactly is missing.
            ApiError::Forbidden(_) => return Ok(()),
            error if tokio::time::Instant::now() + PAUSE >= give_up => return Err(ControllerError::Unreachable(error)),
            error => tracing::warn!(%error, "waiting for the API server"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn missing(client: &Client, rights: Vec<Right>) -> Result<Vec<Right>, ControllerError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = |right: Right| {
        let reviews = reviews.clone();
        async move {
            let question = question(&right);
            let answer = tokio::time::timeout(PATIENCE, reviews.create(&PostParams::default(), &question)).await;
            match answer {
                Ok(Ok(answer)) => Ok(answer.status.is_some_and(|status| !status.allowed).then_some(right)),
                Ok(Err(error)) => match ApiError::from(error) {
                    // Who may not ask finds out in use.
                    ApiError::Forbidden(_) | ApiError::NotFound => Ok(None),
                    error => Err(ControllerError::Unreachable(error)),
                },
                Err(_) => Err(ControllerError::Unreachable(ApiError::timed_out(PATIENCE))),
            }
        }
    };
    let missing: Vec<Option<Right>> = stream::iter(rights).map(review).buffered(AT_ONCE).try_collect().await?;
    Ok(missing.into_iter().flatten().collect())
}

fn question(right: &Right) -> SelfSubjectAccessReview {
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(right.resource.to_owned()),
        subresource: right.subresource.map(str::to_owned),
        namespace: right.namespace.as_deref().map(str::to_owned),
        name: right.name.as_deref().map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..Default::default()
    };
    SelfSubjectAccessReview {
        spec,
        ..SelfSubjectAccessReview::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_reads_as_a_sentence() {
        let all = required(None, true);
        let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert!(texts.contains(&"patch externalsecrets/status.kubernetes-client.io in all namespaces".to_owned()));
        assert!(texts.contains(&"list secrets in all namespaces".to_owned()));
        let namespace: Arc<str> = "a".into();
        let some: Vec<_> = required(Some(&namespace), false)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(some.contains(&"update secrets in namespace a".to_owned()));
        assert!(some.contains(&"watch namespaces named a".to_owned()), "{some:?}");
        assert!(!some.iter().any(|text| text.starts_with("list secrets")), "{some:?}");
    }
}
