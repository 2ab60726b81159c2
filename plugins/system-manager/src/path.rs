//! Everything under paths, page by page.
//!
//! Paths first advance in rounds, one page each, so that a path with thousands of parameters cannot keep
//! short ones from being read. What is left of the budget then goes to one path after the other: if long
//! paths shared it to its end, none of them would ever be done, however often the call is made. The budget
//! of all of them is below what the host allows in exchanges and in bytes: over that, the whole call
//! would be lost, and with it the paths that are done.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;
use keyhole_aws::{Class, Fault};

use crate::api::{Api, Parameter};
use crate::ask::Path;

/// Pages of one call, all paths together. The host allows 512 exchanges; ten single parameters and a
/// batch fit in beside them.
pub const PAGES: usize = 500;

/// Of these, what is read in rounds.
const PAGES_IN_TURNS: usize = 100;

/// Pages of one path. The first of several always has so many, whatever the others take.
pub const PAGES_OF_A_PATH: usize = PAGES - PAGES_IN_TURNS;

/// What the values of a Secret may take together in Kubernetes. A path with more can never become one.
pub const LARGEST: usize = 1 << 20;

/// Bytes of values of one call, all paths together. The host allows 8 MiB; the last round adds less than
/// 1 MiB.
const BYTES: usize = 6 << 20;

/// Of these, what is read in rounds; the last round adds less than 1 MiB, and so does the first path.
const BYTES_IN_TURNS: usize = 3 << 20;

/// Pages under way at once. All calls of Parameter Store share a rate of 40 a second by default.
const CONCURRENCY: usize = 4;

/// Why a path was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A page failed.
    Fault(Fault),
    /// It has more parameters than one call can read: so many were read.
    TooMany(usize),
    /// Its values take more bytes than a Secret can hold.
    TooLarge,
    /// The page after a page is that page.
    Circle,
    /// It has more than this call could read beside other paths.
    Crowded(usize),
}

/// What is under a path, in the order of the full names.
pub type Read = Result<Vec<Parameter>, Unread>;

/// Reads all paths; one answer for each, in their order.
pub async fn read(api: &impl Api, paths: &[Path]) -> Vec<Read> {
    let mut readings: Vec<Reading> = paths.iter().map(|_| Reading::default()).collect();
    let mut verdict = None;
    while verdict.is_none() {
        let (pages, bytes) = spent(&readings);
        if pages >= PAGES || bytes >= BYTES {
            break;
        }
        let in_turns = pages < PAGES_IN_TURNS && bytes < BYTES_IN_TURNS;
        let at_once = if in_turns { PAGES_IN_TURNS - pages } else { 1 };
        let open: Vec<(&Path, &mut Reading)> = paths
            .iter()
            .zip(&mut readings)
            .filter(|(_, reading)| reading.end.is_none())
            .take(at_once)
            .collect();
        if open.is_empty() {
            break;
        }
        let pages = stream::iter(open).map(async |(path, reading)| reading.turn(api, path).await);
        let verdicts: Vec<Option<Fault>> = pages.buffer_unordered(CONCURRENCY).collect().await;
        verdict = verdicts.into_iter().flatten().next();
    }
    readings
        .into_iter()
        .map(|reading| match (reading.end, &verdict) {
            (Some(Err(why)), _) => Err(why),
            (Some(Ok(())), _) => Ok(reading.found.into_values().collect()),
            (None, Some(fault)) => Err(Unread::Fault(fault.clone())),
            (None, None) => Err(Unread::Crowded(reading.found.len())),
        })
        .collect()
}

/// Pages and bytes that were read.
fn spent(readings: &[Reading]) -> (usize, usize) {
    readings.iter().fold((0, 0), |(pages, bytes), reading| {
        (pages + reading.pages, bytes + reading.bytes)
    })
}

/// How far a path has been read.
#[derive(Default)]
struct Reading {
    /// By full name: while pages are read, a parameter that is written meanwhile can come twice.
    found: BTreeMap<String, Parameter>,
    /// Asked for, whether or not they came.
    pages: usize,
    /// Sum of the values.
    bytes: usize,
    next: Option<String>,
    end: Option<Result<(), Unread>>,
}

impl Reading {
    /// Reads the next page. Returns a fault that holds for every other path too: the service asks for
    /// fewer calls, or does not know the identity.
    async fn turn(&mut self, api: &impl Api, path: &Path) -> Option<Fault> {
        self.pages += 1;
        match api.page(path, self.next.as_deref()).await {
            Ok(page) => {
                for parameter in page.parameters {
                    self.bytes += parameter.text.len();
                    self.found.insert(parameter.name.clone(), parameter);
                }
                let asked = std::mem::replace(&mut self.next, page.next);
                if self.bytes > LARGEST {
                    self.end = Some(Err(Unread::TooLarge));
                } else if self.next.is_none() {
                    self.end = Some(Ok(()));
                } else if self.next == asked {
                    self.end = Some(Err(Unread::Circle));
                } else if self.pages >= PAGES_OF_A_PATH {
                    self.end = Some(Err(Unread::TooMany(self.found.len())));
                }
                None
            }
            Err(fault) => {
                let for_all = matches!(fault.class(), Class::Throttled | Class::Unauthenticated);
                self.end = Some(Err(Unread::Fault(fault.clone())));
                for_all.then_some(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests;
