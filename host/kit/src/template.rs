//! The project of a new plugin: an example of this repository under another name.
//!
//! The examples are built and tested here with every change, so what is written works; only their names and
//! the places of SDK and contract are put in anew. Nothing is ever overwritten.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kit_error::KitError;
use crate::project::Language;

mod trees {
    include!(concat!(env!("OUT_DIR"), "/trees.rs"));
}

/// The SDK that a new project depends on: this host's own version.
const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Longest name, as the contract has it.
const NAME: usize = 63;

/// What a project is made of.
#[derive(Clone, Debug)]
pub struct Project {
    name: String,
    language: Language,
    sdk: Option<PathBuf>,
}

/// A name that cannot be a plugin's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name for a plugin; use lower-case letters, digits and inner dashes, and begin with a letter, e.g. my-store"
)]
pub struct InvalidName(String);

impl Project {
    /// A project of this name.
    ///
    /// # Errors
    ///
    /// When no plugin, package or backend type could have it.
    pub fn new(name: &str, language: Language) -> Result<Self, InvalidName> {
        let fits = name.len() <= NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && !name.ends_with('-')
            && !name.contains("--")
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            return Err(InvalidName(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            language,
            sdk: None,
        })
    }

    /// The same with the SDK of this folder in place of the published one. For Rust.
    #[must_use]
    pub fn with_sdk(self, sdk: PathBuf) -> Self {
        Self { sdk: Some(sdk), ..self }
    }

    /// Writes it into `folder`, which must not be there. Returns its files.
    ///
    /// # Errors
    ///
    /// When the folder is there already, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, KitError> {
        if folder.exists() {
            return Err(KitError::format(
                folder,
                "is there already; name another folder with --dir",
            ));
        }
        let mut written = Vec::new();
        for (name, content) in self.files() {
            let path = folder.join(&*name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(KitError::file(parent))?;
            }
            fs::write(&path, content).map_err(KitError::file(&path))?;
            written.push(path);
        }
        Ok(written)
    }

    /// Path and content of each file.
    fn files(&self) -> Vec<(String, Cow<'static, [u8]>)> {
        let mut files = Vec::new();
        for (name, content) in tree(self.language.name()) {
            files.push((self.named(name), self.adapted(name, content)));
        }
        // One store for all examples, so one set of cases.
        for (name, content) in tree("recordings") {
            files.push((format!("tests/{name}"), Cow::Borrowed(*content)));
        }
        if self.language != Language::Rust {
            for (name, content) in tree("wit") {
                files.push((format!("wit/{name}"), Cow::Borrowed(*content)));
            }
        }
        files.push((".gitignore".to_owned(), Cow::Borrowed(self.by_products().as_bytes())));
        files
    }

    fn by_products(&self) -> &'static str {
        match self.language {
            Language::Rust => "/*.wasm\n/target/\n",
            Language::JavaScript | Language::Go => "/*.wasm\n/dist/\n/node_modules/\n",
            Language::Python => "/*.wasm\n/.venv/\n/dist/\n__pycache__/\n",
        }
    }

    /// A text of the example with the project's own names in it.
    fn named(&self, text: &str) -> String {
        let example = format!("example-{}", self.language.name());
        text.replace(&example, &self.name)
            .replace(&camel(&example), &self.name)
            .replace(&snake(&example), &snake(&self.name))
    }

    fn adapted(&self, file: &str, content: &'static [u8]) -> Cow<'static, [u8]> {
        let Ok(text) = std::str::from_utf8(content) else {
            return Cow::Borrowed(content);
        };
        // A project has its cases in the folder that is looked at by default.
        let text = self.named(text).replace(" --recordings ../recordings", "");
        let text = match (self.language, file) {
            (Language::Rust, "Cargo.toml") => self.manifest(&text),
            (Language::Rust, "README.md") => rust_readme(&text).replace("../../target/", "target/"),
            // The contract lies in the project itself.
            (Language::JavaScript | Language::Go, _) => without_hint(&text).replace("../../../wit", "wit"),
            (Language::Python, _) => without_hint(&text)
                .replace("HERE.parents[2] / \"wit\"", "HERE / \"wit\"")
                .replace("../../../wit", "wit"),
            (Language::Rust, _) => text,
        };
        Cow::Owned(text.into_bytes())
    }

    /// The example's manifest on its own feet: no workspace above it, and the SDK from where it is published.
    fn manifest(&self, text: &str) -> String {
        let sdk = match &self.sdk {
            None => format!("keyhole-sdk = \"{SDK_VERSION}\""),
            Some(folder) => format!("keyhole-sdk = {{ path = {:?} }}", folder.display().to_string()),
        };
        let lines = text.replace("[lints]\nworkspace = true\n\n", "");
        let lines: Vec<_> = lines
            .lines()
            .map(|line| {
                if line.starts_with("keyhole-sdk = ") {
                    sdk.as_str()
                } else {
                    line
                }
            })
            .collect();
        format!(
            "{}\n\n# A small component loads fast.\n[profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\n\
             panic = \"abort\"\nstrip = true\n\n# No part of a workspace above.\n[workspace]\n",
            lines.join("\n").trim_end()
        )
    }
}

fn tree(name: &str) -> &'static [trees::File] {
    let found = trees::TREES.iter().find(|(tree, _)| *tree == name);
    found.map_or(&[], |(_, files)| *files)
}

/// What the example's README says of a project of one's own is done already.
fn rust_readme(text: &str) -> String {
    match text.split_once("\nIn a project of your own") {
        Some((kept, _)) => format!("{}\n", kept.trim_end()),
        None => text.to_owned(),
    }
}

fn without_hint(text: &str) -> String {
    let is_hint = |line: &&str| line.contains("In a project of your own");
    let kept: Vec<_> = text.lines().filter(|line| !is_hint(line)).collect();
    format!("{}\n", kept.join("\n"))
}

/// `my-store` as `myStore`.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for (number, part) in name.split('-').enumerate() {
        let mut letters = part.chars();
        match letters.next() {
            Some(first) if number > 0 => camel.push(first.to_ascii_uppercase()),
            Some(first) => camel.push(first),
            None => {}
        }
        camel.push_str(letters.as_str());
    }
    camel
}

/// `my-store` as `my_store`.
fn snake(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests;
