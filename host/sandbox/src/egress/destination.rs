//! Where a request goes, in one spelling.
//!
//! `http://0x7f000001`, `http://2130706433`, `http://127.1` and `http://127.0.0.1` are one place, and a
//! resolver knows that. So the host is parsed as the URL standard says, which turns every spelling of an
//! address into the address, before anything is compared; and the request is rebuilt from the result, so
//! that what was checked is what is sent.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use keyhole_core::EgressError;
use url::Url;

/// Scheme, host and port. Names are lower-case and without trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    tls: bool,
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(Box<str>),
    Address(IpAddr),
}

impl Destination {
    /// Of a request's absolute URI.
    pub(super) fn of(uri: &Uri) -> Result<Self, EgressError> {
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            scheme => {
                let scheme = scheme.map(Scheme::as_str).unwrap_or_default();
                return Err(EgressError::SchemeNotGranted {
                    scheme: scheme.to_owned(),
                    host: cut(authority),
                });
            }
        };
        if authority.contains('@') {
            return Err(EgressError::Forbidden("a user name in a URL".to_owned()));
        }
        let unknown = || EgressError::HostNotGranted { host: cut(authority) };
        let host = match url::Host::parse(uri.host().unwrap_or_default()).map_err(|_| unknown())? {
            url::Host::Domain(name) if name.len() > LONGEST_NAME => return Err(unknown()),
            url::Host::Domain(name) => Host::name(&name),
            url::Host::Ipv4(address) => Host::Address(address.into()),
            url::Host::Ipv6(address) => Host::Address(IpAddr::from(address).to_canonical()),
        };
        let port = match uri.port_u16() {
            Some(0) => return Err(unknown()),
            Some(port) => port,
            None => default_port(tls),
        };
        Ok(Self { tls, host, port })
    }

    /// Of an endpoint that the operator named.
    pub(super) fn of_endpoint(url: &Url) -> Option<Self> {
        let tls = url.scheme() == "https";
        let host = match url.host()? {
            url::Host::Domain(name) => Host::name(name),
            url::Host::Ipv4(address) => Host::Address(address.into()),
            url::Host::Ipv6(address) => Host::Address(IpAddr::from(address).to_canonical()),
        };
        Some(Self {
            tls,
            host,
            port: url.port().unwrap_or(default_port(tls)),
        })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The same place with another path.
    pub(super) fn uri(&self, path: PathAndQuery) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme())
            .authority(self.to_string())
            .path_and_query(path)
            .build()
    }
}

impl Host {
    fn name(name: &str) -> Self {
        Self::Name(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into())
    }
}

/// As in a `Host` header: the port only when it is not the scheme's.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if self.port == default_port(self.tls) {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Characters of a DNS name, trailing dot included.
const LONGEST_NAME: usize = 254;

/// As much as a name and a port may be long; more is nothing but noise in a message.
fn cut(authority: &str) -> String {
    authority.chars().take(LONGEST_NAME + 6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Result<Destination, EgressError> {
        Destination::of(&uri.parse().unwrap())
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for spelling in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ] {
            let destination = of(&format!("https://{spelling}/")).unwrap();
            assert_eq!(
                destination.host(),
                &Host::Address("127.0.0.1".parse().unwrap()),
                "{spelling}"
            );
            assert_eq!(destination.to_string(), "127.0.0.1");
        }
        assert_eq!(of("https://[::1]:8443/").unwrap().to_string(), "[::1]:8443");
        assert_eq!(of("http://0xa9fea9fe/").unwrap().to_string(), "169.254.169.254");
    }

    #[test]
    fn names_are_lower_case_and_have_no_trailing_dot() {
        assert_eq!(
            of("https://Vault.Example.COM.:443/x").unwrap().to_string(),
            "vault.example.com"
        );
        assert_eq!(of("http://a.example:443/").unwrap().to_string(), "a.example:443");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for uri in [
            "https://1.2.3.4.5/",
            "https://0x1ffffffff/",
            "https://a.example:0/",
            "https://256.1/",
            "https://a%00b/",
        ] {
            if let Ok(uri) = uri.parse::<Uri>() {
                assert!(
                    matches!(Destination::of(&uri), Err(EgressError::HostNotGranted { .. })),
                    "{uri}"
                );
            }
        }
        assert!(matches!(
            of("https://granted.example@evil.example/"),
            Err(EgressError::Forbidden(_))
        ));
        assert!(matches!(
            of("ftp://a.example/"),
            Err(EgressError::SchemeNotGranted { .. })
        ));
        assert!(matches!(
            of("HTTPX://a.example/"),
            Err(EgressError::SchemeNotGranted { .. })
        ));
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_in_the_message() {
        let Err(EgressError::HostNotGranted { host }) = of(&format!("https://{}a/", "a.".repeat(5000))) else {
            panic!()
        };
        assert_eq!(host.len(), 260);
    }

    #[test]
    fn an_endpoint_of_the_operator_keeps_its_port() {
        let of = |url: &str| Destination::of_endpoint(&url.parse().unwrap()).unwrap().to_string();
        assert_eq!(of("http://localhost:4566"), "localhost:4566");
        assert_eq!(of("https://vpce.example/base"), "vpce.example");
        assert_eq!(of("http://[::1]:1"), "[::1]:1");
    }
}
