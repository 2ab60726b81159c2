//! What the owners of objects see: every change of every status, and how long errors stand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use kube::Api;
use kube::api::DynamicObject;
use kube_runtime::watcher;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::objects;

type Name = (Option<String>, Option<String>);

/// Watches all objects until it is dropped.
pub struct Witness {
    book: Arc<Mutex<Book>>,
    synced: watch::Receiver<usize>,
    count: usize,
    _task: JoinSet<anyhow::Result<()>>,
}

#[derive(Default)]
struct Book {
    synced: HashSet<Name>,
    /// Objects in error now: why, and since when.
    failing: HashMap<Name, (String, Instant)>,
    errors: BTreeMap<String, Errors>,
}

#[derive(Clone, Default)]
struct Errors {
    objects: HashSet<Name>,
    longest: Duration,
}

/// Errors by reason.
pub struct Seen(Vec<(String, usize, Duration, usize)>);

impl Witness {
    /// Begins to watch; all is well once `count` objects have said SUCCESS.
    pub fn of(api: kube::Client, count: usize) -> Self {
        let book: Arc<Mutex<Book>> = Arc::default();
        let (told, synced) = watch::channel(0);
        let mut task = JoinSet::new();
        let written = Arc::clone(&book);
        task.spawn(async move {
            let objects: Api<DynamicObject> = Api::all_with(api, &objects::resource());
            let mut events = Box::pin(watcher(objects, watcher::Config::default()));
            while let Some(event) = events.try_next().await? {
                if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) = event {
                    let mut book = written.lock().unwrap_or_else(PoisonError::into_inner);
                    book.note(&object, Instant::now());
                    told.send_replace(book.synced.len());
                }
            }
            Ok(())
        });
        Self {
            book,
            synced,
            count,
            _task: task,
        }
    }

    /// Ends when all objects have said SUCCESS.
    pub async fn all_synced(&self) -> anyhow::Result<()> {
        let count = self.count;
        let mut synced = self.synced.clone();
        synced
            .wait_for(|synced| *synced >= count)
            .await
            .map(drop)
            .context("the watch ended")
    }

    /// Everything until now; an error that stands is as long as it has stood.
    pub fn seen(&self) -> Seen {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(reason, errors): (&String, &Errors)| {
            let standing: Vec<_> = book.failing.values().filter(|(why, _)| why == reason).collect();
            let oldest = standing.iter().map(|(_, since)| since.elapsed()).max();
            let longest = errors.longest.max(oldest.unwrap_or_default());
            (reason.clone(), errors.objects.len(), longest, standing.len())
        };
        Seen(book.errors.iter().map(line).collect())
    }
}

impl Book {
    fn note(&mut self, object: &DynamicObject, now: Instant) {
        let name = (object.metadata.namespace.clone(), object.metadata.name.clone());
        let Some(status) = object.data.pointer("/status/status").and_then(|status| status.as_str()) else {
            return;
        };
        if let Some((reason, since)) = self.failing.remove(&name) {
            let errors = self.errors.entry(reason).or_default();
            errors.longest = errors.longest.max(now - since);
        }
        if status == "SUCCESS" {
            self.synced.insert(name);
            return;
        }
        let conditions = object
            .data
            .pointer("/status/conditions")
            .and_then(|list| list.as_array());
        let ready = conditions.and_then(|list| list.iter().find(|condition| condition["type"] == "Ready"));
        let reason = ready
            .and_then(|ready| ready["reason"].as_str())
            .unwrap_or(status)
            .to_owned();
        self.errors
            .entry(reason.clone())
            .or_default()
            .objects
            .insert(name.clone());
        self.failing.insert(name, (reason, now));
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, (reason, objects, longest, standing)) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            let longest = longest.as_secs_f64();
            write!(
                f,
                "{comma}{reason} on {objects}, for {longest:.1} s at most, {standing} at the end"
            )?;
        }
        Ok(())
    }
}
