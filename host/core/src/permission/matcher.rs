//! The port through which expressions are evaluated. What evaluates them may be slow, may be stopped
//! in the middle and may be missing, so an answer is a future and has kinds of failure.

use std::pin::Pin;
use std::sync::Arc;

/// Whether a text matches an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// A regular expression of JavaScript, without flags.
    pub expression: Arc<str>,
    /// What it is tried on.
    pub text: Arc<str>,
    /// Whether it must match all of the text.
    pub anchored: bool,
}

/// Why there is no yes or no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The expression is none. Says what is wrong.
    #[error("malformed expression ({0})")]
    Malformed(String),
    /// Evaluating it takes more than it may. Says of what.
    #[error("it takes more than {0}")]
    Exhausted(String),
    /// Nothing that could evaluate it is there now. The same question may be answered later.
    #[error("JavaScript is not available: {0}")]
    Unavailable(String),
}

/// An answer on its way.
pub type Matching<'a> = Pin<Box<dyn Future<Output = Result<bool, MatchError>> + Send + 'a>>;

/// Evaluates expressions.
pub trait Matcher: Send + Sync {
    /// Answers a question. Ends within a bound that the implementation sets; may be dropped at any time.
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a>;
}
