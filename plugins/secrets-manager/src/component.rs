//! The plugin, as the host sees it.

use aws_sdk_secretsmanager::config::SharedAsyncSleep;
use aws_smithy_wasm::wasi::{WasiHttpClientBuilder, WasiSleep};
use keyhole_sdk::{Backend, Call, Description, Error, Outcome, Problem, Request};
use wstd::runtime::block_on;

use crate::aws::Aws;
use crate::describe;
use crate::fetch;
use crate::settings::{self, Options, Settings};

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
        if let Some(message) = settings::region_problem(&settings.region) {
            return Err(Error::invalid("/settings/region", message));
        }
        let http = WasiHttpClientBuilder::new().build();
        let aws = Aws::new(settings, call.deadline, http, SharedAsyncSleep::new(WasiSleep));
        Ok(block_on(fetch::fetch(&aws, &settings.region, requests)))
    }
}

keyhole_sdk::export!(SecretsManager);
