//! `keyhole plugin`: the author's kit on the command line. The work is in `keyhole-kit`; here are arguments,
//! the program's own cache and environment, and what is printed.

mod fetch;
mod given;
mod inspect;
mod project;
mod registry;
mod settings;
mod test;

use std::process::ExitCode;

use keyhole_plugins::CompileCache;
use serde::Serialize;

use crate::args::{AuthorCommand, CacheArgs};
use crate::text;

/// Does what was asked.
pub fn run(command: AuthorCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuthorCommand::New(args) => project::new(args),
        AuthorCommand::Build(args) => project::build(args),
        AuthorCommand::Inspect(args) => inspect::run(args),
        AuthorCommand::Run(args) => fetch::run(*args),
        AuthorCommand::Test(args) => test::run(args),
        AuthorCommand::Push(args) => registry::push(args),
        AuthorCommand::Verify(args) => registry::verify(args),
    }
}

/// The same cache as the operator's on this machine, so that a plugin is compiled once.
fn cache(args: &CacheArgs) -> anyhow::Result<CompileCache> {
    args.compile_cache(|name| std::env::var(name).ok())
}

/// Runs on one thread: what a plugin says while it is tested is caught by thread.
fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    text::print(&format!("{}\n", serde_json::to_string_pretty(value)?))?;
    Ok(())
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
