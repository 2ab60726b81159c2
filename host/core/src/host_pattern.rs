//! The hosts that a plugin may reach, parsed once at the edge.
//!
//! A pattern is a DNS name in which a placeholder takes exactly one label, so that
//! `secretsmanager.{region}.amazonaws.com` can never match `secretsmanager.evil.example.amazonaws.com`
//! nor a name of any other owner. There is no `*`: a wildcard that spans labels, or a placeholder in the
//! last two labels, would grant names that nobody meant. An address is matched only by the same address
//! written the same way; hosts that a resolver might read as an address in another spelling
//! (`127.1`, `0x7f000001`) match nothing.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A granted host: scheme, name or address, and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    scheme: Scheme,
    host: Host,
    port: u16,
}

/// How to talk to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text; only where the pattern says `http://`.
    Http,
    /// The default.
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Name(Vec<Label>),
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Label {
    Fixed(Box<str>),
    Placeholder(Box<str>),
}

/// A text that is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no host pattern: {why}")]
pub struct InvalidHostPattern {
    pattern: String,
    why: &'static str,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl HostPattern {
    /// Whether a request to this scheme, host and port is granted. The host may be in any case, with a
    /// trailing dot, and an IPv6 address with or without brackets.
    #[must_use]
    pub fn matches(&self, scheme: &str, host: &str, port: u16) -> bool {
        scheme.eq_ignore_ascii_case(self.scheme.as_str()) && self.matches_host(host, port)
    }

    /// The same without the scheme: to tell a wrong scheme from an unknown host.
    #[must_use]
    pub fn matches_host(&self, host: &str, port: u16) -> bool {
        port == self.port && self.matches_name(host)
    }

    /// The same without scheme and port.
    #[must_use]
    pub fn matches_name(&self, host: &str) -> bool {
        match (&self.host, literal_address(host)) {
            (Host::Address(granted), Some(address)) => *granted == address,
            (Host::Name(labels), None) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                let Ok(given) = name_labels(host) else { return false };
                given.len() == labels.len()
                    && labels.iter().zip(&given).all(|(label, given)| match label {
                        Label::Fixed(text) => text.eq_ignore_ascii_case(given),
                        Label::Placeholder(_) => true,
                    })
            }
            _ => false,
        }
    }

    /// Whether some host fits both patterns: a grant for one region meets a plugin's wish for any.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let meet = |(mine, theirs): (&Label, &Label)| match (mine, theirs) {
            (Label::Fixed(mine), Label::Fixed(theirs)) => mine == theirs,
            _ => true,
        };
        let hosts = match (&self.host, &other.host) {
            (Host::Address(mine), Host::Address(theirs)) => mine == theirs,
            (Host::Name(mine), Host::Name(theirs)) => mine.len() == theirs.len() && mine.iter().zip(theirs).all(meet),
            _ => false,
        };
        hosts && self.scheme == other.scheme && self.port == other.port
    }

    /// The granted scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The granted port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        parse(pattern).map_err(|why| InvalidHostPattern {
            pattern: pattern.chars().take(253).collect(),
            why,
        })
    }
}

fn parse(pattern: &str) -> Result<HostPattern, &'static str> {
    let (scheme, rest) = match pattern.split_once("://") {
        None => (Scheme::Https, pattern),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(_) => return Err("the scheme must be https or http"),
    };
    if rest.contains('*') {
        return Err("* is not supported; write a placeholder such as {region} for one label");
    }
    if let Some(address) = literal_address(rest) {
        return Ok(HostPattern {
            scheme,
            host: Host::Address(address),
            port: scheme.default_port(),
        });
    }
    let (host, port) = match rest.rsplit_once(':') {
        None => (rest, scheme.default_port()),
        Some((host, port)) => (host, parse_port(port)?),
    };
    if let Some(address) = literal_address(host) {
        return Ok(HostPattern {
            scheme,
            host: Host::Address(address),
            port,
        });
    }
    let labels = parse_labels(host.strip_suffix('.').unwrap_or(host))?;
    Ok(HostPattern {
        scheme,
        host: Host::Name(labels),
        port,
    })
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits_only && port != 0 => Ok(port),
        _ => Err("the port must be a number from 1 to 65535"),
    }
}

fn parse_labels(host: &str) -> Result<Vec<Label>, &'static str> {
    // Placeholders are checked as ordinary labels by what may stand between their braces.
    let plain = host.replace(['{', '}'], "");
    name_labels(&plain)?;
    let labels = host
        .split('.')
        .map(
            |label| match label.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
                Some(name) if is_placeholder_name(name) => Ok(Label::Placeholder(name.into())),
                None if !label.contains(['{', '}']) => Ok(Label::Fixed(label.to_ascii_lowercase().into())),
                _ => Err("a placeholder is a whole label, e.g. {region}"),
            },
        )
        .collect::<Result<Vec<_>, _>>()?;
    let open = |label: &Label| matches!(label, Label::Placeholder(_));
    if labels.iter().any(open) && (labels.len() < 3 || labels.iter().rev().take(2).any(open)) {
        return Err("a placeholder needs at least two fixed labels on its right");
    }
    Ok(labels)
}

fn is_placeholder_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The labels of a host name, if it is one that can only be a name.
fn name_labels(host: &str) -> Result<Vec<&str>, &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.len() > 253 {
        return Err("the host is longer than 253 characters");
    }
    let labels: Vec<_> = host.split('.').collect();
    let well_formed = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !labels.iter().all(well_formed) {
        return Err("a label has letters, digits, dashes and underscores, 1 to 63 of them");
    }
    // Resolvers and URL parsers read a name whose last label is a number as an IPv4 address.
    let last = labels.last().copied().unwrap_or_default().to_ascii_lowercase();
    let is_hex = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_hex || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the last label is a number; write an address in its usual form");
    }
    Ok(labels)
}

fn literal_address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok(),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(address) => write!(f, "{address}")?,
            Host::Name(labels) => {
                for (position, label) in labels.iter().enumerate() {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    match label {
                        Label::Fixed(text) => f.write_str(text)?,
                        Label::Placeholder(name) => write!(f, "{{{name}}}")?,
                    }
                }
            }
        }
        if self.port == self.scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_overlap_when_some_host_fits_both() {
        let wanted = pattern("secretsmanager.{region}.amazonaws.com");
        for granted in [
            "secretsmanager.{any}.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com",
            "{service}.eu-west-1.amazonaws.com",
        ] {
            assert!(
                wanted.overlaps(&pattern(granted)) && pattern(granted).overlaps(&wanted),
                "{granted}"
            );
        }
        for granted in [
            "ssm.{region}.amazonaws.com",
            "secretsmanager.amazonaws.com",
            "secretsmanager.{region}.amazonaws.com:8443",
            "http://secretsmanager.{region}.amazonaws.com",
            "10.0.0.1",
        ] {
            assert!(!wanted.overlaps(&pattern(granted)), "{granted}");
        }
        assert!(pattern("10.0.0.1").overlaps(&pattern("10.0.0.1")));
    }

    #[test]
    fn a_placeholder_takes_exactly_one_label() {
        let pattern = pattern("secretsmanager.{region}.amazonaws.com");
        assert!(pattern.matches("https", "secretsmanager.eu-west-1.amazonaws.com", 443));
        for host in [
            "secretsmanager.amazonaws.com",
            "secretsmanager..amazonaws.com",
            "secretsmanager.a.b.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com.evil.example",
            "x.secretsmanager.eu-west-1.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com..",
            "secretsmanager.eu/west.amazonaws.com",
            "secretsmanager.eu west.amazonaws.com",
            "secretsmanager.-.amazonaws.com",
            "secretsmanager.é.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com@evil.example",
            "user@secretsmanager.eu-west-1.amazonaws.com",
            "secretsmanager.{region}.amazonaws.com",
            "",
            ".",
        ] {
            assert!(!pattern.matches("https", host, 443), "{host}");
        }
    }

    #[test]
    fn case_and_trailing_dot_do_not_matter() {
        for text in ["vault.example.com", "Vault.Example.COM", "vault.example.com."] {
            assert!(pattern(text).matches("HTTPS", "VAULT.example.com.", 443), "{text}");
            assert_eq!(pattern(text).to_string(), "vault.example.com");
        }
    }

    #[test]
    fn scheme_and_port_are_part_of_the_grant() {
        assert!(!pattern("a.example").matches("http", "a.example", 80));
        assert!(!pattern("a.example").matches("http", "a.example", 443));
        assert!(!pattern("a.example").matches("https", "a.example", 8443));
        assert!(pattern("a.example:8443").matches("https", "a.example", 8443));
        assert!(!pattern("a.example:8443").matches("https", "a.example", 443));
        assert!(pattern("http://a.example").matches("http", "a.example", 80));
        assert!(!pattern("http://a.example").matches("https", "a.example", 443));
        assert!(pattern("http://a.example:8200").matches("http", "a.example", 8200));
        assert!(pattern("a.example").matches_host("a.example", 443));
        assert!(pattern("a.example:8443").matches_name("a.example"));
    }

    #[test]
    fn addresses_match_only_themselves_in_their_usual_form() {
        assert!(pattern("10.0.0.1:8200").matches("https", "10.0.0.1", 8200));
        assert!(pattern("[::1]:8200").matches("https", "[::1]", 8200));
        assert!(pattern("[::1]").matches("https", "::1", 443));
        for other in [
            "10.0.0.1.",
            "10.1",
            "0xa000001",
            "167772161",
            "012.0.0.1",
            "[::ffff:10.0.0.1]",
            "::ffff:a00:1",
        ] {
            assert!(!pattern("10.0.0.1").matches("https", other, 443), "{other}");
            assert!(!pattern("{a}.b.c").matches("https", other, 443), "{other}");
        }
        assert!(!pattern("{a}.{b}.c.d").matches("https", "10.0.0.1", 443));
    }

    #[test]
    fn patterns_that_grant_more_than_they_say_are_refused() {
        for text in [
            "",
            "*",
            "*.example.com",
            "https://*.example.com",
            "ftp://a.example",
            "a.example:0",
            "a.example:70000",
            "a.example:+1",
            "a.example:",
            "a.example/path",
            "user@a.example",
            "{x}",
            "{x}.com",
            "a.{x}",
            "a.{x}.com",
            "a.b.{x}",
            "pre-{x}.example.com",
            "{}.example.com",
            "{a b}.example.com",
            "{a}{b}.example.com",
            "a..example",
            "-a.example",
            "127.1",
            "0x7f.1",
            "1.2.3.4.5",
            "a.0x10",
            "[::1",
            "[10.0.0.1]",
            "é.example",
            "a.example?x",
            "a.example#x",
            " a.example",
            "a.example ",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
        assert!("{x}.example.com".parse::<HostPattern>().is_ok());
        assert!("localhost".parse::<HostPattern>().is_ok());
    }

    #[test]
    fn the_text_of_a_pattern_parses_to_the_same_pattern() {
        for text in [
            "a.example",
            "http://a.example:8200",
            "{a}.{b}.c.example:444",
            "10.0.0.1",
            "http://[fd00::1]:80",
            "[::1]:8443",
        ] {
            let once = pattern(text);
            assert_eq!(pattern(&once.to_string()), once, "{text}");
        }
    }

    #[test]
    fn no_host_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let patterns = ["{a}.b.c", "10.0.0.1", "[::1]", "x:1"].map(pattern);
        let letters: Vec<char> = "ab.:[]{}0x1é%@/\0-_ ".chars().collect();
        for _ in 0..20_000 {
            let text: String = (0..random.usize(0..20))
                .filter_map(|_| letters.get(random.usize(..letters.len())))
                .collect();
            let _ = text.parse::<HostPattern>();
            for pattern in &patterns {
                let _ = pattern.matches("https", &text, 443);
            }
        }
    }
}
