//! `cargo xtask demo`: gets everything ready and hands over to the tour in `tests/demo`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use keyhole_test_assets::{ControlPlaneBinaries, Kubectl, MotoEnvironment, OpenBao, RegistryBinaries};

use crate::cargo::{binaries, cargo, run as run_command};
use crate::examples;
use crate::progress::Progress;
use crate::tools::{self, Needs};

/// Arguments of `demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// End after the tour in place of running until Ctrl-C
    #[arg(long)]
    pub once: bool,
    /// Where values come from: `fake` (our own emulator), `moto`, `real` (your AWS credentials), or the URL of an endpoint
    #[arg(long, default_value = "fake")]
    pub aws: String,
    /// With `--aws real`: the secret to show, by name or ARN; only sizes are printed, and nothing is written
    #[arg(long, required_if_eq("aws", "real"), value_name = "NAME")]
    pub secret: Option<String>,
    /// Region of the secret
    #[arg(long, default_value = "eu-west-1")]
    pub region: String,
    /// Use this context of your kubeconfig in place of a control plane of our own
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Prepares and runs the tour.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    let DemoArgs {
        once,
        aws,
        secret,
        region,
        context,
    } = args;
    let needs = Needs {
        control_plane: context.is_none(),
        moto: aws == "moto",
        ..Needs::default()
    };
    tools::check(needs)?;
    prepare(Progress::start(), needs)?;
    let mut tour = Command::new(binaries()?.join("keyhole-demo"));
    tour.args(["--aws", &aws, "--region", &region]);
    tour.args(once.then_some("--once"));
    for (name, value) in [("--secret", secret), ("--context", context)] {
        tour.args(value.map(|value| format!("{name}={value}")));
    }
    // In place of this process, so that Ctrl-C has one receiver.
    Err(tour.exec().into())
}

/// Builds the workspace and, beside it, what is in the cache folder.
pub fn prepare(progress: Progress, needs: Needs) -> anyhow::Result<()> {
    let control_plane = (needs.control_plane && ControlPlaneBinaries::find()?.is_none()).then(|| {
        progress.background(
            "test control plane (once; some 8 minutes on 2 cores)",
            ControlPlaneBinaries::ensure,
        )
    });
    let registry = (needs.registry && RegistryBinaries::find()?.is_none()).then(|| {
        progress.background(
            "registry and cosign for tests (once; some 6 minutes on 2 cores)",
            RegistryBinaries::ensure,
        )
    });
    let kubectl = (needs.kubectl && Kubectl::find()?.is_none())
        .then(|| progress.background("kubectl for tests (once; 2 minutes on 2 cores)", Kubectl::ensure));
    let moto = (needs.moto && MotoEnvironment::find()?.is_none())
        .then(|| progress.background("Python environment with moto (once)", MotoEnvironment::ensure));
    let openbao =
        (needs.openbao && OpenBao::find()?.is_none()).then(|| progress.background("OpenBao (once)", OpenBao::ensure));
    let examples = (needs.examples && !examples::are_built()?).then(|| {
        progress.background(
            "examples in JavaScript, Python and Go (once for each change)",
            examples::build,
        )
    });
    progress.say("building Keyhole");
    run_command(&mut cargo(["build", "--workspace"]))?;
    progress.say("built");
    examples.map(crate::progress::Background::join).transpose()?;
    moto.map(crate::progress::Background::join).transpose()?;
    openbao.map(crate::progress::Background::join).transpose()?;
    control_plane.map(crate::progress::Background::join).transpose()?;
    registry.map(crate::progress::Background::join).transpose()?;
    kubectl.map(crate::progress::Background::join).transpose()?;
    Ok(())
}
