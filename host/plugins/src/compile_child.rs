//! Compiling in a child process.
//!
//! A compiler needs hundreds of megabytes for a large component, and Kubernetes kills the whole
//! container when its memory runs out. So the component is compiled by a child that may take less than
//! what the container has left: when that is not enough the child dies, the host says so, and every
//! other plugin goes on serving. It may write one file of a bounded size, since the folder shares its volume. The
//! child also has no environment, so whatever a hostile component made of the compiler, there are no credentials
//! beside it.
//!
//! The protocol is small: the component on standard input, the machine code in the file named by
//! `--out`, exit code [`REFUSED`] and one line on standard error when the component is at fault.

use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use keyhole_sandbox::{Engine, EngineConfig, LoadError, Pooling};
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::source::MAX_COMPONENT;

mod memory;

/// Exit code of a child that found the component at fault.
pub const REFUSED: u8 = 3;
/// Wall clock of one compilation. The largest guests known take 10 s.
const DEADLINE: Duration = Duration::from_secs(180);
/// Bytes of machine code that a child may write. The largest guests known make 50 MiB.
pub const MOST_CODE: u64 = 96 << 20;
/// What is read of the child's standard error.
const MAX_MESSAGE: u64 = 4 << 10;

/// How components become machine code.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In a child process.
    Child {
        /// A program that takes `compile --out FILE --engine HASH --memory BYTES`: this one.
        program: PathBuf,
    },
    /// Here. For hosts without a cache folder, where a child could not hand over its result.
    InProcess,
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is at fault.
    #[error("{0}")]
    Refused(String),
    /// The child could not be started or spoken to.
    #[error("the compiler process could not be run: {0}")]
    Child(#[from] io::Error),
    /// The child ended without a result.
    #[error(
        "the compiler process ended without a result ({status}); it may take {} MiB of memory here: \
         raise the container's memory limit, or compile in advance with `keyhole precompile`", .memory >> 20
    )]
    Died {
        /// Exit status.
        status: String,
        /// What it was allowed, in bytes.
        memory: u64,
    },
    /// The child took too long.
    #[error("compiling took longer than {} s", DEADLINE.as_secs())]
    TimedOut,
}

impl Compiler {
    /// A child of the running program, even when its file was replaced since.
    ///
    /// # Errors
    ///
    /// When the running program cannot be found.
    pub fn this_program() -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self::Child { program })
    }
}

/// Runs the child; when this returns, `out` holds machine code for an engine of this hash.
pub(crate) async fn compile(program: &Path, component: &[u8], engine: &str, out: &Path) -> Result<(), CompileError> {
    let memory = memory::for_child();
    let mut child = Command::new(program)
        .arg("compile")
        .arg("--out")
        .arg(out)
        .args(["--engine", engine, "--memory", &memory.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
        return Err(CompileError::Child(io::Error::other("no pipes")));
    };
    let feed = async move {
        // A child that refuses early closes its input; its exit code tells why.
        let _ = stdin.write_all(component).await;
        drop(stdin);
    };
    let hear = async {
        let mut said = Vec::new();
        let mut stderr = stderr.take(MAX_MESSAGE);
        let _ = stderr.read_to_end(&mut said).await;
        // Whatever comes after that is thrown away, so that the child does not wait for a reader.
        let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
        said
    };
    let run = async { tokio::join!(feed, hear, child.wait()) };
    let Ok(((), said, status)) = tokio::time::timeout(DEADLINE, run).await else {
        return Err(CompileError::TimedOut);
    };
    let status = status?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(REFUSED) => {
            let said = String::from_utf8_lossy(&said);
            Err(CompileError::Refused(
                said.lines().next().unwrap_or_default().to_owned(),
            ))
        }
        _ => {
            tracing::debug!(said = %String::from_utf8_lossy(&said), "the compiler process died");
            Err(CompileError::Died {
                status: status.to_string(),
                memory,
            })
        }
    }
}

/// Why the child itself gave up.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The component is at fault: [`REFUSED`].
    #[error("{0}")]
    Refused(#[from] LoadError),
    /// Anything else.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The parent expects another compiler.
    #[error("this program's engine is {0}, another one is expected")]
    OtherEngine(String),
}

/// The child's side: limits itself to `memory` bytes, reads a component, writes machine code to `out`,
/// which must not exist yet.
///
/// # Errors
///
/// When the component is refused, or something cannot be read, written or limited.
pub fn run_child(mut input: impl Read, out: &Path, engine: &str, memory: u64) -> Result<(), ChildError> {
    let only = |limit| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    // Writable private memory. RLIMIT_AS would also count reservations that never become memory.
    setrlimit(Resource::Data, only(memory)).map_err(io::Error::from)?;
    setrlimit(Resource::Fsize, only(MOST_CODE)).map_err(io::Error::from)?;
    setrlimit(Resource::Core, only(0)).map_err(io::Error::from)?;
    setrlimit(Resource::Cpu, only(2 * DEADLINE.as_secs())).map_err(io::Error::from)?;
    // Serving comes first. Not being allowed to step back is no reason to fail.
    let _ = nice(10);

    let mut component = Vec::new();
    input.by_ref().take(MAX_COMPONENT + 1).read_to_end(&mut component)?;
    let compiler = Engine::new(&EngineConfig {
        pooling: Pooling::Never,
        ..EngineConfig::default()
    })?;
    if compiler.compatibility_hash() != engine {
        return Err(ChildError::OtherEngine(compiler.compatibility_hash()));
    }
    let code = compiler.precompile(&component)?;
    check_size(code.len() as u64)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)?
        .write_all(&code)?;
    Ok(())
}

/// The limit of the kernel would say the same by ending the child.
fn check_size(code: u64) -> Result<(), LoadError> {
    if code <= MOST_CODE {
        return Ok(());
    }
    Err(LoadError::Compile(format!(
        "it becomes {} MiB of machine code, and {} MiB are the most",
        code.div_ceil(1 << 20),
        MOST_CODE >> 20
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_code_that_fills_the_folder_is_the_components_fault_and_says_so() {
        assert!(check_size(MOST_CODE).is_ok());
        assert_eq!(
            check_size(MOST_CODE + 1).unwrap_err().to_string(),
            "not a WebAssembly component that this host runs: it becomes 97 MiB of machine code, and 96 MiB are the most"
        );
    }
}
