//! `keyhole compile`: the child that [`keyhole_plugins::compile_child`] starts.

use std::io;
use std::process::ExitCode;

use keyhole_plugins::compile_child::{self, ChildError, REFUSED};

use crate::args::CompileArgs;
use crate::text;

/// Compiles standard input.
pub fn run(args: CompileArgs) -> anyhow::Result<ExitCode> {
    let CompileArgs { out, engine, memory } = args;
    match compile_child::run_child(io::stdin().lock(), &out, &engine, memory) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ChildError::Refused(error)) => {
            // The parent passes this line on as it is.
            text::say(&error.to_string());
            Ok(ExitCode::from(REFUSED))
        }
        Err(error) => Err(error.into()),
    }
}
