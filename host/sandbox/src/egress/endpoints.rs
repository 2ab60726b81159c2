//! AWS endpoints that the operator moved elsewhere: localstack, a VPC endpoint, a test server.
//!
//! Plugins always address the canonical host. Egress rewrites the destination before it signs, so the
//! signature covers the host that really gets the request, and no setting of a tenant can choose where
//! signed requests go. An override is the operator's own word: its scheme, host, port and address are
//! granted by it, for that service alone.

use std::collections::BTreeMap;

use url::Url;

/// Which services have an endpoint of their own. Order of precedence, first wins: `LOCALSTACK_*_URL`
/// (when `LOCALSTACK` is on; `http://localhost:4566` unless set), `AWS_SM_ENDPOINT`,
/// `AWS_SSM_ENDPOINT` and `AWS_STS_ENDPOINT`, `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `.._SSM` and `.._STS`,
/// `AWS_ENDPOINT_URL` for every service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    services: BTreeMap<String, Url>,
    every_service: Option<Url>,
    localstack: bool,
}

/// An environment variable that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is no endpoint: {why}; write e.g. https://vpce-0123.secretsmanager.eu-west-1.vpce.amazonaws.com")]
pub struct InvalidEndpoint {
    variable: String,
    why: String,
}

/// Signing name of a service, and its part of each family of variables.
const SERVICES: [(&str, &str, &str); 3] = [
    ("secretsmanager", "SM", "SECRETS_MANAGER"),
    ("ssm", "SSM", "SSM"),
    ("sts", "STS", "STS"),
];

const LOCALSTACK_DEFAULT: &str = "http://localhost:4566";

impl EndpointOverrides {
    /// Reads the overrides through `env`, which gives the value of an environment variable.
    ///
    /// # Errors
    ///
    /// When a variable that counts holds no `http` or `https` URL.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEndpoint> {
        let set = |name: &str| {
            env(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let read = |name: String| set(&name).map(|value| parse(&name, &value)).transpose();
        let localstack = set("LOCALSTACK")
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off"));

        let mut overrides = Self {
            localstack,
            ..Self::default()
        };
        overrides.every_service = if localstack {
            Some(parse("LOCALSTACK", LOCALSTACK_DEFAULT)?)
        } else {
            read("AWS_ENDPOINT_URL".to_owned())?
        };
        for (service, short, long) in SERVICES {
            let own = if localstack {
                read(format!("LOCALSTACK_{short}_URL"))?
            } else {
                match read(format!("AWS_{short}_ENDPOINT"))? {
                    Some(url) => Some(url),
                    None => read(format!("AWS_ENDPOINT_URL_{long}"))?,
                }
            };
            if let Some(url) = own {
                overrides.services.insert(service.to_owned(), url);
            }
        }
        Ok(overrides)
    }

    /// The same with this endpoint for a service.
    ///
    /// # Errors
    ///
    /// When `url` is no `http` or `https` URL.
    pub fn with(mut self, service: &str, url: &str) -> Result<Self, InvalidEndpoint> {
        self.services.insert(service.to_owned(), parse(service, url)?);
        Ok(self)
    }

    /// Where requests to this service (a signing name) go, unless to its canonical endpoint.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<&Url> {
        self.services.get(service).or(self.every_service.as_ref())
    }

    /// Whether `LOCALSTACK` is on, when an object's region is ignored.
    #[must_use]
    pub fn localstack(&self) -> bool {
        self.localstack
    }
}

fn parse(variable: &str, text: &str) -> Result<Url, InvalidEndpoint> {
    let invalid = |why: &str| InvalidEndpoint {
        variable: variable.to_owned(),
        why: why.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("the scheme must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it must not have a query or fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<EndpointOverrides, InvalidEndpoint> {
        EndpointOverrides::from_env(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn endpoint(variables: &[(&str, &str)], service: &str) -> Option<String> {
        from(variables).unwrap().get(service).map(ToString::to_string)
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let mut variables = vec![("AWS_ENDPOINT_URL", "https://all.example")];
        assert_eq!(
            endpoint(&variables, "secretsmanager").as_deref(),
            Some("https://all.example/")
        );
        assert_eq!(
            endpoint(&variables, "dynamodb").as_deref(),
            Some("https://all.example/")
        );
        variables.push(("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://sdk.example"));
        assert_eq!(
            endpoint(&variables, "secretsmanager").as_deref(),
            Some("https://sdk.example/")
        );
        assert_eq!(endpoint(&variables, "ssm").as_deref(), Some("https://all.example/"));
        variables.push(("AWS_SM_ENDPOINT", "http://kes.example:1/base"));
        assert_eq!(
            endpoint(&variables, "secretsmanager").as_deref(),
            Some("http://kes.example:1/base")
        );
        variables.push(("LOCALSTACK", "1"));
        assert_eq!(
            endpoint(&variables, "secretsmanager").as_deref(),
            Some("http://localhost:4566/")
        );
        variables.push(("LOCALSTACK_SM_URL", "http://localstack:4566"));
        assert_eq!(
            endpoint(&variables, "secretsmanager").as_deref(),
            Some("http://localstack:4566/")
        );
        assert_eq!(endpoint(&variables, "sts").as_deref(), Some("http://localhost:4566/"));
    }

    #[test]
    fn each_service_has_its_variables() {
        for (variable, service) in [
            ("AWS_SM_ENDPOINT", "secretsmanager"),
            ("AWS_SSM_ENDPOINT", "ssm"),
            ("AWS_STS_ENDPOINT", "sts"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "secretsmanager"),
            ("AWS_ENDPOINT_URL_SSM", "ssm"),
            ("AWS_ENDPOINT_URL_STS", "sts"),
        ] {
            for (other, _, _) in SERVICES {
                let found = endpoint(&[(variable, "http://x.example")], other);
                assert_eq!(found.is_some(), other == service, "{variable} {other}");
            }
        }
        for (variable, service) in [
            ("LOCALSTACK_SM_URL", "secretsmanager"),
            ("LOCALSTACK_SSM_URL", "ssm"),
            ("LOCALSTACK_STS_URL", "sts"),
        ] {
            let found = endpoint(&[("LOCALSTACK", "true"), (variable, "http://x.example")], service);
            assert_eq!(found.as_deref(), Some("http://x.example/"));
        }
    }

    #[test]
    fn localstack_counts_only_when_it_is_on() {
        for off in ["", "0", "false", "No", " "] {
            let variables = [("LOCALSTACK", off), ("LOCALSTACK_SM_URL", "http://x.example")];
            assert_eq!(endpoint(&variables, "secretsmanager"), None, "{off:?}");
            assert!(!from(&variables).unwrap().localstack());
        }
        assert!(from(&[("LOCALSTACK", "1")]).unwrap().localstack());
        assert_eq!(endpoint(&[("AWS_SM_ENDPOINT", " ")], "secretsmanager"), None);
    }

    #[test]
    fn a_variable_that_names_no_endpoint_is_named() {
        for value in [
            "localhost:4566",
            "ftp://x",
            "http://user@x",
            "http://x/?a=b",
            "http://",
            "x",
        ] {
            let error = from(&[("AWS_SSM_ENDPOINT", value)]).unwrap_err();
            assert!(
                error.to_string().starts_with("AWS_SSM_ENDPOINT is no endpoint"),
                "{error}"
            );
        }
    }
}
