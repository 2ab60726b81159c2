//! A component from a file, compiled, with an engine of its own: its gauges are nobody else's, so "nothing is
//! left" can be seen.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use keyhole_core::PluginId;
use keyhole_plugins::source::MAX_COMPONENT;
use keyhole_plugins::{CompileCache, PluginFile};
use keyhole_sandbox::{Component, Engine, EngineConfig, Grant, LoadError, Plugin, Ports};

use crate::kit_error::KitError;

/// Calls that run at once in the kit.
const SLOTS: u32 = 4;

/// A component, ready to be loaded with any grant.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Where it was read.
    pub path: PathBuf,
    /// Its bytes and their digest.
    pub file: PluginFile,
    /// Where it runs.
    pub engine: Engine,
    component: Component,
}

impl Guest {
    /// Reads and compiles a component.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no component.
    pub async fn open(path: &Path, cache: &CompileCache) -> Result<Self, KitError> {
        let file = read(path)?;
        let engine = Engine::new(&EngineConfig {
            slots: SLOTS,
            ..EngineConfig::default()
        })?;
        let component = cache.component(&engine, &file).await?;
        Ok(Self {
            path: path.to_owned(),
            file,
            engine,
            component,
        })
    }

    /// Loads it: links, makes one instance, describes.
    ///
    /// # Errors
    ///
    /// When it does not fit the contract.
    pub async fn load(&self, grant: Grant, ports: Ports) -> Result<Plugin, LoadError> {
        Plugin::load(&self.engine, self.component.clone(), self.id().clone(), grant, ports).await
    }

    /// Name and digest.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.file.id
    }

    /// Bytes of the component.
    #[must_use]
    pub fn size(&self) -> usize {
        self.file.component.len()
    }

    /// The compiled component.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }
}

/// A component's bytes with their digest; its name is the file's.
///
/// # Errors
///
/// When there is no such file, or one that no host would load.
pub fn read(path: &Path) -> Result<PluginFile, KitError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_COMPONENT + 1).read_to_end(&mut bytes))
        .map_err(KitError::file(path))?;
    if bytes.len() as u64 > MAX_COMPONENT {
        let why = format!("larger than {} MiB, which no host loads", MAX_COMPONENT >> 20);
        return Err(KitError::format(path, why));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(PluginFile::new(name.as_ref().into(), bytes.into()))
}
