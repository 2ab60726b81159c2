//! What a plugin can import: all of WASI 0.2 with nothing behind it, HTTP through the host's egress,
//! and the three interfaces of the contract.
//!
//! WASI is linked as a whole because the runtimes of ordinary languages import all of it; leaving an
//! interface out breaks guests that never call it. What protects is the empty context of the state.

use std::time::Duration;

use keyhole_core::SecretBytes;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest, Method, Scheme};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest as OutgoingRequest;

use crate::bindings::since_v0_1_0::Plugin;
use crate::bindings::since_v0_1_0::keyhole::backend::{credentials, log, session_store, types};
use crate::credentials::{NotHanded, not_granted};
use crate::output::Level;
use crate::sessions::{NotStored, check_size};
use crate::state::State;

/// Longest HTTP method, scheme and authority that a guest may put into a request handle. wasi-http
/// itself bounds none of them, and a thousand handles with megabytes each would fill the host.
const REQUEST_TEXT: usize = 512;

/// Everything a component may import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Plugin::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    bound_request_texts(&mut linker)?;
    Ok(linker)
}

type Set = wasmtime::Result<(Result<(), ()>,)>;

/// Puts a length check before the three setters of an outgoing request that have none.
fn bound_request_texts(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut http = linker.instance("wasi:http/types@0.2.12")?;
    http.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store, (request, method): (Resource<OutgoingRequest>, Method)| -> Set {
            match &method {
                Method::Other(name) if name.len() > REQUEST_TEXT => Ok((Err(()),)),
                _ => Ok((store.data_mut().http().set_method(request, method)?,)),
            }
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store, (request, scheme): (Resource<OutgoingRequest>, Option<Scheme>)| -> Set {
            match &scheme {
                Some(Scheme::Other(name)) if name.len() > REQUEST_TEXT => Ok((Err(()),)),
                _ => Ok((store.data_mut().http().set_scheme(request, scheme)?,)),
            }
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, authority): (Resource<OutgoingRequest>, Option<String>)| -> Set {
            match &authority {
                Some(name) if name.len() > REQUEST_TEXT => Ok((Err(()),)),
                _ => Ok((store.data_mut().http().set_authority(request, authority)?,)),
            }
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

impl types::Host for State {}

impl log::Host for State {
    async fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.output.push(level, &message, &fields);
        Ok(())
    }
}

impl State {
    /// Stores what the guest wants to find again. The call remembers what is stored, to mask it, and
    /// nothing else: what a guest offers without end must not pile up in the host.
    fn keep_session(&self, key: String, value: SecretBytes, life: Duration) -> Result<(), NotStored> {
        let (sessions, scope) = self.secrets.sessions.as_ref().ok_or(NotStored::Full)?;
        check_size(&key, &value)?;
        if !self.secrets.handled.note(&value) {
            return Err(NotStored::Full);
        }
        sessions.set(scope, key, value, life)
    }
}

impl session_store::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let Some(entry) = self
            .secrets
            .sessions
            .as_ref()
            .and_then(|(sessions, scope)| sessions.get(scope, &key))
        else {
            return Ok(None);
        };
        // An entry that could not be masked later is not handed out.
        Ok(self.secrets.handled.note(&entry).then(|| entry.expose().to_vec()))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> wasmtime::Result<Result<(), session_store::SessionError>> {
        let value = SecretBytes::new(value);
        Ok(self
            .keep_session(key, value, Duration::from_millis(ttl_ms))
            .map_err(|error| match error {
                NotStored::TooLarge => session_store::SessionError::TooLarge,
                NotStored::Full => session_store::SessionError::Full,
            }))
    }

    async fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        if let Some((sessions, scope)) = self.secrets.sessions.as_ref() {
            sessions.remove(scope, &key);
        }
        Ok(())
    }
}

impl credentials::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, credentials::CredentialError>> {
        let handed = match &self.secrets.credentials {
            Some(credentials) => credentials.get(&name).await,
            None => Err(not_granted(&name)),
        };
        let value = match handed {
            Ok(value) => value,
            Err(NotHanded::NotGranted(why)) => return Ok(Err(credentials::CredentialError::NotGranted(why))),
            Err(NotHanded::Unavailable(error)) => {
                let why = error.to_string();
                if let Some(egress) = self.egress() {
                    egress.record().note(&error);
                }
                return Ok(Err(credentials::CredentialError::Unavailable(why)));
            }
        };
        if !self.secrets.handled.note(&value) {
            let text = "this call handled too many secrets".to_owned();
            return Ok(Err(credentials::CredentialError::Unavailable(text)));
        }
        Ok(Ok(value.expose().to_vec()))
    }
}
