//! A Parameter Store in memory that tells what it was asked, with the faults that a test wants.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use keyhole_aws::{Cause, Fault};
use keyhole_sdk::{Request, Selector};

use crate::api::{Api, Batch, Page, Parameter};
use crate::ask::Path;
use crate::options::Options;

#[derive(Default)]
pub struct Fake {
    /// Values by name; those of a StringList are in `lists`.
    pub parameters: BTreeMap<String, String>,
    /// Names that are StringLists.
    pub lists: Vec<String>,
    /// What GetParameter answers for a name in place of its value.
    pub get_faults: BTreeMap<String, Fault>,
    /// What every batch answers.
    pub batch_fault: Option<Fault>,
    /// Names that batches leave out, and names that they answer twice.
    pub left_out: Vec<String>,
    pub twice: Vec<String>,
    /// What a path answers from this page on.
    /// A path whose pages all lead to themselves.
    pub circle: Option<String>,
    pub page_faults: BTreeMap<String, (usize, Fault)>,
    /// Calls so far: names of a batch, name of a single one, path and token of a page.
    pub batches: RefCell<Vec<Vec<String>>>,
    pub gets: RefCell<Vec<String>>,
    pub pages: RefCell<Vec<(String, usize)>>,
    pub under_way: Cell<usize>,
    pub most_under_way: Cell<usize>,
}

impl Fake {
    pub fn with<S: AsRef<str>>(names: &[S]) -> Self {
        let value = |name: &S| (name.as_ref().to_owned(), format!("value of {}", name.as_ref()));
        Self {
            parameters: names.iter().map(value).collect(),
            ..Self::default()
        }
    }

    /// Calls so far: batches, singles, pages.
    pub fn calls(&self) -> (usize, usize, usize) {
        let pages = self.pages.borrow().len();
        (self.batches.borrow().len(), self.gets.borrow().len(), pages)
    }

    fn value(&self, name: &str) -> Option<Parameter> {
        let plain = name.split(':').next().unwrap();
        self.parameters.get(plain).map(|text| Parameter {
            name: plain.to_owned(),
            text: text.clone(),
            is_list: self.lists.iter().any(|list| list == plain),
            version: Some(format!("v of {plain}")),
        })
    }

    /// As a network would, lets others start before this one is answered.
    async fn network(&self) {
        self.under_way.set(self.under_way.get() + 1);
        let most = self.most_under_way.get().max(self.under_way.get());
        self.most_under_way.set(most);
        let mut waited = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        self.under_way.set(self.under_way.get() - 1);
    }
}

pub fn fault(code: &str, message: &str) -> Fault {
    Fault {
        status: Some(400),
        ..Fault::refused(Some(code.to_owned()), Some(message.to_owned()))
    }
}

pub fn unreachable() -> Fault {
    Fault::of(Cause::Unreachable)
}

pub fn key(key: &str) -> Request<Options> {
    Request {
        selector: Selector::key(key),
        options: Options::default(),
        known_version: None,
    }
}

pub fn prefix(path: &str, recursive: bool) -> Request<Options> {
    Request {
        selector: Selector::Prefix {
            path: path.to_owned(),
            recursive,
        },
        ..key("")
    }
}

pub fn with(request: Request<Options>, options: Options) -> Request<Options> {
    Request { options, ..request }
}

impl Api for Fake {
    async fn get(&self, name: &str) -> Result<Parameter, Fault> {
        self.gets.borrow_mut().push(name.to_owned());
        self.network().await;
        match self.get_faults.get(name) {
            Some(fault) => Err(fault.clone()),
            None => self.value(name).ok_or_else(|| fault("ParameterNotFound", "")),
        }
    }

    async fn batch(&self, names: &[&str]) -> Result<Batch, Fault> {
        self.batches
            .borrow_mut()
            .push(names.iter().map(ToString::to_string).collect());
        if let Some(fault) = &self.batch_fault {
            return Err(fault.clone());
        }
        let mut batch = Batch::default();
        // In another order, as the service does.
        for name in names
            .iter()
            .rev()
            .filter(|name| !self.left_out.contains(&name.to_string()))
        {
            match self.value(name) {
                Some(parameter) => {
                    let times = if self.twice.contains(&parameter.name) { 2 } else { 1 };
                    let entry = (parameter.name.clone(), Ok(parameter));
                    batch.found.extend(std::iter::repeat_n(entry, times));
                }
                None => batch.invalid.push(name.to_string()),
            }
        }
        Ok(batch)
    }

    async fn page(&self, path: &Path, token: Option<&str>) -> Result<Page, Fault> {
        let number: usize = token.map_or(0, |token| token.parse().unwrap());
        self.pages.borrow_mut().push((path.path.clone(), number));
        self.network().await;
        if let Some((from, fault)) = self.page_faults.get(&path.path)
            && number >= *from
        {
            return Err(fault.clone());
        }
        let below = format!("{}/", path.path.trim_end_matches('/'));
        let wanted = |name: &&String| {
            name.strip_prefix(&below)
                .is_some_and(|rest| path.recursive || !rest.contains('/'))
        };
        let names: Vec<&String> = self.parameters.keys().filter(wanted).collect();
        let on_page = names.iter().skip(number * 10).take(10);
        let following = match &self.circle {
            Some(circle) if *circle == path.path => Some(number.to_string()),
            _ => (names.len() > (number + 1) * 10).then(|| (number + 1).to_string()),
        };
        Ok(Page {
            parameters: on_page.map(|name| self.value(name).unwrap()).collect(),
            next: following,
        })
    }
}
