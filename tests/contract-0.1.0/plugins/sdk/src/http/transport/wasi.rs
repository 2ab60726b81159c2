//! `wasi:http/outgoing-handler`, waited for by `poll`.

use std::time::Duration;

use http::Uri;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use super::{Failure, Received};
use crate::http::Sent;

/// What one write may carry, by the definition of `blocking-write-and-flush`.
const WRITE: usize = 4096;

/// What one read asks for at most.
const READ: u64 = 64 << 10;

pub(in crate::http) struct Pending(FutureIncomingResponse);

/// Sends head and body.
pub(in crate::http) fn start(sent: Sent) -> Result<Pending, Failure> {
    let headers =
        Fields::from_list(&sent.headers).map_err(|error| no_answer(format!("a header is refused: {error}")))?;
    let request = OutgoingRequest::new(headers);
    let refused = |what: &str| no_answer(format!("the host refuses the {what}"));
    request
        .set_method(&method(&sent.method))
        .map_err(|()| refused("method"))?;
    request
        .set_scheme(scheme(&sent.url).as_ref())
        .map_err(|()| refused("scheme"))?;
    let authority = sent.url.authority().map(|authority| authority.as_str());
    request.set_authority(authority).map_err(|()| refused("host"))?;
    let path = sent.url.path_and_query().map(|path| path.as_str());
    request.set_path_with_query(path).map_err(|()| refused("path"))?;

    let outgoing = request.body().map_err(|()| refused("body"))?;
    let future = outgoing_handler::handle(request, sent.timeout.map(options)).map_err(error_code)?;
    if let Some(body) = sent.body {
        let stream = outgoing.write().map_err(|()| refused("body"))?;
        for piece in body.chunks(WRITE) {
            // A server that has heard enough may answer before it was told everything: the answer counts.
            if stream.blocking_write_and_flush(piece).is_err() {
                break;
            }
        }
    }
    // The same holds for the end of the body; when there is no answer either, waiting for it says why.
    let _ = OutgoingBody::finish(outgoing, None);
    Ok(Pending(future))
}

/// Waits for the answer and reads it to its end.
pub(in crate::http) fn finish(Pending(future): Pending, limit: usize) -> Result<Received, Failure> {
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(answer)) => answer.map_err(error_code)?,
        Some(Err(())) | None => return Err(no_answer("the host gave none")),
    };
    let status = response.status();
    let headers = response.headers().entries();
    let body = read(&response, limit)?;
    Ok(Received { status, headers, body })
}

fn read(response: &IncomingResponse, limit: usize) -> Result<Vec<u8>, Failure> {
    let body: IncomingBody = response.consume().map_err(|()| no_answer("it has no body"))?;
    let stream = body.stream().map_err(|()| no_answer("its body cannot be read"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(piece) if bytes.len() + piece.len() > limit => return Err(Failure::TooLarge(limit)),
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let why = wasip2::http::types::http_error_code(&error);
                return Err(why.map_or_else(|| no_answer("it broke off"), error_code));
            }
        }
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn scheme(url: &Uri) -> Option<Scheme> {
    match url.scheme_str()? {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        other => Some(Scheme::Other(other.to_owned())),
    }
}

/// A host that takes no options keeps its own, so there is nothing to do about a refusal.
fn options(timeout: Duration) -> RequestOptions {
    let nanoseconds = Some(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let _ = options.set_between_bytes_timeout(nanoseconds);
    options
}

/// What the host says of its own refusals replaces this, see `wit/backend.wit`.
fn error_code(code: ErrorCode) -> Failure {
    if let ErrorCode::HttpResponseBodySize(size) = code {
        return Failure::TooLarge(usize::try_from(size.unwrap_or_default()).unwrap_or(usize::MAX));
    }
    let why = match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "the name of the host cannot be resolved",
        ErrorCode::ConnectionRefused => "the connection is refused",
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            "nothing came in time"
        }
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => "the connection broke",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            "TLS failed; a private authority must be granted to the plugin"
        }
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => "the host is not granted to the plugin",
        other => return no_answer(format!("{other:?}")),
    };
    no_answer(why)
}

fn no_answer(why: impl Into<String>) -> Failure {
    Failure::NoAnswer(why.into())
}
