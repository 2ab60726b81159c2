//! TLS towards stores: the system's roots, a plugin's own authorities beside them, ring, HTTP/2 if the
//! server likes. Only the host sees certificates; a guest has no part in whom to trust.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::policy::GrantError;

/// The system's authorities, read once per process: about 150 files' worth of parsing.
pub(super) fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!(ignored, "the system has no certificate authorities: no TLS server will be trusted unless a plugin's grant brings its own");
        }
        Arc::new(roots)
    }))
}

/// `roots` and the certificates of `bundle` (PEM; empty adds none).
pub(super) fn with_bundle(roots: &Arc<RootCertStore>, bundle: &[u8]) -> Result<Arc<RootCertStore>, GrantError> {
    if bundle.iter().all(u8::is_ascii_whitespace) {
        return Ok(Arc::clone(roots));
    }
    let mut all = RootCertStore::clone(roots);
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.map_err(|error| GrantError::CaBundle(error.to_string()))?;
        all.add(certificate)
            .map_err(|error| GrantError::CaBundle(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        return Err(GrantError::CaBundle("it holds no CERTIFICATE block".to_owned()));
    }
    Ok(Arc::new(all))
}

/// What a connection offers as application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// HTTP/2 or 1.1, as the server likes.
    Any,
    /// HTTP/1.1, for CONNECT to a proxy.
    Http1,
}

/// TLS for what the host fetches for itself, such as plugins from a registry: ring, the system's authorities
/// and those of `ca_bundle` (PEM; empty adds none), HTTP/1.1.
///
/// # Errors
///
/// When the bundle does not parse.
pub fn client_tls(ca_bundle: &[u8]) -> Result<ClientConfig, GrantError> {
    config(with_bundle(&system_roots(), ca_bundle)?, Alpn::Http1)
}

pub(super) fn connector(roots: Arc<RootCertStore>, alpn: Alpn) -> Result<TlsConnector, GrantError> {
    Ok(TlsConnector::from(Arc::new(config(roots, alpn)?)))
}

fn config(roots: Arc<RootCertStore>, alpn: Alpn) -> Result<ClientConfig, GrantError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| GrantError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match alpn {
        Alpn::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Alpn::Http1 => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}
