//! A component as machine code, ready to be linked.
//!
//! Where it will run is decided here: in the pool if it fits a slot, otherwise in the engine that
//! allocates on demand. Both run the same code, so a precompiled file serves either.

use std::path::Path;

use wasmtime::component::Component as Compiled;

use crate::engine::{Engine, Host};
use crate::load_error::LoadError;

/// Compiled code of a plugin. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    code: Compiled,
    pooled: bool,
}

impl Component {
    /// Compiles a component in this process. Takes seconds and tens to hundreds of MiB for a large one:
    /// prefer [`Engine::precompile`] in a child process and [`Component::load_file`].
    ///
    /// # Errors
    ///
    /// [`LoadError::Compile`] when the bytes are no valid component.
    pub fn compile(engine: &Engine, component: &[u8]) -> Result<Self, LoadError> {
        let code = engine.precompile(component)?;
        // SAFETY: the bytes come from this engine's own compiler, in this process.
        let place = |host: &Host| unsafe { Compiled::deserialize(&host.engine, &code) };
        Self::place(engine, place).map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    /// Loads a file that [`Engine::precompile`] made. Takes a millisecond; pages are read as needed.
    ///
    /// # Safety
    ///
    /// The file holds machine code that will run outside any sandbox. It must be one that this host
    /// wrote itself (verify a checksum of your own first; wasmtime's header detects a wrong version,
    /// not a forgery), and must not be changed or truncated while the component, or anything made from
    /// it, lives. Replace such files by renaming, never by writing into them.
    ///
    /// # Errors
    ///
    /// [`LoadError::Incompatible`] when it was made by another version, or for other settings or
    /// processors.
    pub unsafe fn load_file(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the caller's promise.
        let place = |host: &Host| unsafe { Compiled::deserialize_file(&host.engine, path) };
        Self::place(engine, place).map_err(|error| LoadError::Incompatible {
            path: path.to_owned(),
            why: format!("{error:#}"),
        })
    }

    fn place(engine: &Engine, load: impl Fn(&Host) -> wasmtime::Result<Compiled>) -> wasmtime::Result<Self> {
        // The pool refuses what cannot fit its slots; whatever else is wrong shows in the second try.
        if let Some(Ok(code)) = engine.pooled().map(&load) {
            return Ok(Self { code, pooled: true });
        }
        load(engine.roomy()).map(|code| Self { code, pooled: false })
    }

    /// The same code outside the pool.
    pub(crate) fn roomy(&self, engine: &Engine) -> Result<Self, LoadError> {
        if !self.pooled {
            return Ok(self.clone());
        }
        let broken = |error: wasmtime::Error| LoadError::Engine(format!("{error:#}"));
        let image = self.code.serialize().map_err(broken)?;
        // SAFETY: the image was taken from code that is loaded already.
        let code = unsafe { Compiled::deserialize(&engine.roomy().engine, image) }.map_err(broken)?;
        Ok(Self { code, pooled: false })
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.pooled
    }

    pub(crate) fn code(&self) -> &Compiled {
        &self.code
    }

    pub(crate) fn host<'a>(&self, engine: &'a Engine) -> &'a Host {
        match engine.pooled() {
            Some(host) if self.pooled => host,
            _ => engine.roomy(),
        }
    }

    /// The names of the interfaces that it imports, each with its version.
    #[must_use]
    pub fn imported(&self) -> Vec<String> {
        let code = self.code.component_type();
        code.imports(self.code.engine())
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// The names of the interfaces that it exports, each with its version.
    #[must_use]
    pub fn exported(&self) -> Vec<String> {
        let code = self.code.component_type();
        code.exports(self.code.engine())
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Whether the component imports this interface of the contract, in whichever 0.1.x.
    pub(crate) fn imports(&self, interface: &str) -> bool {
        let prefix = format!("keyhole:backend/{interface}@");
        self.code
            .component_type()
            .imports(self.code.engine())
            .any(|(name, _)| name.starts_with(&prefix))
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("pooled", &self.pooled)
            .finish_non_exhaustive()
    }
}
