//! The command line. Doc comments are the help text and, through `keyhole docs flags`, the reference.
//!
//! Variables keep KES's names where KES has one; ours begin with `KEYHOLE_`. An empty variable counts
//! as unset, as in KES's chart, except where KES asks only whether a variable is there.

mod author;
mod aws;
mod log;
mod operator;
mod permission;
mod plugins;
mod presence;
mod render;
mod run;
mod values;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use author::{
    AuthorArgs, AuthorCommand, BuildArgs, FetchArgs, InspectArgs, Language, NewArgs, PushArgs, RegistryArgs, TestArgs,
    VerifyArgs,
};
pub use aws::AwsArgs;
pub use log::{LogArgs, LogFormat, LogLevel};
pub use operator::{Namespaces, OperatorArgs};
pub use permission::PermissionArgs;
pub use plugins::{CacheArgs, PluginArgs};
pub use presence::Presence;
pub use render::RenderArgs;
pub use run::RunArgs;
pub use values::ValueArgs;

/// Turns ExternalSecret objects into Secrets. Every secret store is a sandboxed plugin.
#[derive(Debug, Parser)]
#[command(name = "keyhole", version, propagate_version = false, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator against a cluster
    Run(Box<RunArgs>),
    /// Fetch ExternalSecrets of a file and print their Secrets, without a cluster (and so without what
    /// annotations of namespaces permit)
    Render(Box<RenderArgs>),
    /// Print ExternalSecrets of the oldest shape (`secretDescriptor`, `properties`) in today's form
    Convert(ConvertArgs),
    /// Write, build, inspect, try and test a plugin
    Plugin(AuthorArgs),
    /// Print the CustomResourceDefinitions
    Crds(CrdsArgs),
    /// Print everything that an installation needs
    Manifests(ManifestsArgs),
    /// Print the version
    Version(VersionArgs),
    /// Compile the built-in plugins into a folder, for an image's read-only cache
    Precompile(PrecompileArgs),
    /// Compile a component from standard input; the host starts itself with this
    #[command(hide = true)]
    Compile(CompileArgs),
    /// Print a page of the reference
    #[command(hide = true)]
    Docs(DocsArgs),
}

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// YAML or JSON, several documents and lists too; other objects are passed through. `-` reads standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `crds`.
#[derive(Debug, clap::Args)]
pub struct CrdsArgs {
    /// Only that of this kind, e.g. BackendPlugin
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// Arguments of `manifests`.
#[derive(Debug, clap::Args)]
pub struct ManifestsArgs {
    /// Without the right to list and watch Secrets: RBAC cannot tell their metadata from their content
    #[arg(long)]
    pub no_list: bool,
    /// Let objects act as service accounts of their namespaces (spec.serviceAccountName), where the grant of a
    /// plugin allows it too: the right to create serviceaccounts/token and to get serviceaccounts where the operator
    /// serves. Whoever holds it can do in the cluster what any of these accounts can, so the operator becomes as
    /// powerful as the most powerful of them
    #[arg(long)]
    pub service_account_tokens: bool,
    /// For an operator that serves these namespaces only, separated by commas, with rights in no other. They must exist
    #[arg(long, value_name = "NAMES", default_value = "", hide_default_value = true)]
    pub watched_namespaces: Namespaces,
}

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {}

/// Arguments of `precompile`.
#[derive(Debug, clap::Args)]
pub struct PrecompileArgs {
    /// Folder to fill; made when it is absent
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `compile`.
#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// File to write the machine code to; must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Compatibility hash of the engine that will load it
    #[arg(long, value_name = "HASH")]
    pub engine: String,
    /// Bytes of memory that may be used
    #[arg(long, value_name = "BYTES")]
    pub memory: u64,
}

/// Arguments of `docs`.
#[derive(Debug, clap::Args)]
pub struct DocsArgs {
    /// Which page
    pub page: Page,
}

/// A generated page of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// Fields of a BackendPlugin
    Backendplugin,
    /// Fields of an ExternalSecret
    Externalsecret,
    /// Commands, flags and variables
    Flags,
    /// What can be scraped
    Metrics,
    /// Reasons of the `Ready` condition
    Reasons,
}

/// The arguments of this process; `None` after a mistake, which was told on standard error. Ends the
/// process where clap does: after `--help` and `--version`.
pub fn parse() -> Option<Args> {
    let matches = command_for(|name| std::env::var_os(name)).get_matches();
    Args::from_arg_matches(&matches).map_err(|error| error.exit()).ok()
}

/// The command line as this environment sees it: empty variables are not seen.
fn command_for(env: impl Fn(&OsStr) -> Option<std::ffi::OsString> + Copy) -> clap::Command {
    seen_from(Args::command(), env)
}

fn seen_from(command: clap::Command, env: impl Fn(&OsStr) -> Option<std::ffi::OsString> + Copy) -> clap::Command {
    let command = command.mut_args(|arg| {
        let empty = arg.get_env().and_then(env).is_some_and(|value| value.is_empty());
        // Help ends up in tickets; the environment of whoever asked for it must not.
        let arg = arg.hide_env_values(true);
        if empty && !Presence::is_kind_of(&arg) {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    });
    command.mut_subcommands(|command| seen_from(command, env))
}

impl Args {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(args) => crate::run::run(*args),
            Command::Render(args) => crate::render::run(*args),
            Command::Manifests(args) => crate::manifests::run(args),
            Command::Convert(args) => crate::convert::run(args),
            Command::Plugin(args) => crate::plugin::run(args.command),
            Command::Crds(args) => crate::crds::run(args),
            Command::Version(VersionArgs {}) => crate::text::print(&format!("{}\n", crate::text::VERSION)),
            Command::Precompile(args) => crate::precompile::run(args),
            Command::Compile(args) => crate::compile::run(args),
            Command::Docs(args) => crate::text::print(&crate::docs::page(args.page)),
        }
    }
}

#[cfg(test)]
mod tests;
