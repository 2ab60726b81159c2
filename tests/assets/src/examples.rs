//! The examples in other languages than Rust, as components, and the toolchains that make them.
//!
//! A toolchain is installed once for each state of its lock file, a component is built once for each state of its
//! sources and of the contract; both outlive `target/`. A build runs in the cache, on a copy, so that the source tree
//! stays clean and no old `node_modules` decides what comes out. It runs the command that an author would run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use crate::cache::{Lock, key, root};
use crate::python::PythonEnvironment;
use crate::run::run;

/// The root of the project.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const NODE_LOCK: &[u8] = include_bytes!("../../../plugins/examples/javascript/package-lock.json");
/// One package of an exact version.
const PYTHON_LOCK: &str = include_str!("../../../plugins/examples/python/requirements.txt");

/// What is not part of an example's sources.
const BY_PRODUCTS: [&str; 6] = ["dist", "node_modules", ".venv", "__pycache__", "target", "bindings"];

/// An example that cargo does not build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// By componentize-js.
    JavaScript,
    /// By componentize-py.
    Python,
    /// By Go, and jco for the last step.
    Go,
}

impl Example {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::JavaScript, Self::Python, Self::Go];

    fn folder_name(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// The component, if it was built from what the sources say now.
    pub fn find(self) -> anyhow::Result<Option<PathBuf>> {
        let name = format!("example-{}.wasm", self.folder_name());
        let file = self.entry()?.join(name);
        Ok(file.is_file().then_some(file))
    }

    /// The component, built first where it is missing: toolchain half a minute, build 5 to 30 s.
    pub fn ensure(self) -> anyhow::Result<PathBuf> {
        if let Some(found) = self.find()? {
            return Ok(found);
        }
        let entry = self.entry()?;
        let _lock = Lock::of(&entry)?;
        if self.find()?.is_none() {
            self.build(&entry)
                .with_context(|| format!("cannot build plugins/examples/{}", self.folder_name()))?;
        }
        self.find()?.context("the example was built, but is not complete")
    }

    /// `<cache>/examples/NAME-<hash of the sources, the contract and the lock files>`.
    fn entry(self) -> anyhow::Result<PathBuf> {
        let mut files = Vec::new();
        let sources = self.sources();
        collect(&sources, &mut files)?;
        collect(&Path::new(PROJECT).join("wit"), &mut files)?;
        files.sort();
        let mut hash = Sha256::new();
        for file in files {
            let name = file.strip_prefix(PROJECT).unwrap_or(&file);
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update([0]);
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
        hash.update(NODE_LOCK);
        let entry = format!("{}-{}", self.folder_name(), key(hash));
        Ok(root()?.join("examples").join(entry))
    }

    fn sources(self) -> PathBuf {
        Path::new(PROJECT).join("plugins/examples").join(self.folder_name())
    }

    /// Puts this example's toolchain into a project of the same language, where its build looks for it. Installed
    /// first where the cache lacks it.
    pub fn equip(self, project: &Path) -> anyhow::Result<()> {
        match self {
            Self::Python => {
                let environment = PythonEnvironment::ensure(PYTHON_LOCK.trim())?;
                symlink(environment.folder, project.join(".venv"))?;
            }
            Self::JavaScript | Self::Go => symlink(node_modules()?, project.join("node_modules"))?,
        }
        Ok(())
    }

    fn build(self, entry: &Path) -> anyhow::Result<()> {
        let begun = entry.with_added_extension("begun");
        let folder = begun.join("plugins/examples").join(self.folder_name());
        for stale in [&begun, &entry.to_path_buf()] {
            if stale.exists() {
                fs::remove_dir_all(stale)?;
            }
        }
        // The places of an example and of the contract are those of the source tree.
        copy(&self.sources(), &folder)?;
        copy(&Path::new(PROJECT).join("wit"), &begun.join("wit"))?;
        self.equip(&folder)?;
        match self {
            Self::Python => run(Command::new(".venv/bin/python").arg("build.py").current_dir(&folder))?,
            Self::JavaScript | Self::Go => {
                let mut build = Command::new("npm");
                build.args(["run", "build"]).current_dir(&folder);
                run(build.env_remove("GOFLAGS").env("GOWORK", "off"))?;
            }
        }
        fs::rename(folder.join("dist"), entry)?;
        fs::remove_dir_all(&begun)?;
        Ok(())
    }
}

/// componentize-js, and jco beside it. 390 MB.
fn node_modules() -> anyhow::Result<PathBuf> {
    let folder = root()?.join("node").join(key(Sha256::new_with_prefix(NODE_LOCK)));
    let modules = folder.join("node_modules");
    let _lock = Lock::of(&folder)?;
    if !folder.join("complete").is_file() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let sources = Example::JavaScript.sources();
        fs::copy(sources.join("package.json"), folder.join("package.json"))?;
        fs::write(folder.join("package-lock.json"), NODE_LOCK)?;
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run(install.current_dir(&folder)).context("cannot install componentize-js and jco")?;
        fs::write(folder.join("complete"), "")?;
    }
    Ok(modules)
}

/// All files of a folder that are sources. What documents or tests an example does not make it.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !BY_PRODUCTS.iter().chain(&["tests"]).any(|other| name == *other) {
                collect(&entry.path(), found)?;
            }
        } else if name != "README.md" {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    collect(from, &mut files)?;
    for file in files {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        fs::copy(&file, &target).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version of a package in a lock file of npm.
    fn locked<'a>(lock: &'a str, package: &str) -> &'a str {
        let entry = lock.split_once(&format!("\"node_modules/{package}\": {{")).unwrap().1;
        let version = entry.split_once("\"version\": \"").unwrap().1;
        version.split_once('"').unwrap().0
    }

    #[test]
    fn one_installation_serves_both_examples_that_need_node() {
        let go = fs::read_to_string(Example::Go.sources().join("package-lock.json")).unwrap();
        let javascript = str::from_utf8(NODE_LOCK).unwrap();
        let jco = "@bytecodealliance/jco";
        assert_eq!(locked(&go, jco), locked(javascript, jco));
    }

    #[test]
    fn a_change_of_any_source_is_another_entry_and_a_change_of_a_by_product_is_not() {
        let mut files = Vec::new();
        collect(&Example::Go.sources(), &mut files).unwrap();
        let has = |suffix: &str| files.iter().any(|file| file.ends_with(suffix));
        for source in [
            "go.mod",
            "go.sum",
            "main.go",
            "build.mjs",
            "package-lock.json",
            "jsonhttp/jsonhttp.go",
        ] {
            assert!(has(source), "{source} is missing in {files:?}");
        }
        assert!(!has("README.md"));
        assert!(files.iter().all(|file| {
            !BY_PRODUCTS
                .iter()
                .any(|other| file.components().any(|part| part.as_os_str() == *other))
        }));
    }
}
