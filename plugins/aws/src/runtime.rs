//! HTTP, timers and the executor inside the sandbox.

use std::time::Duration;

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_wasm::wasi::{WasiHttpClientBuilder, WasiSleep};
use keyhole_sdk::Error;
use wstd::runtime::block_on;

use crate::{Sdk, Settings};

/// Runs `fetch` to its end with an SDK that must be done within `time`; zero is no limit.
///
/// # Errors
///
/// When the settings name no region.
pub fn run<T>(settings: &Settings, time: Duration, fetch: impl AsyncFnOnce(Sdk) -> T) -> Result<T, Error> {
    let http = WasiHttpClientBuilder::new().build();
    let sdk = Sdk::new(settings, time, http, SharedAsyncSleep::new(WasiSleep))?;
    Ok(block_on(fetch(sdk)))
}
