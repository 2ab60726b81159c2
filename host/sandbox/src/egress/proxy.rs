//! Which proxy the operator wants between this process and the stores.
//!
//! One answer for plugins' exchanges and for the host's own calls to AWS; with two, one of them would go
//! round a proxy that somebody relies on. Only `https` is proxied: what leaves as plain HTTP is the
//! metadata service, agents on this machine, and endpoints that an administrator named.

/// Variables in the order in which they count. The last is KES's: its `HTTP_PROXY` is the proxy for AWS, which
/// is always `https`.
const VARIABLES: [&str; 5] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"];

/// A proxy, and what goes straight in spite of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// As written in the variable; may hold a password.
    url: String,
    exempt: String,
}

impl Proxy {
    /// The first of `HTTPS_PROXY`, `ALL_PROXY` (also in lower case) and `HTTP_PROXY` that is set, less what
    /// `NO_PROXY` exempts. An empty variable counts as unset.
    #[must_use]
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| env(name).filter(|value| !value.is_empty()))
        };
        Some(Self {
            url: first(&VARIABLES)?,
            exempt: first(&["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        })
    }

    /// Its URL, which may hold a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Hosts, domains and networks that are reached without it, as in `NO_PROXY`.
    #[must_use]
    pub fn exempt(&self) -> &str {
        &self.exempt
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("exempt", &self.exempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Option<Proxy> {
        Proxy::from_env(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_proxy_for_https_counts_before_that_of_kes() {
        let both = [("HTTP_PROXY", "http://kes:1"), ("HTTPS_PROXY", "http://own:2")];
        assert_eq!(from(&both).unwrap().url(), "http://own:2");
        assert_eq!(from(&both[..1]).unwrap().url(), "http://kes:1");
        assert_eq!(from(&[("HTTPS_PROXY", ""), both[0]]).unwrap().url(), "http://kes:1");
        assert!(from(&[("http_proxy", "http://other:3"), ("NO_PROXY", "x")]).is_none());
        assert_eq!(from(&[both[0], ("NO_PROXY", "internal")]).unwrap().exempt(), "internal");
    }

    #[test]
    fn its_password_is_not_shown() {
        let proxy = from(&[("HTTPS_PROXY", "http://user:hunter2@proxy:3128")]).unwrap();
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }
}
