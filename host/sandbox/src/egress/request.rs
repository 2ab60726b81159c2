//! Methods and headers by which a request could step around the checks, or a connection be reused for
//! something that was never checked.

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};
use keyhole_core::EgressError;

/// Headers between two neighbours (RFC 9110, 7.6.1), and `Host`: the host sets these itself.
const HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whether guests may neither send nor see it.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

pub(super) fn forbidden_header(name: &HeaderName) -> EgressError {
    EgressError::Forbidden(format!("header {name}"))
}

pub(super) fn check(head: &Parts) -> Result<(), EgressError> {
    // TRACE answers with the request, the signature that the host put on it included.
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(EgressError::Forbidden(format!("method {}", head.method)));
    }
    match head.headers.keys().find(|name| is_hop_by_hop(name)) {
        Some(name) => Err(forbidden_header(name)),
        None => Ok(()),
    }
}

/// Takes from an answer what was between the host and its neighbour.
pub(super) fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(method: &str, header: &str) -> Result<(), EgressError> {
        let request = http::Request::builder()
            .method(method)
            .header(header, "x")
            .body(())
            .unwrap();
        check(&request.into_parts().0)
    }

    #[test]
    fn tunnels_upgrades_and_hop_by_hop_headers_are_forbidden() {
        for method in ["CONNECT", "TRACE"] {
            assert_eq!(
                check_of(method, "accept"),
                Err(EgressError::Forbidden(format!("method {method}")))
            );
        }
        for header in [
            "Host",
            "Connection",
            "Upgrade",
            "Transfer-Encoding",
            "TE",
            "Trailer",
            "Keep-Alive",
            "Proxy-Authorization",
            "HTTP2-Settings",
        ] {
            let forbidden = EgressError::Forbidden(format!("header {}", header.to_ascii_lowercase()));
            assert_eq!(check_of("GET", header), Err(forbidden));
        }
        for method in ["GET", "POST", "LIST"] {
            assert_eq!(check_of(method, "accept"), Ok(()));
        }
    }
}
