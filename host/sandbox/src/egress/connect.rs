//! Connections of one plugin: resolve, check every address, connect to one that passed.
//!
//! The check is in the connector, on the socket address, because everything earlier sees only a name,
//! and there is one look-up per connection: a name that changes its address between a check and a
//! second look-up would get past the check.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use keyhole_core::EgressError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::address::{AddressRules, Named};
use super::aws;
use super::cause::unreachable;
use super::destination::{Destination, Host};
use super::network::Network;
use super::policy::GrantError;
use super::resolve::{Bounded, Resolve};
use super::tls::{self, Alpn};
use crate::grant::AwsGrant;

/// Makes the connections of a plugin's pool.
#[derive(Clone)]
pub(super) struct Connector {
    resolver: Arc<dyn Resolve>,
    proxy: Option<Arc<Matcher>>,
    rules: Arc<AddressRules>,
    aws: Arc<[AwsGrant]>,
    tls: TlsConnector,
    proxy_tls: TlsConnector,
    within: Duration,
    detour: Option<SocketAddr>,
    for_overrides: bool,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type BoxIo = Box<dyn Io>;

/// More addresses than this are not tried: each costs part of the connection's time.
const ADDRESSES: usize = 8;

impl Connector {
    pub(super) fn new(
        network: &Network,
        ca_bundle: &[u8],
        rules: Arc<AddressRules>,
        aws: Arc<[AwsGrant]>,
    ) -> Result<Self, GrantError> {
        let roots = tls::with_bundle(&network.roots, ca_bundle)?;
        Ok(Self {
            resolver: Arc::new(Bounded::new(Arc::clone(&network.resolver))),
            proxy: network.proxy.clone(),
            rules,
            aws,
            tls: tls::connector(roots, Alpn::Any)?,
            proxy_tls: tls::connector(Arc::clone(&network.roots), Alpn::Http1)?,
            within: network.timeouts.connect,
            detour: network.detour,
            for_overrides: false,
        })
    }

    /// The same for destinations that the operator's environment names.
    pub(super) fn for_overrides(&self) -> Self {
        Self {
            for_overrides: true,
            ..self.clone()
        }
    }

    async fn connect(self, uri: Uri) -> Result<Stream, EgressError> {
        let to = Destination::of(&uri)?;
        let proxy = if to.is_tls() {
            self.proxy.as_ref().and_then(|proxy| proxy.intercept(&uri))
        } else {
            None
        };
        let io = match proxy {
            Some(proxy) => self.tunnel(&to, uri, proxy).await?,
            None => self.dial(to.host(), to.port(), self.named(&to)).await?,
        };
        if !to.is_tls() {
            return Ok(Stream {
                io: TokioIo::new(io),
                h2: false,
            });
        }
        let (io, h2) = handshake(&self.tls, to.host(), io).await?;
        Ok(Stream {
            io: TokioIo::new(io),
            h2,
        })
    }

    fn named(&self, to: &Destination) -> Named {
        match to.host() {
            _ if self.for_overrides => Named::AsOverride,
            Host::Address(_) => Named::ByLiteral,
            Host::Name(name) if aws::endpoint(name, &self.aws).is_some() => Named::AsAwsEndpoint,
            Host::Name(_) => Named::ByName,
        }
    }

    /// A connection to one of the host's addresses, each checked before anything is sent to it.
    async fn dial(&self, host: &Host, port: u16, named: Named) -> Result<BoxIo, EgressError> {
        let addresses = match host {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            Host::Name(name) => self
                .resolver
                .resolve(name, port)
                .await
                .map_err(|error| EgressError::Unreachable {
                    host: host.to_string(),
                    why: format!("the name cannot be resolved ({})", error.kind()),
                })?,
        };
        let mut allowed = Vec::new();
        let mut prohibited = None;
        for address in addresses {
            match self.rules.check(address, named) {
                Ok(()) => allowed.push(address),
                Err(why) => {
                    let refusal = EgressError::AddressProhibited {
                        host: host.to_string(),
                        address: address.ip(),
                        why,
                    };
                    prohibited.get_or_insert(refusal);
                }
            }
        }
        allowed.truncate(ADDRESSES);
        let mut last = prohibited.unwrap_or_else(|| EgressError::Unreachable {
            host: host.to_string(),
            why: "the name has no address".to_owned(),
        });
        let until = Instant::now() + self.within;
        let mut left = u32::try_from(allowed.len()).unwrap_or(1);
        for address in allowed {
            // An address that swallows packets may use up its share of the time, not all of it.
            let share = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match timeout(share, TcpStream::connect(self.detour.unwrap_or(address))).await {
                Ok(Ok(stream)) => {
                    stream
                        .set_nodelay(true)
                        .map_err(|error| unreachable(&host.to_string(), &error))?;
                    return Ok(Box::new(stream));
                }
                Ok(Err(error)) => last = unreachable(&host.to_string(), &error),
                Err(_) => last = self.timed_out(host),
            }
        }
        Err(last)
    }

    /// A connection through the operator's proxy: the proxy is what is connected to and checked. A name
    /// is resolved there; an address literal was checked with the request.
    async fn tunnel(&self, to: &Destination, uri: Uri, proxy: Intercept) -> Result<BoxIo, EgressError> {
        let at = Destination::of(proxy.uri()).map_err(|_| EgressError::Unreachable {
            host: to.to_string(),
            why: "the proxy of HTTPS_PROXY, ALL_PROXY or HTTP_PROXY is no http or https URL".to_owned(),
        })?;
        let io = self.dial(at.host(), at.port(), Named::AsProxy).await?;
        let io = if at.is_tls() {
            handshake(&self.proxy_tls, at.host(), io).await?.0
        } else {
            io
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), Established(Some(TokioIo::new(io))));
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        match tunnel.call(uri).await {
            Ok(io) => Ok(io.into_inner()),
            Err(error) => Err(EgressError::Unreachable {
                host: to.to_string(),
                why: format!("proxy {at}: {error}"),
            }),
        }
    }

    fn timed_out(&self, host: &Host) -> EgressError {
        EgressError::TimedOut {
            host: host.to_string(),
            what: "accept a connection",
            after: self.within,
        }
    }
}

async fn handshake(tls: &TlsConnector, host: &Host, io: BoxIo) -> Result<(BoxIo, bool), EgressError> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.to_string())
            .map_err(|_| EgressError::HostNotGranted { host: host.to_string() })?,
        Host::Address(address) => ServerName::from(*address),
    };
    let io = tls
        .connect(name, io)
        .await
        .map_err(|error| unreachable(&host.to_string(), &error))?;
    let h2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Box::new(io), h2))
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = EgressError;
    type Future = BoxFuture<'static, Result<Stream, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let until = Instant::now() + connector.within;
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            let after = connector.within;
            match timeout_at(until, connector.connect(uri)).await {
                Ok(result) => result,
                Err(_) => Err(EgressError::TimedOut {
                    host,
                    what: "accept a connection",
                    after,
                }),
            }
        })
    }
}

/// The connection to the proxy, for [`Tunnel`], which wants to be given it by a connector.
struct Established(Option<TokioIo<BoxIo>>);

impl Service<Uri> for Established {
    type Response = TokioIo<BoxIo>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<BoxIo>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// A connection, encrypted or not.
pub(super) struct Stream {
    io: TokioIo<BoxIo>,
    h2: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        if self.h2 {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Runs the tasks of a plugin's connections until its policy is dropped.
#[derive(Clone)]
pub(super) struct Tasks(CancellationToken);

impl Tasks {
    pub(super) fn new(closing: CancellationToken) -> Self {
        Self(closing)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let closing = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = task => {}
            }
        });
    }
}
