//! The plugin, as the host sees it.

use keyhole_aws::{Settings, runtime, settings};
use keyhole_sdk::{Backend, Call, Description, Error, Outcome, Problem, Request};

use crate::aws::Aws;
use crate::describe;
use crate::fetch;
use crate::settings::Options;

struct SecretsManager;

impl Backend for SecretsManager {
    type Settings = Settings;
    type Options = Options;

    fn describe() -> Description {
        describe::describe()
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        settings::validate(settings)
    }

    fn fetch(settings: &Settings, call: &Call, requests: &[Request<Options>]) -> Result<Vec<Outcome>, Error> {
        runtime::run(settings, call.deadline, async |sdk| {
            fetch::fetch(&Aws::new(&sdk), &settings.region, requests).await
        })
    }
}

keyhole_sdk::export!(SecretsManager);
