//! `keyhole precompile`: fills the read-only plugin cache of an image.
//!
//! The code is made for the same target and processor baseline on every machine, so an image that was
//! built anywhere starts without compiling anything.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use keyhole_plugins::{CompileCache, Compiler, PluginFile};
use keyhole_sandbox::{Engine, EngineConfig, Pooling};

use crate::args::PrecompileArgs;
use crate::text;

/// Compiles every component of the host into a folder and prints the files.
pub fn run(args: PrecompileArgs) -> anyhow::Result<ExitCode> {
    let PrecompileArgs { out } = args;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compile_all(&out))
}

async fn compile_all(out: &Path) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(&EngineConfig {
        pooling: Pooling::Never,
        ..EngineConfig::default()
    })?;
    let Compiler::Child { program } = Compiler::this_program()? else {
        anyhow::bail!("this program cannot start itself");
    };
    let mut made = String::new();
    for (name, component) in keyhole_builtin::components() {
        let file = PluginFile::new(name.into(), Cow::Borrowed(component));
        let path = CompileCache::precompile(&engine, &file, &program, out)
            .await
            .with_context(|| format!("cannot compile {name}"))?;
        made.push_str(&format!("{}\n", path.display()));
    }
    text::print(&made)
}
