//! One repository of a registry: the distribution protocol, with a limit on everything.
//!
//! Asked without credentials first, as docker does: who is told who we are is then what the registry's
//! challenge says, and a public artifact needs nobody's. Plain HTTP is spoken only where that was said, and no
//! redirect leads from HTTPS to it. Who gives tokens is told a secret, so no redirect is followed from there.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use http_auth::parser::ChallengeParser;
use keyhole_core::SecretBytes;
use keyhole_sandbox::egress::{self, Proxy};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::oci::answer::{Answer, Failed, failed, read};
use crate::oci::{Credentials, OciImage};
use crate::source::SourceError;

/// Attempts of one exchange, when the registry cannot be reached.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// Name look-up, connection, proxy and TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two parts of an answer.
const BETWEEN_BYTES: Duration = Duration::from_secs(15);
/// Redirects of one exchange: registries keep blobs elsewhere.
const REDIRECTS: usize = 4;
/// Tokens take up to 8 KiB.
const MAX_TOKEN: u64 = 64 << 10;

/// What is to be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    pub method: Method,
    pub url: Url,
    pub accept: Option<&'a str>,
    pub content: Option<(&'a str, Bytes)>,
    /// Bytes of the answer that are read.
    pub most: u64,
    /// What is asked for, in words.
    pub what: &'a str,
}

/// A repository.
#[derive(Debug)]
pub(super) struct Registry {
    http: Client,
    /// Follows no redirect: some of them take the body along, and in it the refresh token.
    tokens: Client,
    /// Of `/v2/REPOSITORY/`.
    root: Url,
    name: String,
    repository: String,
    access: Access,
    credentials: Option<Credentials>,
    /// Found out with the first question.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Registry {
    pub(super) fn new(
        image: &OciImage,
        credentials: Option<Credentials>,
        proxy: Option<&Proxy>,
        access: Access,
    ) -> Result<Self, SourceError> {
        let name = image.reference.registry().to_owned();
        let scheme = if image.plain_http { "http" } else { "https" };
        let repository = image.reference.repository().to_owned();
        let root = format!("{scheme}://{}/v2/{repository}/", image.reference.api_host());
        let root = Url::parse(&root).map_err(|error| SourceError::Field {
            field: "spec.source.oci.image",
            why: error.to_string(),
        })?;
        let bundle = image.ca_bundle.as_deref().unwrap_or_default();
        let tls = egress::client_tls(bundle).map_err(|error| SourceError::Field {
            field: "spec.source.oci.caBundle",
            why: format!("cannot be used: {error}"),
        })?;
        let unusable = |_| SourceError::Unreachable {
            what: name.clone(),
            why: "the proxy of HTTPS_PROXY, ALL_PROXY or HTTP_PROXY is no URL".to_owned(),
        };
        let client = |redirects: Policy| {
            let mut client = Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .https_only(!image.plain_http)
                .connect_timeout(CONNECT)
                .read_timeout(BETWEEN_BYTES)
                .redirect(redirects)
                .user_agent(concat!("keyhole/", env!("CARGO_PKG_VERSION")))
                .no_proxy();
            if let Some(proxy) = proxy {
                let through = reqwest::Proxy::https(proxy.url()).map_err(unusable)?;
                client = client.proxy(through.no_proxy(NoProxy::from_string(proxy.exempt())));
            }
            client.build().map_err(unusable)
        };
        Ok(Self {
            http: client(Policy::limited(REDIRECTS))?,
            tokens: client(Policy::none())?,
            root,
            name,
            repository,
            access,
            credentials,
            authorization: Mutex::new(None),
        })
    }

    /// An address below the repository, e.g. `manifests/latest`.
    pub(super) fn url(&self, path: &str) -> Result<Url, SourceError> {
        let url = self.root.join(path);
        url.map_err(|error| self.protocol(&format!("{path:?} is no path: {error}")))
    }

    /// What is at a path; `None` when there is nothing.
    pub(super) async fn get(
        &self,
        path: &str,
        accept: &str,
        most: u64,
        what: &str,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let ask = Ask {
            method: Method::GET,
            url: self.url(path)?,
            accept: Some(accept),
            content: None,
            most,
            what,
        };
        let answer = self.ask(&ask).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.protocol(&format!("{status} for {what}"))),
        }
    }

    /// What is at a path that not every registry knows; `None` when this one does not.
    pub(super) async fn get_if_known(
        &self,
        path: &str,
        accept: &str,
        most: u64,
        what: &str,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        match self.get(path, accept, most, what).await {
            Err(SourceError::Protocol { .. }) => Ok(None),
            answer => answer,
        }
    }

    /// Any question, asked again where that may help. An answer that denies access is an error.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, SourceError> {
        let mut pause = FIRST_PAUSE;
        let mut left = ATTEMPTS;
        loop {
            let Failed { error, wait } = match self.attempt(ask).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            left -= 1;
            if left == 0 || !error.is_transient() {
                return Err(error);
            }
            tracing::debug!(registry = self.name, %error, "asking the registry again");
            tokio::time::sleep(wait.unwrap_or(pause).max(pause).mul_f32(0.75 + fastrand::f32() / 2.0)).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let known = self.authorization.lock().await.clone();
        let answer = self.send(ask, known).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return self.permitted(answer);
        }
        let authorization = self.authorize(&answer.headers).await?;
        *self.authorization.lock().await = Some(authorization.clone());
        let answer = self.send(ask, Some(authorization)).await?;
        self.permitted(answer)
    }

    fn permitted(&self, answer: Answer) -> Result<Answer, Failed> {
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.denied(answer.status).into());
        }
        Ok(answer)
    }

    async fn send(&self, ask: &Ask<'_>, authorization: Option<HeaderValue>) -> Result<Answer, Failed> {
        let mut request = self.http.request(ask.method.clone(), ask.url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some((media_type, content)) = &ask.content {
            request = request.header(CONTENT_TYPE, *media_type).body(content.clone());
        }
        // The repository's own credentials are for its registry, wherever an upload is to continue.
        if let Some(authorization) = authorization
            && ask.url.origin() == self.root.origin()
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| failed(&error, &self.name))?;
        read(response, &self.name, ask.what, ask.most).await
    }

    /// Answers a challenge.
    async fn authorize(&self, headers: &HeaderMap) -> Result<HeaderValue, Failed> {
        let texts = headers.get_all(WWW_AUTHENTICATE).into_iter();
        for text in texts.filter_map(|value| value.to_str().ok()) {
            for challenge in ChallengeParser::new(text).flatten() {
                let param = |name: &str| {
                    let mut params = challenge.params.iter();
                    let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    return self.token(param("realm"), param("service")).await;
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    return match &self.credentials {
                        Some(Credentials::Basic { user, password }) => Ok(self.header(&basic(user, password))?),
                        _ => Err(self.denied(StatusCode::UNAUTHORIZED).into()),
                    };
                }
            }
        }
        Err(self.protocol("it wants credentials in no way that is known").into())
    }

    /// A token of the registry's own service for this repository.
    async fn token(&self, realm: Option<String>, service: Option<String>) -> Result<HeaderValue, Failed> {
        let realm = realm.and_then(|realm| Url::parse(&realm).ok());
        let realm = realm.ok_or_else(|| self.protocol("it names nobody who gives tokens"))?;
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let mut request = self.question(realm, service, actions);
        if let Some(Credentials::Basic { user, password }) = &self.credentials {
            request = request.header(AUTHORIZATION, self.header(&basic(user, password))?);
        }
        let response = request.send().await.map_err(|error| failed(&error, &self.name))?;
        let answer = read(response, &self.name, "a token", MAX_TOKEN).await?;
        if answer.status.is_client_error() {
            return Err(self.denied(answer.status).into());
        }
        if answer.status.is_redirection() {
            let why = format!("{} for a token; credentials follow no redirect", answer.status);
            return Err(self.protocol(&why).into());
        }
        let body = SecretBytes::new(answer.body);
        let token: Option<Token> = serde_json::from_slice(body.expose()).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        let token = SecretBytes::from(token.ok_or_else(|| self.protocol("its token is none"))?);
        Ok(self.header(&SecretBytes::new([b"Bearer ", token.expose()].concat()))?)
    }

    /// The request for a token. Apart, because the form's type cannot go from thread to thread.
    fn question(&self, mut realm: Url, service: Option<String>, actions: &str) -> reqwest::RequestBuilder {
        let mut question = url::form_urlencoded::Serializer::new(String::new());
        question.append_pair("scope", &format!("repository:{}:{actions}", self.repository));
        if let Some(service) = service {
            question.append_pair("service", &service);
        }
        match &self.credentials {
            Some(Credentials::Refresh(token)) => {
                question.append_pair("grant_type", "refresh_token");
                question.append_pair("client_id", "keyhole");
                question.append_pair("refresh_token", std::str::from_utf8(token.expose()).unwrap_or_default());
                self.tokens
                    .post(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(question.finish())
            }
            Some(Credentials::Basic { .. }) | None => {
                let question = question.finish();
                let query = match realm.query() {
                    Some(query) if !query.is_empty() => format!("{query}&{question}"),
                    _ => question,
                };
                realm.set_query(Some(&query));
                self.tokens.get(realm)
            }
        }
    }

    fn header(&self, text: &SecretBytes) -> Result<HeaderValue, SourceError> {
        let value = HeaderValue::from_bytes(text.expose());
        let mut value = value.map_err(|_| self.protocol("credentials that no header can hold"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn denied(&self, status: StatusCode) -> SourceError {
        let remedy = match (self.access, &self.credentials) {
            (Access::Pull, None) => "name credentials in spec.source.oci.pullSecret",
            (Access::Pull, Some(_)) => "the credentials of the pull secret do not suffice",
            (Access::Push, None) => "log in with `docker login`",
            (Access::Push, Some(_)) => "the credentials do not suffice",
        };
        SourceError::Denied {
            what: format!("{}/{}", self.name, self.repository),
            why: format!("{status}; {remedy}"),
        }
    }

    pub(super) fn protocol(&self, why: &str) -> SourceError {
        SourceError::Protocol {
            registry: self.name.clone(),
            why: why.to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic(user: &str, password: &SecretBytes) -> SecretBytes {
    let plain = SecretBytes::new([user.as_bytes(), b":", password.expose()].concat());
    format!("Basic {}", BASE64_STANDARD.encode(plain.expose())).into()
}
