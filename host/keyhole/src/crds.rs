//! `keyhole crds`.

use std::process::ExitCode;

use anyhow::bail;

use crate::args::CrdsArgs;
use crate::text;

/// Prints the CustomResourceDefinitions.
pub fn run(args: CrdsArgs) -> anyhow::Result<ExitCode> {
    let CrdsArgs { kind } = args;
    let Some(kind) = kind else {
        return text::print(&keyhole_api::crds_yaml()?);
    };
    let crds = keyhole_api::crds();
    let Some(crd) = crds.iter().find(|crd| crd.spec.names.kind == kind) else {
        let known: Vec<_> = crds.iter().map(|crd| crd.spec.names.kind.as_str()).collect();
        bail!("there is no kind {kind:?}; known: {}", known.join(", "));
    };
    text::print(&format!("---\n{}", keyhole_api::to_yaml(crd)?))
}
