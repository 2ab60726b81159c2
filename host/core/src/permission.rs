//! What a namespace permits its objects, as KES has it.
//!
//! An administrator writes regular expressions into annotations of a namespace: one that keys and paths
//! must match, one that roles must match. The rules of precedence and the phrases are KES's, because
//! people search for them; what is stricter (every key of every form is checked) is so on purpose. The
//! invariant: nothing is fetched for an object whose ruling is anything but [`Ruling::Allowed`], and
//! whatever goes wrong on the way to a ruling is a denial, never a permission.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::failure::{Failure, Reason};

pub mod dialect;
mod matcher;
#[cfg(test)]
mod tests;

pub use matcher::{MatchError, Matcher, Matching, Question};

/// The annotation that keys and paths are judged by, unless the operator was told another.
pub const NAMING_ANNOTATION: &str = "externalsecrets.kubernetes-client.io/permitted-key-name";
/// The annotation that roles are judged by, unless the operator was told another.
pub const ROLE_ANNOTATION: &str = "iam.amazonaws.com/permitted";

/// Expressions that find something in every text, as administrators write them.
const EVERYTHING: [&str; 3] = [".*", "^.*", ".*$"];

/// What the operator was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the annotation for keys and paths.
    pub naming_annotation: String,
    /// Name of the annotation for roles.
    pub role_annotation: String,
    /// Whether a namespace without these annotations permits nothing.
    pub enforced: bool,
    /// Whether an expression must match the whole text. KES is content with a part of it.
    pub anchored: bool,
}

impl Default for Policy {
    /// KES's.
    fn default() -> Self {
        Self {
            naming_annotation: NAMING_ANNOTATION.to_owned(),
            role_annotation: ROLE_ANNOTATION.to_owned(),
            enforced: false,
            anchored: false,
        }
    }
}

impl Policy {
    /// What the annotations of `namespace` make under this policy. An empty annotation is none, as in KES.
    #[must_use]
    pub fn rules(self: &Arc<Self>, namespace: &str, annotations: &BTreeMap<String, String>) -> Rules {
        let expression = |name: &str| {
            annotations
                .get(name)
                .filter(|text| !text.is_empty())
                .map(|text| text.as_str().into())
        };
        Rules {
            naming: expression(&self.naming_annotation),
            role: expression(&self.role_annotation),
            // What is not enforced must not look like a change of the rules.
            bare: self.enforced && annotations.is_empty(),
            namespace: namespace.into(),
            policy: Arc::clone(self),
        }
    }
}

/// The rules of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    policy: Arc<Policy>,
    namespace: Arc<str>,
    bare: bool,
    naming: Option<Arc<str>>,
    role: Option<Arc<str>>,
}

/// What an object wants, as far as rules are about it: its spec's own words, whatever becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// First KES's: `spec.roleArn`, else `spec.vaultRole`, on every backend, also on one that makes nothing of
    /// it. Then every other role that the object gives in some other way.
    pub roles: Vec<Arc<str>>,
    /// Paths and keys in KES's order: `data` (path before key), `dataFrom`, `dataFromWithOptions`.
    pub texts: Vec<Claim>,
}

/// A text that the naming rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// `path` of an entry.
    Path(Arc<str>),
    /// `key` of an entry.
    Key(Arc<str>),
}

/// Whether an object may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may.
    Allowed,
    /// It may not, until it or its namespace changes.
    Denied(Denial),
    /// It may not, because nobody could judge. Worth another try.
    Unjudged(Denial),
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// KES's phrase, where KES has one.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Denial {
    /// As it is shown on the object. The status line is KES's.
    #[must_use]
    pub fn failure(&self, namespace: &str, name: &str) -> Failure {
        let message = format!("not allowed to fetch secret: {namespace}/{name}: {}", self.reason);
        Failure::kes(Reason::NotPermitted, message).remedy(self.remedy.as_str())
    }
}

/// One thing to look at, in the order in which it decides.
enum Check<'a> {
    Deny(Denial),
    Judge(Subject<'a>, &'a Arc<str>),
}

/// What an expression is tried on.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Role(&'a Arc<str>),
    Path(&'a Arc<str>),
    Key(&'a Arc<str>),
}

impl<'a> Subject<'a> {
    fn text(self) -> &'a Arc<str> {
        match self {
            Self::Role(text) | Self::Path(text) | Self::Key(text) => text,
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role {role}"),
            Self::Path(path) => write!(f, "path {path}"),
            Self::Key(key) => write!(f, "key name {key}"),
        }
    }
}

impl Rules {
    /// Whether both rule in the same way about these claims.
    #[must_use]
    pub fn same_for(&self, other: &Self, claims: &Claims) -> bool {
        self.bare == other.bare && self.naming == other.naming && (claims.roles.is_empty() || self.role == other.role)
    }

    /// The ruling, if it takes no expression to find it.
    #[must_use]
    pub fn settled(&self, claims: &Claims) -> Option<Ruling> {
        match self.checks(claims).next() {
            None => Some(Ruling::Allowed),
            Some(Check::Deny(denial)) => Some(Ruling::Denied(denial)),
            Some(Check::Judge(..)) => None,
        }
    }

    /// The ruling. Asks as little as it can: nothing after the first denial.
    pub async fn judge(&self, claims: &Claims, matcher: &dyn Matcher) -> Ruling {
        for check in self.checks(claims) {
            let (subject, expression) = match check {
                Check::Deny(denial) => return Ruling::Denied(denial),
                Check::Judge(subject, expression) => (subject, expression),
            };
            let question = Question {
                expression: Arc::clone(expression),
                text: Arc::clone(subject.text()),
                anchored: self.policy.anchored,
            };
            match matcher.matches(&question).await {
                Ok(true) => {}
                Ok(false) => return Ruling::Denied(self.mismatch(subject, expression)),
                Err(error) => {
                    let denial = self.trouble(subject, expression, &error);
                    return match error {
                        MatchError::Unavailable(_) => Ruling::Unjudged(denial),
                        MatchError::Malformed(_) | MatchError::Exhausted(_) => Ruling::Denied(denial),
                    };
                }
            }
        }
        Ruling::Allowed
    }

    /// What decides, in this order: KES reports the role before keys, and of several keys the last.
    fn checks<'a>(&'a self, claims: &'a Claims) -> impl Iterator<Item = Check<'a>> {
        let bare = self.bare.then(|| {
            Check::Deny(Denial {
                reason: "Namespace annotation is required".to_owned(),
                remedy: format!(
                    "annotate namespace {} with {}",
                    self.namespace, self.policy.naming_annotation
                ),
            })
        });
        let roles = claims.roles.iter().filter_map(|role| match &self.role {
            Some(expression) => self
                .needs(expression)
                .then_some(Check::Judge(Subject::Role(role), expression)),
            None => self.missing(&self.policy.role_annotation),
        });
        let (unnamed, naming) = match &self.naming {
            Some(expression) => (None, self.needs(expression).then_some(expression)),
            None => (self.missing(&self.policy.naming_annotation), None),
        };
        let texts = naming.into_iter().flat_map(|expression| {
            claims.texts.iter().rev().map(move |claim| match claim {
                Claim::Path(path) => Check::Judge(Subject::Path(path), expression),
                Claim::Key(key) => Check::Judge(Subject::Key(key), expression),
            })
        });
        bare.into_iter().chain(roles).chain(unnamed).chain(texts)
    }

    /// Whether the expression can deny anything.
    fn needs(&self, expression: &str) -> bool {
        self.policy.anchored || !EVERYTHING.contains(&expression)
    }

    fn missing(&self, annotation: &str) -> Option<Check<'static>> {
        let denial = || Denial {
            reason: format!(
                "Missing required annotation {annotation} on namespace {}",
                self.namespace
            ),
            remedy: format!("annotate namespace {} with {annotation}", self.namespace),
        };
        self.policy.enforced.then(|| Check::Deny(denial()))
    }

    fn annotation(&self, subject: Subject<'_>) -> &str {
        match subject {
            Subject::Role(_) => &self.policy.role_annotation,
            Subject::Path(_) | Subject::Key(_) => &self.policy.naming_annotation,
        }
    }

    fn mismatch(&self, subject: Subject<'_>, expression: &str) -> Denial {
        let reason = match subject {
            Subject::Role(role) => format!("namespace does not allow to assume role {role}"),
            Subject::Path(_) | Subject::Key(_) => format!("{subject} does not match naming convention {expression}"),
        };
        let annotation = self.annotation(subject);
        Denial {
            reason,
            remedy: format!(
                "change the object, or annotation {annotation} of namespace {}",
                self.namespace
            ),
        }
    }

    fn trouble(&self, subject: Subject<'_>, expression: &str, error: &MatchError) -> Denial {
        let annotation = self.annotation(subject);
        let place = format!("annotation {annotation} of namespace {}", self.namespace);
        let (what, remedy) = match error {
            MatchError::Malformed(_) => (format!("{error}: {expression}"), format!("mend {place}")),
            MatchError::Exhausted(_) => (
                format!("{subject} cannot be judged by {expression}: {error}"),
                format!("simplify {place}"),
            ),
            MatchError::Unavailable(_) => (
                format!("{subject} cannot be judged by {expression}: {error}"),
                "it is tried again".to_owned(),
            ),
        };
        Denial {
            reason: format!("{place}: {what}"),
            remedy,
        }
    }
}
