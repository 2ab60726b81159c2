//! The plugin, as the host sees it.

use keyhole_sdk::{Backend, Call, Description, Error, Outcome, Problem, Request};

use crate::fetch;
use crate::options::Options;
use crate::settings::{self, Settings};

pub struct Vault;

impl Backend for Vault {
    type Settings = Settings;
    type Options = Options;

    fn describe() -> Description {
        Description::new("vault", env!("CARGO_PKG_VERSION"))
            .backend_type("vault", &[])
            .service_account_token("vault")
            .max_batch(fetch::MAX_BATCH)
            .metadata("title", "HashiCorp Vault and OpenBao")
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        settings::validate(settings)
    }

    fn fetch(settings: &Settings, _: &Call, requests: &[Request<Options>]) -> Result<Vec<Outcome>, Error> {
        // The settings of an object can differ from those that were validated with the plugin.
        if let Some(problem) = settings::validate(settings).into_iter().next() {
            return Err(Error::invalid(format!("/settings{}", problem.path), problem.message));
        }
        fetch::fetch(settings, requests, std::thread::sleep)
    }
}

keyhole_sdk::export!(Vault);
