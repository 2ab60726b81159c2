//! What a page quotes of a refusal is what the host says.

use std::net::IpAddr;
use std::time::Duration;

use keyhole_core::{CallError, EgressError};

const PAGE: &str = include_str!("../../../../../../docs/guide/grant-as-little-as-possible.md");

fn leads_to(address: &str, why: &'static str) -> CallError {
    let address: IpAddr = address.parse().unwrap();
    let host = "store.example.com:443".to_owned();
    EgressError::AddressProhibited { host, address, why }.into()
}

#[test]
fn the_guide_to_grants_quotes_the_host() {
    let host = || "store.example.com:443".to_owned();
    let refusals: [CallError; 12] = [
        EgressError::HostNotGranted { host: host() }.into(),
        EgressError::SchemeNotGranted {
            scheme: "http".to_owned(),
            host: "store.example.com:80".to_owned(),
        }
        .into(),
        leads_to("10.20.0.7", "a private address"),
        leads_to("169.254.169.254", "an instance metadata address"),
        EgressError::ActionNotGranted {
            service: "secretsmanager".to_owned(),
            action: "PutSecretValue".to_owned(),
        }
        .into(),
        EgressError::ForeignSignature { host: host() }.into(),
        EgressError::HeaderOfHost {
            header: "authorization".to_owned(),
            host: host(),
        }
        .into(),
        EgressError::TooManyExchanges(64).into(),
        EgressError::BodyTooLarge {
            direction: "response",
            host: host(),
            limit: 4 << 20,
        }
        .into(),
        CallError::Cpu(Duration::from_secs(2)),
        CallError::Wall(Duration::from_secs(30)),
        CallError::Memory(64 << 20),
    ];
    for refusal in refusals {
        let quoted = format!("| `{refusal}` |");
        assert!(PAGE.contains(&quoted), "{quoted}");
    }
}
