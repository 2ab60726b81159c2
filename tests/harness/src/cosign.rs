//! cosign, the real one: what it writes is what has to be verified.
//!
//! Without the transparency log and without a signing configuration, so that nothing leaves the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use keyhole_test_assets::{RegistryBinaries, Scratch};
use tokio::process::Command;

use crate::registry::Registry;

/// One command takes less than a second on an idle machine.
const WITHIN: Duration = Duration::from_secs(120);

/// cosign with keys of its own.
pub struct Cosign {
    binary: PathBuf,
    scratch: Scratch,
}

/// A pair of keys.
#[derive(Clone, Debug)]
pub struct CosignKey {
    /// File of the private half; its password is empty.
    pub private: PathBuf,
    /// The public half in PEM.
    pub public: String,
}

/// In which shape an image is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFormat {
    /// A bundle that refers to the image: cosign 3 by default.
    Bundle,
    /// A payload and its signature under the tag `sha256-....sig`: cosign 2, and 3 when it is asked to.
    SimpleSigning,
}

impl Cosign {
    /// Looks for the binary.
    pub fn find() -> anyhow::Result<Self> {
        let binaries = RegistryBinaries::find()?.context("cosign is not built yet: `cargo xtask test` builds it")?;
        Ok(Self {
            binary: binaries.cosign,
            scratch: Scratch::new("cosign")?,
        })
    }

    /// A new pair of keys.
    pub async fn key(&self, name: &str) -> anyhow::Result<CosignKey> {
        let prefix = self.scratch.join(name);
        let prefix = text(&prefix)?;
        self.run(&["generate-key-pair", "--output-key-prefix", prefix]).await?;
        Ok(CosignKey {
            private: format!("{prefix}.key").into(),
            public: fs::read_to_string(format!("{prefix}.pub"))?,
        })
    }

    /// A pair of keys that was made elsewhere; `private` is PKCS #8 in PEM.
    pub async fn import(&self, name: &str, private: &str) -> anyhow::Result<CosignKey> {
        let file = self.scratch.join(&format!("{name}.pem"));
        fs::write(&file, private)?;
        let prefix = self.scratch.join(name);
        let prefix = text(&prefix)?;
        let args = [
            "import-key-pair",
            "--yes",
            "--key",
            text(&file)?,
            "--output-key-prefix",
            prefix,
        ];
        self.run(&args).await?;
        Ok(CosignKey {
            private: format!("{prefix}.key").into(),
            public: fs::read_to_string(format!("{prefix}.pub"))?,
        })
    }

    /// Signs an image of a registry, by `REPOSITORY@DIGEST`.
    pub async fn sign(
        &self,
        key: &CosignKey,
        registry: &Registry,
        image: &str,
        format: SignatureFormat,
    ) -> anyhow::Result<()> {
        let image = format!("{}/{image}", registry.host());
        let authority = registry.authority_file();
        let bundle = format!("--new-bundle-format={}", format == SignatureFormat::Bundle);
        let mut args = vec!["sign", "--key", text(&key.private)?, &bundle];
        args.extend(OFFLINE);
        if registry.authority().is_empty() {
            args.push("--allow-http-registry");
        } else {
            args.extend(["--registry-cacert", text(&authority)?]);
        }
        args.push(&image);
        self.run(&args).await
    }

    /// Makes another statement about an image than that it is signed.
    pub async fn attest(&self, key: &CosignKey, registry: &Registry, image: &str) -> anyhow::Result<()> {
        let image = format!("{}/{image}", registry.host());
        let predicate = self.scratch.join("predicate.json");
        fs::write(&predicate, "{}")?;
        let mut args = vec!["attest", "--key", text(&key.private)?, "--predicate", text(&predicate)?];
        args.extend(OFFLINE);
        args.extend(["--allow-http-registry", &image]);
        self.run(&args).await
    }

    /// Signs a file; the bundle is written to the file of the same name with `.sigstore.json` after it.
    pub async fn sign_blob(&self, key: &CosignKey, file: &Path) -> anyhow::Result<PathBuf> {
        let bundle = file.with_added_extension("sigstore.json");
        let mut args = vec!["sign-blob", "--key", text(&key.private)?, "--bundle", text(&bundle)?];
        args.extend(OFFLINE);
        args.push(text(file)?);
        self.run(&args).await?;
        Ok(bundle)
    }

    async fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(&self.binary)
            .args(args)
            .current_dir(self.scratch.path())
            .env_clear()
            .env("HOME", self.scratch.path())
            .env("COSIGN_PASSWORD", "")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(WITHIN, output).await.context("cosign hangs")??;
        if !output.status.success() {
            bail!(
                "cosign {} failed: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

/// No log, no service, no question.
const OFFLINE: [&str; 3] = ["--tlog-upload=false", "--use-signing-config=false", "--yes"];

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}
