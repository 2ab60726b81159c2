//! Arguments of `plugin`: the author's kit.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{AwsArgs, CacheArgs, LogLevel};

/// Arguments of `plugin`.
#[derive(Debug, clap::Args)]
pub struct AuthorArgs {
    #[command(subcommand)]
    pub command: AuthorCommand,
}

/// What to do with a plugin.
#[derive(Debug, Subcommand)]
pub enum AuthorCommand {
    /// Write the project of a new plugin: it builds, and passes `test`, as it is
    New(NewArgs),
    /// Build a project and print the component's path, size and digest
    Build(BuildArgs),
    /// Tell what a plugin is and wants; nothing of it runs but `describe`, without a network
    Inspect(InspectArgs),
    /// Fetch from a real store, or a recorded one, under exactly the grants of a BackendPlugin
    Run(Box<FetchArgs>),
    /// Try what every plugin owes its host, in the real sandbox, answered from recordings
    Test(TestArgs),
    /// Publish a component in a registry; print its reference with digest, and a BackendPlugin with what it wants for review
    Push(PushArgs),
    /// Verify a published component as an operator would, and print what it resolves to
    Verify(VerifyArgs),
}

/// Arguments of `plugin new`.
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Name of the plugin and of its backend type: lower-case letters, digits and dashes
    pub name: String,
    /// Language
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    pub lang: Language,
    /// Folder to write; must not exist [default: one of the plugin's name]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Rust: take the SDK from this folder in place of the published one
    #[arg(long, value_name = "DIR")]
    pub sdk_path: Option<PathBuf>,
}

/// A language with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With cargo and keyhole-sdk
    Rust,
    /// With npm and componentize-js
    Javascript,
    /// With componentize-py
    Python,
    /// With the standard toolchain
    Go,
}

/// Arguments of `plugin build`.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// Folder of the project
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `plugin inspect`.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// Arguments of `plugin run`.
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// YAML of the BackendPlugin: its grants, settings and limits hold, its source does not count
    #[arg(short = 'f', long, value_name = "FILE")]
    pub backend_plugin: PathBuf,
    /// A key to fetch; may be given several times
    #[arg(long = "key", value_name = "KEY", required_unless_present = "path")]
    pub keys: Vec<String>,
    /// A path to fetch everything under
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Descend below the path
    #[arg(long, requires = "path")]
    pub recursive: bool,
    /// An option of every request, as NAME=JSON or NAME=TEXT; may be given several times
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
    /// Settings as spec.config of an ExternalSecret would give them, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", hide_default_value = true)]
    pub settings: String,
    /// Namespace that the request comes from
    #[arg(short = 'n', long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// An entry of a Secret that the grant names, as NAME/KEY=FILE or NAME/KEY=env:VARIABLE; may be given several times
    #[arg(long = "secret", value_name = "NAME/KEY=FILE")]
    pub secrets: Vec<String>,
    /// A service-account token that the grant names, as AUDIENCE=FILE or AUDIENCE=env:VARIABLE; may be given several times
    #[arg(long = "token", value_name = "AUDIENCE=FILE")]
    pub tokens: Vec<String>,
    /// Print values, and not only their sizes
    #[arg(long)]
    pub show_values: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write what was asked and answered into this folder as a case for `test`, with every secret replaced
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Answer from a folder that `--record` wrote, and reach nothing
    #[arg(long, value_name = "DIR")]
    pub replay: Option<PathBuf>,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Least level that is written to standard error; the plugin's own lines come at theirs
    #[arg(
        long,
        env = "LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "warn",
        help_heading = "Logs"
    )]
    pub log_level: LogLevel,
}

/// Arguments of `plugin push`.
#[derive(Debug, clap::Args)]
pub struct PushArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to: REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// File for the BackendPlugin [default: standard error]
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// An annotation of the artifact in the registry, as NAME=TEXT; may be given several times
    #[arg(long = "annotation", value_name = "NAME=TEXT")]
    pub annotations: Vec<String>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// Arguments of `plugin verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// What to verify: REGISTRY/REPOSITORY@DIGEST, or with a tag
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// Public key in PEM, as `cosign generate-key-pair` writes it; may be given several times, one of them must have
    /// signed
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub keys: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// How a registry is spoken to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Folder with the config.json of `docker login` [default: .docker in the user's home]
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIR")]
    pub docker_config: Option<PathBuf>,
    /// Certificate authorities of the registry in PEM, trusted beside the system's
    #[arg(long, value_name = "FILE")]
    pub registry_ca: Option<PathBuf>,
    /// Speak plain HTTP
    #[arg(long)]
    pub plain_http: bool,
}

/// Arguments of `plugin test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder of cases: in each a case.yaml and its exchanges, as `run --record` writes them; beside them
    /// bad-settings.yaml
    #[arg(long, value_name = "DIR", default_value = "tests")]
    pub recordings: PathBuf,
    /// Settings that replace those of the cases, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", hide_default_value = true)]
    pub settings: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
}
