//! A Secrets Manager in memory that tells what it was asked, with the faults that a test wants.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use keyhole_aws::{Cause, Fault};
use keyhole_sdk::Content;

use crate::api::{Api, Entry, Fetched, Page};
use crate::ask::{Ask, Version};

#[derive(Default)]
pub struct Fake {
    /// Current values by name.
    pub secrets: BTreeMap<String, String>,
    /// What GetSecretValue answers for a name in place of its value.
    pub get_faults: BTreeMap<String, Fault>,
    /// What every batch answers.
    pub batch_fault: Option<Fault>,
    /// What a batch says of a name in place of its value.
    pub entry_faults: BTreeMap<String, Fault>,
    /// Names that batches leave out, and names that they answer twice.
    pub left_out: Vec<String>,
    pub twice: Vec<String>,
    /// Entries on a page; all of them when 0.
    pub page: usize,
    /// Calls so far: names of a batch, or secret and version of a single one.
    pub batches: RefCell<Vec<Vec<String>>>,
    pub gets: RefCell<Vec<(String, Version)>>,
    pub under_way: Cell<usize>,
    pub most_under_way: Cell<usize>,
}

impl Fake {
    pub fn with(names: &[&str]) -> Self {
        let secrets = names
            .iter()
            .map(|name| ((*name).to_owned(), format!("value of {name}")))
            .collect();
        Self {
            secrets,
            ..Self::default()
        }
    }

    pub fn calls(&self) -> (usize, usize) {
        (self.batches.borrow().len(), self.gets.borrow().len())
    }

    fn value(&self, name: &str) -> Result<Fetched, Fault> {
        match self.secrets.get(name) {
            Some(text) => Ok(Fetched {
                content: Content::Text(text.clone()),
                version_id: Some(format!("v of {name}")),
            }),
            None => Err(fault(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            )),
        }
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

impl Api for Fake {
    async fn get(&self, ask: &Ask) -> Result<Fetched, Fault> {
        self.gets.borrow_mut().push((ask.secret.clone(), ask.version.clone()));
        self.under_way.set(self.under_way.get() + 1);
        self.most_under_way
            .set(self.most_under_way.get().max(self.under_way.get()));
        // As a network would, let others start before this one is answered.
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
        match self.get_faults.get(&ask.secret) {
            Some(fault) => Err(fault.clone()),
            None => self.value(&ask.secret),
        }
    }

    async fn batch(&self, names: &[&str], page: Option<&str>) -> Result<Page, Fault> {
        self.batches
            .borrow_mut()
            .push(names.iter().map(ToString::to_string).collect());
        if let Some(fault) = &self.batch_fault {
            return Err(fault.clone());
        }
        // Errors last and values in another order, as the service does.
        let mut entries: Vec<Entry> = Vec::new();
        for name in names
            .iter()
            .rev()
            .filter(|name| !self.left_out.contains(&name.to_string()))
        {
            let answer = self
                .entry_faults
                .get(*name)
                .map_or_else(|| self.value(name), |fault| Err(fault.clone()));
            let arn = format!("arn:aws:secretsmanager:eu-west-1:1:secret:{name}-AbCdEf");
            let entry = Entry {
                names: vec![name.to_string(), arn],
                answer,
            };
            if self.twice.contains(&name.to_string()) {
                entries.push(entry.clone());
            }
            entries.push(entry);
        }
        entries.sort_by_key(|entry| entry.answer.is_err());
        let start: usize = page.map_or(0, |page| page.parse().unwrap());
        let size = if self.page == 0 { entries.len() } else { self.page };
        let next = (start + size < entries.len()).then(|| (start + size).to_string());
        Ok(Page {
            entries: entries.into_iter().skip(start).take(size).collect(),
            next,
        })
    }
}
