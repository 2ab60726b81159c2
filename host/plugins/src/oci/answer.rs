//! What comes back from a registry, read up to a limit, and failures in words that hold nothing of it.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use reqwest::Response;

use crate::source::SourceError;

/// The longest that a registry may make us wait before the next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub error: SourceError,
    /// What the registry asks to wait before the next attempt.
    pub wait: Option<Duration>,
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Self {
        Self { error, wait: None }
    }
}

/// Reads an answer. Whatever length it says it has, no more than `most` bytes are kept of it.
pub(super) async fn read(mut response: Response, registry: &str, what: &str, most: u64) -> Result<Answer, Failed> {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(Failed {
            wait: retry_after(response.headers()),
            error: SourceError::Unreachable {
                what: registry.to_owned(),
                why: format!("it answers {status}"),
            },
        });
    }
    let too_large = || SourceError::TooLarge { what: what.to_owned() };
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| failed(&error, registry))? else {
            break;
        };
        if (body.len() + chunk.len()) as u64 > most {
            return Err(too_large().into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        headers: response.headers().clone(),
        body,
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// A failed exchange. Libraries quote addresses with their query, where a registry may have put a token.
pub(super) fn failed(error: &reqwest::Error, registry: &str) -> SourceError {
    let chain = || std::iter::successors(error.source(), |error| (*error).source());
    if let Some(why) = chain().find_map(certificate) {
        return SourceError::Untrusted {
            registry: registry.to_owned(),
            why,
        };
    }
    let why = if error.is_timeout() {
        "it takes too long".to_owned()
    } else if error.is_redirect() {
        "it redirects in circles".to_owned()
    } else {
        chain().find_map(describe).unwrap_or_else(|| {
            if error.is_connect() {
                "no connection can be made".to_owned()
            } else {
                "the connection broke".to_owned()
            }
        })
    };
    SourceError::Unreachable {
        what: registry.to_owned(),
        why,
    }
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

fn certificate(error: &(dyn Error + 'static)) -> Option<String> {
    match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(why)) => Some(why.to_string()),
        Some(_) => None,
        None => certificate(inner(error)?),
    }
}

fn describe(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(match error {
            rustls::Error::InvalidMessage(_) => {
                "it does not speak TLS (spec.source.oci.plainHttp is for registries without)".to_owned()
            }
            rustls::Error::AlertReceived(alert) => format!("TLS alert {alert:?}"),
            _ => "the TLS handshake failed".to_owned(),
        });
    }
    let io = error.downcast_ref::<io::Error>()?;
    match inner(error) {
        Some(inner) => describe(inner).or_else(|| Some(io.kind().to_string())),
        None if io.raw_os_error().is_none() && io.kind() == io::ErrorKind::Other => {
            Some("its name cannot be resolved".to_owned())
        }
        None => Some(io.kind().to_string()),
    }
}
