//! Faults on purpose: what the network and the service can do to a client.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// When something goes wrong, and how. Built like
/// `Fault::on("GetSecretValue").secret("prod/db").times(2).throttle()`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The operation hit; every one when absent.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only requests for this secret, parameter or path, named as the request names it. In a
    /// `BatchGetSecretValue`, an error hits this secret alone and is reported in `Errors`; anything else hits
    /// the whole answer.
    #[serde(default)]
    pub secret: Option<String>,
    /// Only this region.
    #[serde(default)]
    pub region: Option<String>,
    /// How many requests are hit; all until cleared when absent.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a request that is hit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// The answer comes later by so many milliseconds.
    Delay(u64),
    /// An error with this status and code.
    Error {
        /// HTTP status.
        status: u16,
        /// Error code, e.g. `InternalServiceError`.
        code: String,
        /// What the answer says.
        message: String,
        /// Seconds of a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// No answer, ever; the connection stays open.
    Hang,
    /// The connection is reset before an answer.
    Reset,
    /// Half of the answer, then the connection is closed.
    Truncate,
    /// A gateway's HTML page with status 200 in place of the answer.
    Html,
    /// The answer with this content type.
    ContentType(String),
    /// The answer dripped: so many bytes, so many milliseconds apart.
    Drip {
        /// Bytes at a time.
        bytes: usize,
        /// Milliseconds between them.
        every: u64,
    },
}

impl Fault {
    /// Hits every request, until narrowed. The effect is an internal error until another is chosen.
    #[must_use]
    pub fn everywhere() -> Self {
        let effect = Effect::Error {
            status: 500,
            code: "InternalServiceError".to_owned(),
            message: "An error occurred on the server side.".to_owned(),
            retry_after: None,
        };
        Self {
            operation: None,
            secret: None,
            region: None,
            times: None,
            effect,
        }
    }

    /// Hits requests of one operation.
    #[must_use]
    pub fn on(operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..Self::everywhere()
        }
    }

    /// Narrows to one secret.
    #[must_use]
    pub fn secret(mut self, id: &str) -> Self {
        self.secret = Some(id.to_owned());
        self
    }

    /// Narrows to one region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Hits this many requests, then no more.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Chooses the effect.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Answers `ThrottlingException`.
    #[must_use]
    pub fn throttle(self) -> Self {
        self.error(400, "ThrottlingException", "Rate exceeded")
    }

    /// Answers an error.
    #[must_use]
    pub fn error(self, status: u16, code: &str, message: &str) -> Self {
        self.effect(Effect::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after: None,
        })
    }

    /// Delays the answer.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.effect(Effect::Delay(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    fn matches(&self, operation: &str, region: &str, secrets: &[String]) -> bool {
        self.operation.as_deref().is_none_or(|wanted| wanted == operation)
            && self.region.as_deref().is_none_or(|wanted| wanted == region)
            && self
                .secret
                .as_deref()
                .is_none_or(|wanted| secrets.iter().any(|secret| secret == wanted))
    }
}

/// The faults in force.
#[derive(Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What hits this request, with the secret a fault is narrowed to; counts it.
    pub fn take(&mut self, operation: &str, region: &str, secrets: &[String]) -> Vec<(Effect, Option<String>)> {
        let mut hits = Vec::new();
        for fault in self
            .0
            .iter_mut()
            .filter(|fault| fault.matches(operation, region, secrets))
        {
            fault.times = fault.times.map(|left| left.saturating_sub(1));
            hits.push((fault.effect.clone(), fault.secret.clone()));
        }
        self.0.retain(|fault| fault.times != Some(0));
        hits
    }
}

/// Quotas: how many requests of a family of operations pass in a second; the rest are throttled. As in AWS, each
/// region and each caller's account has its own.
#[derive(Default)]
pub struct Throttles(Vec<Quota>);

struct Quota {
    operations: Vec<String>,
    per_second: f64,
    burst: f64,
    buckets: BTreeMap<(String, String), Bucket>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Throttles {
    /// Lets `per_second` requests of all of these operations together pass, after a burst of `burst`. Replaces
    /// a quota of the same operations.
    pub fn limit(&mut self, operations: &[&str], per_second: f64, burst: f64) {
        let operations: Vec<String> = operations.iter().map(|&operation| operation.to_owned()).collect();
        self.0.retain(|quota| quota.operations != operations);
        self.0.push(Quota {
            operations,
            per_second,
            burst,
            buckets: BTreeMap::new(),
        });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes a token of each quota that the operation counts against; false when one of them has none.
    pub fn admit(&mut self, operation: &str, region: &str, account: &str, now: Instant) -> bool {
        let counted = |quota: &&mut Quota| quota.operations.iter().any(|counted| counted == operation);
        self.0.iter_mut().filter(counted).fold(true, |admitted, quota| {
            let bucket = quota
                .buckets
                .entry((region.to_owned(), account.to_owned()))
                .or_insert(Bucket {
                    tokens: quota.burst,
                    filled: now,
                });
            bucket.take(quota.per_second, quota.burst, now) && admitted
        })
    }
}

impl Bucket {
    fn take(&mut self, per_second: f64, burst: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * per_second).min(burst);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_with_a_number_hits_so_often_and_no_more() {
        let mut faults = Faults::default();
        faults.add(Fault::on("GetSecretValue").secret("a").times(2).throttle());
        let secrets = ["a".to_owned()];
        assert_eq!(faults.take("GetSecretValue", "eu-west-1", &["b".to_owned()]).len(), 0);
        assert_eq!(faults.take("AssumeRole", "eu-west-1", &secrets).len(), 0);
        assert_eq!(faults.take("GetSecretValue", "eu-west-1", &secrets).len(), 1);
        assert_eq!(faults.take("GetSecretValue", "eu-west-1", &secrets).len(), 1);
        assert_eq!(faults.take("GetSecretValue", "eu-west-1", &secrets).len(), 0);
    }

    #[test]
    fn a_bucket_lets_its_burst_pass_and_then_its_rate() {
        let mut throttles = Throttles::default();
        throttles.limit(&["GetSecretValue"], 10.0, 3.0);
        let start = Instant::now();
        let mut passed = |operation, at| {
            let admitted = |_: &i32| throttles.admit(operation, "eu-west-1", "1", at);
            (0..10).filter(admitted).count()
        };
        assert_eq!(passed("GetSecretValue", start), 3);
        assert_eq!(passed("GetSecretValue", start + Duration::from_millis(250)), 2);
        assert_eq!(passed("AssumeRole", start), 10, "other operations are free");
    }

    #[test]
    fn a_family_of_operations_shares_a_quota_and_other_accounts_and_regions_do_not() {
        let mut throttles = Throttles::default();
        throttles.limit(&["GetParameter", "GetParameters"], 10.0, 2.0);
        let start = Instant::now();
        assert!(throttles.admit("GetParameter", "eu-west-1", "1", start));
        assert!(throttles.admit("GetParameters", "eu-west-1", "1", start));
        assert!(!throttles.admit("GetParameter", "eu-west-1", "1", start));
        assert!(throttles.admit("GetParameter", "eu-west-1", "2", start));
        assert!(throttles.admit("GetParameter", "us-east-1", "1", start));
        throttles.limit(&["GetParameter", "GetParameters"], 10.0, 1.0);
        assert!(throttles.admit("GetParameters", "eu-west-1", "1", start), "set anew");
    }
}
