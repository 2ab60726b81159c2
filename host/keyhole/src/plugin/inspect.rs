//! `keyhole plugin inspect`.

use std::process::ExitCode;

use keyhole_kit::{Guest, Inspection};

use super::{block_on, cache, exit, print_json};
use crate::args::InspectArgs;
use crate::text;

/// Prints what a plugin is. Fails when no host could load it.
pub fn run(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let InspectArgs {
        file,
        json,
        cache: cache_args,
    } = args;
    let cache = cache(&cache_args)?;
    let found = block_on(async {
        let guest = Guest::open(&file, &cache).await?;
        anyhow::Ok(Inspection::of(&guest).await)
    })??;
    if json {
        print_json(&found)?;
    } else {
        text::print(&found.to_string())?;
    }
    Ok(exit(found.problem.is_none()))
}
