//! `keyhole plugin test`.

use std::process::ExitCode;

use keyhole_kit::Guest;
use keyhole_kit::suite::{self, Material};

use super::{block_on, cache, exit, print_json, settings};
use crate::args::TestArgs;
use crate::text;

/// Prints one line for each check. Fails when one of them does.
pub fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    let TestArgs {
        file,
        recordings,
        settings,
        json,
        cache: cache_args,
    } = args;
    let material = Material::load(&recordings)?.with_settings(&settings::object(&settings)?);
    let cache = cache(&cache_args)?;
    let report = block_on(async {
        let guest = Guest::open(&file, &cache).await?;
        suite::run(&guest, &material).await
    })??;
    if json {
        print_json(&report)?;
    } else {
        text::print(&report.to_string())?;
    }
    Ok(exit(report.passed))
}
