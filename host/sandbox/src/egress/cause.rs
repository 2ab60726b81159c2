//! Network errors in words that hold no part of a request or an answer.
//!
//! Libraries quote what they stumble over: h2 prints the text of a GOAWAY frame, which is the server's
//! to choose. So causes are described by their kind.

use std::error::Error;
use std::io;

use keyhole_core::EgressError;

/// The egress error at the root of `error`, or an [`EgressError::Unreachable`] that describes it.
pub(super) fn unreachable(host: &str, error: &(dyn Error + 'static)) -> EgressError {
    let chain = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    if let Some(own) = chain().find_map(|error| error.downcast_ref::<EgressError>()) {
        return own.clone();
    }
    let why = chain()
        .find_map(describe)
        .unwrap_or_else(|| "the connection broke".to_owned());
    EgressError::Unreachable {
        host: host.to_owned(),
        why,
    }
}

fn describe(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(describe_tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return match error.get_ref().map(|inner| inner as &(dyn Error + 'static)) {
            Some(inner) => describe(inner).or_else(|| Some(error.kind().to_string())),
            None => Some(error.kind().to_string()),
        };
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_incomplete_message() {
        Some("the connection was closed before the answer was complete".to_owned())
    } else if error.is_parse_too_large() {
        Some("the head of the answer is too large".to_owned())
    } else if error.is_parse() {
        Some("the answer is not HTTP".to_owned())
    } else {
        None
    }
}

fn describe_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "its certificate is not trusted ({why}); a private authority belongs in the plugin's grant.caBundle"
            )
        }
        rustls::Error::AlertReceived(alert) => format!("TLS alert {alert:?}"),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS".to_owned(),
        _ => "TLS handshake failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(error: &(dyn Error + 'static)) -> String {
        match unreachable("h", error) {
            EgressError::Unreachable { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn io_errors_are_described_by_their_kind() {
        assert_eq!(
            why(&io::Error::from(io::ErrorKind::ConnectionRefused)),
            "connection refused"
        );
        assert_eq!(why(&io::Error::other("quotes hunter2")), "other error");
    }

    #[test]
    fn a_certificate_error_says_what_to_do() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(why(&io::Error::new(io::ErrorKind::InvalidData, tls)).contains("caBundle"));
    }

    #[test]
    fn an_egress_error_inside_is_the_answer() {
        let own = EgressError::AddressProhibited {
            host: "h".into(),
            address: [127, 0, 0, 1].into(),
            why: "x",
        };
        assert_eq!(
            unreachable("h", &io::Error::other(own.clone())),
            EgressError::Unreachable {
                host: "h".into(),
                why: "other error".into()
            }
        );
        assert_eq!(unreachable("h", &own), own);
    }
}
