//! `keyhole plugin new` and `keyhole plugin build`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use keyhole_kit::project::{self, Language};
use keyhole_kit::template::Project;
use keyhole_kit::{guest, words};
use serde_json::json;

use super::print_json;
use crate::args::{BuildArgs, Language as Chosen, NewArgs};
use crate::text;

/// Writes a project and says what to do with it.
pub fn new(args: NewArgs) -> anyhow::Result<ExitCode> {
    let NewArgs {
        name,
        lang,
        dir,
        sdk_path,
    } = args;
    let language = match lang {
        Chosen::Rust => Language::Rust,
        Chosen::Javascript => Language::JavaScript,
        Chosen::Python => Language::Python,
        Chosen::Go => Language::Go,
    };
    let mut project = Project::new(&name, language)?;
    if let Some(sdk) = sdk_path {
        if language != Language::Rust {
            bail!(
                "--sdk-path is for Rust; a project in {} brings the contract with it",
                language.name()
            );
        }
        let sdk = sdk
            .canonicalize()
            .with_context(|| format!("--sdk-path {}", sdk.display()))?;
        project = project.with_sdk(sdk);
    }
    let folder = dir.unwrap_or_else(|| PathBuf::from(&name));
    let files = project.write(&folder)?;
    let shown = folder.display();
    text::print(&format!(
        "{shown}: {} files, a plugin in {} that serves backendType {name}. README.md says what is where. Next:\n\n  \
         keyhole plugin build {shown}\n  \
         keyhole plugin test {shown}/{name}.wasm --recordings {shown}/tests\n",
        files.len(),
        language.name(),
    ))
}

/// Builds a project and prints the component.
pub fn build(args: BuildArgs) -> anyhow::Result<ExitCode> {
    let BuildArgs { dir, json } = args;
    let path = project::build(&dir)?;
    let file = guest::read(&path)?;
    if json {
        print_json(&json!({
            "path": path.display().to_string(),
            "size": file.component.len(),
            "digest": &*file.id.digest,
        }))?;
    } else {
        let size = words::bytes(file.component.len());
        text::print(&format!("{}\n{size}, {}\n", path.display(), file.id.digest))?;
    }
    Ok(ExitCode::SUCCESS)
}
