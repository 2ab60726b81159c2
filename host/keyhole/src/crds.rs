//! `keyhole crds`.

use std::process::ExitCode;

use crate::args::CrdsArgs;
use crate::text;

/// Prints the CustomResourceDefinitions.
pub fn run(args: CrdsArgs) -> anyhow::Result<ExitCode> {
    let CrdsArgs {} = args;
    text::print(&keyhole_api::crds_yaml()?)
}
