//! The HTTP client of the host's own calls to AWS: rustls with ring, the system's certificates.
//!
//! `HTTPS_PROXY` and `NO_PROXY` are obeyed, `HTTP_PROXY` is not: what goes out as plain HTTP from here is
//! the metadata service and the agents for containers and pods, which answer this machine only.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

pub(crate) fn build() -> SharedHttpClient {
    let proxy = proxy(|name| std::env::var(name).ok());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(proxy.clone())
            .connector_settings(settings.cloned().unwrap_or_default());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

fn proxy(env: impl Fn(&str) -> Option<String>) -> ProxyConfig {
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| env(name).filter(|value| !value.is_empty()))
    };
    let Some(url) = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else {
        return ProxyConfig::disabled();
    };
    match ProxyConfig::https(url) {
        Ok(proxy) => proxy.no_proxy(first(&["NO_PROXY", "no_proxy"]).unwrap_or_default()),
        Err(error) => {
            tracing::warn!(%error, "HTTPS_PROXY is no proxy and is not used");
            ProxyConfig::disabled()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_goes_through_a_proxy() {
        let with = |variables: &'static [(&'static str, &'static str)]| {
            proxy(move |name| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[]).is_disabled());
        assert!(with(&[("HTTP_PROXY", "http://proxy:3128")]).is_disabled());
        assert!(with(&[("HTTPS_PROXY", "")]).is_disabled());
        assert!(with(&[("HTTPS_PROXY", "not a url")]).is_disabled());
        assert!(!with(&[("https_proxy", "http://proxy:3128"), ("NO_PROXY", "internal")]).is_disabled());
    }
}
