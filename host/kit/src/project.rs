//! A plugin's project in one of four languages, and the one command that makes a component of it.
//!
//! The steps are those that each example's README gives, so a project needs no Keyhole to be built; this only
//! saves remembering them, and says which tool is missing and where to get it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::kit_error::KitError;

/// A language that a plugin can be written in here. Any other that compiles to a component will do as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// cargo, with keyhole-sdk.
    Rust,
    /// npm, with componentize-js.
    JavaScript,
    /// componentize-py.
    Python,
    /// Go's own toolchain, and jco for the last step.
    Go,
}

/// Why a project was not built.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Nothing in the folder says what it is.
    #[error(
        "{} holds no project: no Cargo.toml, package.json, go.mod or build.py; `keyhole plugin new NAME` makes one",
        .0.display()
    )]
    None(PathBuf),
    /// A program that the build needs is not there.
    #[error("{program} is not installed; {remedy}")]
    Missing {
        /// Which.
        program: String,
        /// Where to get it.
        remedy: &'static str,
    },
    /// A step failed; what it said went to standard error.
    #[error("{step} failed ({status}) in {}", folder.display())]
    Step {
        /// The command.
        step: String,
        /// How it ended.
        status: String,
        /// Where.
        folder: PathBuf,
    },
    /// cargo did not build it.
    #[error("{0:#}")]
    Cargo(anyhow::Error),
    /// It was built, and left nothing that could be found.
    #[error("the build left {found} components in {}; one is needed", folder.display())]
    Outcome {
        /// How many.
        found: usize,
        /// Where.
        folder: PathBuf,
    },
    /// A file.
    #[error(transparent)]
    Kit(#[from] KitError),
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::Go];

    /// The folder of its example, and its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// The language of a project, by the files that are there.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn of(folder: &Path) -> Result<Self, ProjectError> {
        let marks = [
            ("Cargo.toml", Self::Rust),
            // A project in Go has a package.json as well, for the last step.
            ("go.mod", Self::Go),
            ("build.py", Self::Python),
            ("package.json", Self::JavaScript),
        ];
        let found = marks.into_iter().find(|(file, _)| folder.join(file).is_file());
        found
            .map(|(_, language)| language)
            .ok_or_else(|| ProjectError::None(folder.to_owned()))
    }
}

/// Builds the project in `folder` and puts the component there, as `NAME.wasm`, whatever the language. Returns its
/// path.
///
/// # Errors
///
/// When a tool is missing, or a step fails.
pub fn build(folder: &Path) -> Result<PathBuf, ProjectError> {
    let (name, built) = made(folder)?;
    let path = folder.join(name).with_extension("wasm");
    // By renaming: a host that has the file open goes on with what it has.
    let begun = path.with_extension("wasm.new");
    std::fs::copy(&built, &begun).map_err(KitError::file(&begun))?;
    std::fs::rename(&begun, &path).map_err(KitError::file(&path))?;
    Ok(path)
}

/// Name of the project and the component, where its own tools leave it.
fn made(folder: &Path) -> Result<(String, PathBuf), ProjectError> {
    match Language::of(folder)? {
        Language::Rust => rust(folder),
        Language::Python => {
            let python = folder.join(".venv/bin/python");
            if !python.is_file() {
                step(folder, "python3", &["-m", "venv", ".venv"], PYTHON)?;
                let install = [
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "-r",
                    "requirements.txt",
                ];
                step(folder, ".venv/bin/python", &install, PYTHON)?;
            }
            step(folder, ".venv/bin/python", &["build.py"], PYTHON)?;
            in_dist(folder)
        }
        language @ (Language::JavaScript | Language::Go) => {
            if language == Language::Go {
                present("go", &["version"], GO)?;
            }
            if !folder.join("node_modules").is_dir() {
                step(folder, "npm", &["ci", "--no-audit", "--no-fund"], NODE)?;
            }
            step(folder, "npm", &["run", "build"], NODE)?;
            in_dist(folder)
        }
    }
}

const NODE: &str = "it comes with Node 20 or later: https://nodejs.org";
const GO: &str = "get Go 1.25 or later: https://go.dev/dl";
const PYTHON: &str = "get Python 3.10 or later with its module venv (Debian and Ubuntu: python3-venv)";
const CARGO: &str = "get Rust: https://rustup.rs";

fn rust(folder: &Path) -> Result<(String, PathBuf), ProjectError> {
    present("cargo", &["--version"], CARGO)?;
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(KitError::file(folder))?;
    let failed = || ProjectError::Step {
        step: "cargo metadata".to_owned(),
        status: output.status.to_string(),
        folder: folder.to_owned(),
    };
    let metadata: Json = serde_json::from_slice(&output.stdout).map_err(|_| failed())?;
    let manifest = folder
        .join("Cargo.toml")
        .canonicalize()
        .map_err(KitError::file(folder))?;
    let is_this = |package: &&Json| {
        package
            .get("manifest_path")
            .and_then(Json::as_str)
            .is_some_and(|path| Path::new(path) == manifest)
    };
    let package = metadata
        .get("packages")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .find(is_this);
    let name = package
        .and_then(|package| package.get("name").and_then(Json::as_str))
        .ok_or_else(failed)?;
    let target = metadata
        .get("target_directory")
        .and_then(Json::as_str)
        .ok_or_else(failed)?;
    let built = keyhole_guests::build(folder, name, Path::new(target)).map_err(ProjectError::Cargo)?;
    Ok((name.to_owned(), built))
}

/// The component that a build put into `dist`.
fn in_dist(folder: &Path) -> Result<(String, PathBuf), ProjectError> {
    let dist = folder.join("dist");
    let entries = std::fs::read_dir(&dist).map_err(KitError::file(&dist))?;
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_component)
        .collect();
    match found.as_slice() {
        [one] => Ok((
            one.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            one.clone(),
        )),
        other => Err(ProjectError::Outcome {
            found: other.len(),
            folder: dist,
        }),
    }
}

/// Fails with the remedy unless the program is there.
fn present(program: &str, arguments: &[&str], remedy: &'static str) -> Result<(), ProjectError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .status()
        .map(drop)
        .map_err(|error| not_started(program, error, remedy))
}

/// One step. Whatever it says goes to standard error: standard output is for the result.
fn step(folder: &Path, program: &str, arguments: &[&str], remedy: &'static str) -> Result<(), ProjectError> {
    // A program in the folder is named from there, whatever the folder of this process.
    let path = if program.contains('/') {
        folder.join(program)
    } else {
        program.into()
    };
    let status = Command::new(path)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()))
        .status()
        .map_err(|error| not_started(program, error, remedy))?;
    if status.success() {
        return Ok(());
    }
    Err(ProjectError::Step {
        step: format!("{program} {}", arguments.join(" ")),
        status: status.to_string(),
        folder: folder.to_owned(),
    })
}

fn not_started(program: &str, error: io::Error, remedy: &'static str) -> ProjectError {
    match error.kind() {
        io::ErrorKind::NotFound => ProjectError::Missing {
            program: program.to_owned(),
            remedy,
        },
        _ => KitError::file(program)(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_told_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = Language::of(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("no Cargo.toml") && error.contains("keyhole plugin new"),
            "{error}"
        );
        let with = |file: &str| {
            std::fs::write(folder.path().join(file), "").unwrap();
            Language::of(folder.path()).unwrap()
        };
        assert_eq!(with("package.json"), Language::JavaScript);
        assert_eq!(with("go.mod"), Language::Go);
        assert_eq!(with("Cargo.toml"), Language::Rust);
    }

    #[test]
    fn a_missing_tool_is_named_with_where_to_get_it() {
        let error = present("no-such-program-here", &[], NODE).unwrap_err().to_string();
        assert_eq!(
            error,
            "no-such-program-here is not installed; it comes with Node 20 or later: https://nodejs.org"
        );
    }

    #[test]
    fn a_step_that_fails_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = step(folder.path(), "false", &["a", "b"], CARGO)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("false a b failed (exit status: 1) in "), "{error}");
    }
}
