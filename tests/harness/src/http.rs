//! One plain request, for health pages, metrics, moto and OpenBao.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a successful answer.
pub async fn get(url: &str) -> anyhow::Result<String> {
    send(Request::get(url).body(Full::default())?).await
}

/// The same for a POST.
pub async fn post(url: &str, headers: &[(&str, &str)], body: String) -> anyhow::Result<String> {
    request(Method::POST, url, headers.iter().copied(), body).await
}

/// The same with any method.
pub async fn request<'h>(
    method: Method,
    url: &str,
    headers: impl Iterator<Item = (&'h str, &'h str)>,
    body: String,
) -> anyhow::Result<String> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    send(request.body(Full::from(body))?).await
}

async fn send(request: Request<Full<Bytes>>) -> anyhow::Result<String> {
    let url = request.uri().clone();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if !status.is_success() {
            bail!("{status} {text}");
        }
        Ok(text)
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await.context("no answer");
    answer.flatten().with_context(|| url.to_string())
}
