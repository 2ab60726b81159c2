//! What is fetched from which store under which quota.

use keyhole_test_aws::{Deny, FakeAws};
use serde_json::{Value as Json, json};

use super::REGION;

const ROLE: &str = "arn:aws:iam::123456789012:role/bench";

/// One scenario.
pub struct Scenario {
    pub name: &'static str,
    pub objects: usize,
    kind: Kind,
    /// The operations that count against the quota.
    pub operations: &'static [&'static str],
    /// Requests per second, and as many at once.
    pub per_second: f64,
}

enum Kind {
    /// Five keys of each object over two of so many secrets.
    Secrets { count: usize, batches: bool },
    /// One of so many parameters each.
    Parameters { count: usize },
    /// One of so many paths each, of 25 parameters.
    Paths { count: usize },
}

const SECRETS_MANAGER: &[&str] = &["GetSecretValue", "BatchGetSecretValue"];

const PARAMETER_STORE: &[&str] = &["GetParameter", "GetParameters", "GetParametersByPath"];
/// Three pages.
const UNDER_A_PATH: usize = 25;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "Secrets Manager, batches permitted, 2500 objects over 500 secrets",
        objects: 2500,
        kind: Kind::Secrets {
            count: 500,
            batches: true,
        },
        operations: SECRETS_MANAGER,
        per_second: 200.0,
    },
    Scenario {
        name: "Secrets Manager, batches denied, 2500 objects over 500 secrets",
        objects: 2500,
        kind: Kind::Secrets {
            count: 500,
            batches: false,
        },
        operations: SECRETS_MANAGER,
        per_second: 200.0,
    },
    Scenario {
        name: "Secrets Manager, batches denied, 2500 objects over 500 secrets, a low quota",
        objects: 2500,
        kind: Kind::Secrets {
            count: 500,
            batches: false,
        },
        operations: SECRETS_MANAGER,
        per_second: 40.0,
    },
    Scenario {
        name: "Parameter Store, 1000 objects over 1000 parameters",
        objects: 1000,
        kind: Kind::Parameters { count: 1000 },
        operations: PARAMETER_STORE,
        per_second: 40.0,
    },
    Scenario {
        name: "Parameter Store, 1000 objects on one path of 25 parameters",
        objects: 1000,
        kind: Kind::Paths { count: 1 },
        operations: PARAMETER_STORE,
        per_second: 40.0,
    },
    Scenario {
        name: "Parameter Store, 1000 objects over 100 paths of 25 parameters",
        objects: 1000,
        kind: Kind::Paths { count: 100 },
        operations: PARAMETER_STORE,
        per_second: 40.0,
    },
];

impl Scenario {
    /// Puts everything into the store that the objects ask for.
    pub fn seed(&self, aws: &FakeAws) {
        match self.kind {
            Kind::Secrets { count, batches } => {
                for number in 0..count {
                    let value = json!({ "a": format!("a-{number}"), "b": "b", "c": number, "d": true, "e": "e" });
                    aws.set_secret(REGION, &format!("bench/{number}"), value.to_string());
                }
                if !batches {
                    aws.deny(Deny::action("secretsmanager:BatchGetSecretValue"));
                }
            }
            Kind::Parameters { count } => {
                for number in 0..count {
                    aws.set_parameter(REGION, &format!("/bench/{number}"), format!("value {number}"));
                }
            }
            Kind::Paths { count } => {
                for number in 0..count * UNDER_A_PATH {
                    let path = number / UNDER_A_PATH;
                    aws.set_parameter(REGION, &format!("/bench/{path}/p{number}"), "value");
                }
            }
        }
    }

    /// The spec of an object.
    pub fn spec(&self, number: usize) -> Json {
        match self.kind {
            Kind::Secrets { count, .. } => {
                let secret = |which: usize| format!("bench/{}", (2 * number + which) % count);
                let item = |which: usize, property: &str| json!({ "key": secret(which), "property": property, "name": property });
                json!({
                    "backendType": "secretsManager",
                    "roleArn": ROLE,
                    "data": [item(0, "a"), item(0, "b"), item(0, "c"), item(1, "d"), item(1, "e")],
                })
            }
            Kind::Parameters { count } => json!({
                "backendType": "systemManager",
                "roleArn": ROLE,
                "data": [{ "key": format!("/bench/{}", number % count), "name": "value" }],
            }),
            Kind::Paths { count } => json!({
                "backendType": "systemManager",
                "roleArn": ROLE,
                "data": [{ "path": format!("/bench/{}", number % count), "recursive": false }],
            }),
        }
    }
}
