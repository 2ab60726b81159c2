//! From requests to what Parameter Store is asked.
//!
//! Two requests can differ in options and still mean one question, and ten names are all that a batch
//! takes. So requests become *asks* without duplicates, and each request remembers which ask answers it.

use std::collections::HashMap;
use std::hash::Hash;

use keyhole_sdk::{Error, Request, Selector};

use crate::options::{Options, StringList};

/// A single parameter: its name, its name with a version or label (`name:3`, `name:prod`), or its ARN,
/// as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask(pub String);

impl Ask {
    /// Whether a batch can answer it beyond doubt. Of a selector or an ARN the answer need not say how
    /// it was asked for, and a reference to a secret of Secrets Manager that is denied would take
    /// the whole batch with it.
    pub fn is_batchable(&self) -> bool {
        !self.0.contains(':') && !self.0.starts_with("/aws/reference/")
    }

    /// The version or label, where the key names one. No name of a parameter contains a colon.
    pub fn selector(&self) -> Option<&str> {
        let name = match self.0.strip_prefix("arn:") {
            // arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME
            Some(rest) => rest.splitn(5, ':').nth(4)?,
            None => self.0.as_str(),
        };
        name.split_once(':').map(|(_, selector)| selector)
    }
}

/// Everything under a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Starts with a slash and ends without one, except the root.
    pub path: String,
    /// Whether to descend.
    pub recursive: bool,
}

/// All requests of a call.
#[derive(Debug)]
pub struct Plan {
    /// The parameters, each once, in the order of the requests.
    pub asks: Vec<Ask>,
    /// The paths, each once.
    pub paths: Vec<Path>,
    /// For each request, where its answer comes from.
    pub slots: Vec<Result<Slot, Error>>,
}

/// Where the answer to a request comes from: a position in the asks, or in the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A single parameter.
    Ask(usize),
    /// A path.
    Path(usize),
}

impl Plan {
    /// The questions behind these requests.
    pub fn new(requests: &[Request<Options>]) -> Self {
        let (mut asks, mut paths) = (Once::default(), Once::default());
        let slots = requests
            .iter()
            .map(|request| match &request.selector {
                Selector::Key(key) => ask(key, &request.options).map(|ask| Slot::Ask(asks.position(ask))),
                Selector::Prefix { path: text, recursive } => {
                    path(text, *recursive, &request.options).map(|path| Slot::Path(paths.position(path)))
                }
            })
            .collect();
        Self {
            asks: asks.items,
            paths: paths.items,
            slots,
        }
    }
}

/// Things without duplicates, in the order in which they came.
struct Once<T> {
    items: Vec<T>,
    known: HashMap<T, usize>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            known: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Once<T> {
    fn position(&mut self, item: T) -> usize {
        let items = &mut self.items;
        *self.known.entry(item).or_insert_with_key(|item| {
            items.push(item.clone());
            items.len() - 1
        })
    }
}

fn ask(key: &str, options: &Options) -> Result<Ask, Error> {
    if key.trim().is_empty() {
        let message = "the key is empty; write the name or the ARN of a parameter";
        return Err(Error::invalid("/key", message));
    }
    if options.join_path_with.is_some() {
        let message = "joinPathWith has no effect on a single key; remove it, or use path";
        return Err(Error::invalid("/options/joinPathWith", message));
    }
    Ok(Ask(key.to_owned()))
}

/// A path means the same with and without a slash at its end, to AWS too. One without a slash at its
/// start is refused, as AWS does: to add it would read what nobody was asked whether it may be read.
fn path(text: &str, recursive: bool, options: &Options) -> Result<Path, Error> {
    if !text.starts_with('/') {
        let message = format!("a path starts with a slash; write {:?}", format!("/{text}"));
        return Err(Error::invalid("/path", message));
    }
    if options.string_list != StringList::Text {
        let message = "stringList has no effect beside path; remove it, or ask for the list by key";
        return Err(Error::invalid("/options/stringList", message));
    }
    let path = match text.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    Ok(Path {
        path: path.to_owned(),
        recursive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{key, prefix, with};
    use crate::options::Joint;
    use keyhole_sdk::ErrorKind;

    #[test]
    fn equal_questions_are_asked_once_and_answered_everywhere() {
        let pairs = Options {
            string_list: StringList::Pairs,
            ..Options::default()
        };
        let requests = [
            key("/a"),
            prefix("/p", true),
            with(key("/a"), pairs),
            prefix("/p/", true),
            prefix("/p", false),
            key("/A"),
        ];
        let plan = Plan::new(&requests);
        assert_eq!((plan.asks.len(), plan.paths.len()), (2, 2), "names differ by case");
        let slots: Vec<_> = plan.slots.into_iter().map(Result::unwrap).collect();
        let (ask, path) = (Slot::Ask, Slot::Path);
        assert_eq!(slots, [ask(0), path(0), ask(0), path(0), path(1), ask(1)]);
    }

    #[test]
    fn only_plain_names_travel_in_a_batch() {
        for (key, batchable, selector) in [
            ("/a/b", true, None),
            ("plain", true, None),
            ("/a/b:3", false, Some("3")),
            ("/a/b:prod", false, Some("prod")),
            ("arn:aws:ssm:eu-west-1:1:parameter/a", false, None),
            ("arn:aws:ssm:eu-west-1:1:parameter/a:prod", false, Some("prod")),
            ("/aws/reference/secretsmanager/db", false, None),
            ("arn:odd", false, None),
        ] {
            let ask = Ask(key.to_owned());
            assert_eq!((ask.is_batchable(), ask.selector()), (batchable, selector), "{key}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_a_path_changes_nothing() {
        for (text, wanted) in [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a//", "/a"),
            ("/", "/"),
            ("//", "/"),
        ] {
            assert_eq!(Plan::new(&[prefix(text, false)]).paths[0].path, wanted);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told_without_a_call() {
        let joined = Options {
            join_path_with: Some(Joint::Dot),
            ..Options::default()
        };
        let pairs = Options {
            string_list: StringList::Pairs,
            ..Options::default()
        };
        for (request, pointer, words) in [
            (key(" "), "/key", "empty"),
            (prefix("team/app", true), "/path", r#"write "/team/app""#),
            (prefix("", true), "/path", "starts with a slash"),
            (with(key("/a"), joined), "/options/joinPathWith", "use path"),
            (with(prefix("/a", true), pairs), "/options/stringList", "by key"),
        ] {
            let plan = Plan::new(&[request]);
            assert!(plan.asks.is_empty() && plan.paths.is_empty());
            let error = plan.slots[0].clone().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid(pointer.to_owned()));
            assert!(error.message.contains(words), "{}", error.message);
        }
    }
}
