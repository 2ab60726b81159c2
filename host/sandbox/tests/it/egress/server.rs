//! HTTP servers on loopback that remember what reached them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
pub struct Log {
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// Stops with its value.
pub struct Server {
    pub address: SocketAddr,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

impl Server {
    /// Plain HTTP on 127.0.0.1.
    pub async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0", answer).await
    }

    pub async fn start_on(address: &str, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(address, None, Arc::new(answer)).await
    }

    /// HTTPS for these names; also the certificate, PEM.
    pub async fn tls(
        names: &[&str],
        alpn: &[&[u8]],
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> (Self, Vec<u8>) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let server = Self::serve(
            "127.0.0.1:0",
            Some(TlsAcceptor::from(Arc::new(config))),
            Arc::new(answer),
        )
        .await;
        (server, made.cert.pem().into_bytes())
    }

    async fn serve(
        address: &str,
        tls: Option<TlsAcceptor>,
        answer: Arc<dyn Fn(&Seen) -> Answer + Send + Sync>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let open = Open::new(Arc::clone(&shared));
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    match tls {
                        None => talk(stream, open, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, open, answer).await;
                            }
                        }
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, log, task }
    }

    /// A server that reads a head and then writes `reply`; `then` decides whether it hangs up.
    pub async fn raw(reply: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let (shared, reply) = (Arc::clone(&log), reply.into());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (open, reply) = (Open::new(Arc::clone(&shared)), reply.clone());
                connections.spawn(async move {
                    let _open = open;
                    let mut head = Vec::new();
                    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                        match stream.read_buf(&mut head).await {
                            Ok(1..) => {}
                            _ => return,
                        }
                    }
                    let _ = stream.write_all(&reply).await;
                    if then == Then::Stay {
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                });
            }
        });
        Self { address, log, task }
    }

    /// `name:port` of this server.
    pub fn at(&self, name: &str) -> String {
        format!("{name}:{}", self.address.port())
    }

    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    pub fn most_open(&self) -> usize {
        self.log.most_open.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.log.open.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Close,
    Stay,
}

/// Counts a connection while it is open.
struct Open(Arc<Log>);

impl Open {
    fn new(log: Arc<Log>) -> Self {
        log.connections.fetch_add(1, Ordering::SeqCst);
        let open = log.open.fetch_add(1, Ordering::SeqCst) + 1;
        log.most_open.fetch_max(open, Ordering::SeqCst);
        Self(log)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    open: Open,
    answer: Arc<dyn Fn(&Seen) -> Answer + Send + Sync>,
) {
    let log = Arc::clone(&open.0);
    let service = service_fn(move |request: Request<Incoming>| {
        let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let seen = Seen {
                method: head.method,
                uri: head.uri,
                version: head.version,
                headers: head.headers,
                body,
            };
            log.seen.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(answer(&seen))
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(open);
}

/// 200 with this text.
pub fn text(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()).boxed_unsync())
}

/// `parts` parts of `size` bytes, each `pause` after the one before.
pub fn parts(parts: usize, size: usize, pause: Duration) -> Answer {
    let body = stream::unfold(0, move |number| async move {
        if number == parts {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(Bytes::from(vec![b'y'; size]))), number + 1))
    });
    Response::new(StreamBody::new(body).boxed_unsync())
}

/// A listener that answers nothing: connections are accepted by the kernel alone.
pub fn silent() -> io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind("127.0.0.1:0")
}
