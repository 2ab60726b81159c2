//! The HTTP client of the host's own calls to AWS: rustls with ring, the system's certificates.
//!
//! A proxy is for `https` only: what goes out as plain HTTP from here is the metadata service and the
//! agents for containers and pods, which answer this machine only.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use keyhole_sandbox::egress::Proxy;

pub(crate) fn build(proxy: Option<&Proxy>) -> SharedHttpClient {
    let proxy = proxy_config(proxy);
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(proxy.clone())
            .connector_settings(settings.cloned().unwrap_or_default());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

fn proxy_config(proxy: Option<&Proxy>) -> ProxyConfig {
    let Some(proxy) = proxy else {
        return ProxyConfig::disabled();
    };
    match ProxyConfig::https(proxy.url()) {
        Ok(config) => config.no_proxy(proxy.exempt()),
        Err(error) => {
            tracing::warn!(%error, "the proxy of HTTPS_PROXY, ALL_PROXY or HTTP_PROXY is no URL and is not used");
            ProxyConfig::disabled()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_no_proxy() {
        let with = |url: &'static str| {
            let proxy = Proxy::from_env(|name| (name == "HTTPS_PROXY").then(|| url.to_owned()));
            proxy_config(proxy.as_ref()).is_disabled()
        };
        assert!(proxy_config(None).is_disabled());
        assert!(with("not a url"));
        assert!(!with("http://proxy:3128"));
    }
}
