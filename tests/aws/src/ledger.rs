//! What arrived: counts by operation and region, and the last requests one by one.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Requests kept; older ones only count.
const KEPT: usize = 50_000;

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRecord {
    /// `GetSecretValue`, `AssumeRole`, ...; empty when the request names none.
    pub operation: String,
    /// Region of the credential scope.
    pub region: String,
    /// The access key id that the request claims.
    pub access_key_id: String,
    /// ARN of the verified caller; `None` when the signature was refused.
    pub principal: Option<String>,
    /// Whether the signature is right.
    pub valid: bool,
    /// Ids of the secrets, names or path of the parameters asked for as the request wrote them, or the role.
    pub resources: Vec<String>,
    /// `VersionStage`, where the request has one.
    #[serde(default)]
    pub version_stage: Option<String>,
    /// `VersionId`, where the request has one.
    #[serde(default)]
    pub version_id: Option<String>,
    /// The error code that was answered, if any.
    pub error: Option<String>,
    /// Why a signature was refused, in full.
    pub refusal: Option<String>,
    /// HTTP status; 0 while it is being answered, and when the connection was torn on purpose.
    pub status: u16,
    /// Names of all headers that arrived, to see what a signer lets through.
    pub headers: Vec<String>,
}

/// How often what was called, since start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Requests with a right signature, by operation and then region.
    pub calls: BTreeMap<String, BTreeMap<String, u64>>,
    /// Requests whose signature was refused. A healthy host leaves this at 0.
    pub refused: u64,
    /// Requests that were answered with a throttling error.
    pub throttled: u64,
}

impl Counts {
    /// Calls of an operation in all regions.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.calls.get(operation).map_or(0, |regions| regions.values().sum())
    }

    /// Calls of an operation in one region.
    #[must_use]
    pub fn in_region(&self, operation: &str, region: &str) -> u64 {
        self.calls
            .get(operation)
            .and_then(|regions| regions.get(region))
            .copied()
            .unwrap_or(0)
    }

    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().flat_map(BTreeMap::values).sum()
    }
}

#[derive(Default)]
pub struct Ledger {
    pub counts: Counts,
    records: VecDeque<RequestRecord>,
    dropped: u64,
}

impl Ledger {
    /// Enters a request; the number finds it again for [`Ledger::close`].
    pub fn open(&mut self, record: RequestRecord) -> u64 {
        if record.valid {
            let regions = self.counts.calls.entry(record.operation.clone()).or_default();
            *regions.entry(record.region.clone()).or_default() += 1;
        } else {
            self.counts.refused += 1;
        }
        if self.records.len() == KEPT {
            self.records.pop_front();
            self.dropped += 1;
        }
        self.records.push_back(record);
        self.dropped + self.records.len() as u64 - 1
    }

    /// Notes how a request was answered.
    pub fn close(&mut self, number: u64, status: u16, error: Option<&str>) {
        if error.is_some_and(|code| code.starts_with("Throttling")) {
            self.counts.throttled += 1;
        }
        let place = number
            .checked_sub(self.dropped)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(record) = place.and_then(|place| self.records.get_mut(place)) {
            record.status = status;
            record.error = error.map(str::to_owned);
        }
    }

    pub fn records(&self) -> Vec<RequestRecord> {
        self.records.iter().cloned().collect()
    }

    pub fn clear(&mut self) {
        self.dropped += self.records.len() as u64;
        self.records.clear();
        self.counts = Counts::default();
    }
}
