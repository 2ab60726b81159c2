//! The server itself: HTTP/1.1 and 2, with TLS where the client begins with it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::{Heard, Played, matching};
use crate::recording::RecordedResponse;

/// The first byte of a TLS connection: a handshake record.
const TLS: u8 = 0x16;
/// Connections at once; a plugin's pool is smaller.
const CONNECTIONS: usize = 256;
/// Largest body that is read: what a grant allows is below.
const BODY: usize = 64 << 20;
/// From a connection to its first byte and through its handshake.
const OPENING: Duration = Duration::from_secs(10);
/// Status for what no recording answers.
const UNRECORDED: StatusCode = StatusCode::NOT_IMPLEMENTED;

type Shared = Arc<Mutex<Played>>;

pub(super) async fn start(authority: Authority, played: Shared) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let config = Arc::new(authority).server().map_err(io::Error::other)?;
    let tls = TlsAcceptor::from(Arc::new(config));
    Ok((address, tokio::spawn(serve(listener, tls, played))))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, played: Shared) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        // An accept that fails concerns one connection, or passes.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (tls, played) = (tls.clone(), Arc::clone(&played));
        connections.spawn(async move {
            match tokio::time::timeout(OPENING, open(stream, tls)).await {
                Ok(Ok(Opened::Plain(stream))) => talk(stream, "http", played).await,
                Ok(Ok(Opened::Tls(stream))) => talk(*stream, "https", played).await,
                Ok(Err(_)) | Err(_) => {}
            }
        });
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

async fn open(stream: TcpStream, tls: TlsAcceptor) -> io::Result<Opened> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first == [TLS] {
        Ok(Opened::Tls(Box::new(tls.accept(stream).await?)))
    } else {
        Ok(Opened::Plain(stream))
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, scheme: &'static str, played: Shared) {
    let service = service_fn(move |request: Request<Incoming>| {
        let played = Arc::clone(&played);
        async move { Ok::<_, Infallible>(respond(request, scheme, &played).await) }
    });
    // A client that hangs up is no concern of a recording.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: Request<Incoming>, scheme: &str, played: &Shared) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await else {
        return plain(StatusCode::BAD_REQUEST, "the request's body broke off".to_owned());
    };
    let host = head.uri.authority().map(ToString::to_string).or_else(|| {
        let host = head.headers.get(http::header::HOST)?;
        Some(host.to_str().ok()?.to_owned())
    });
    let mut heard = Heard {
        method: head.method.to_string(),
        url: url(scheme, &host.unwrap_or_default(), &head.uri),
        body: body.to_bytes().to_vec(),
        answered: false,
    };
    let answer = {
        let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = matching::answer(&mut played, &heard);
        heard.answered = answer.is_some();
        played.heard.push(heard.clone());
        answer
    };
    match answer {
        Some(answer) => recorded(&answer),
        None => plain(
            UNRECORDED,
            format!("no recording answers {} {}", heard.method, heard.url),
        ),
    }
}

fn url(scheme: &str, host: &str, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{host}{path}")
}

fn recorded(answer: &RecordedResponse) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(answer.bytes().into()))
        .unwrap_or_else(|error| plain(UNRECORDED, format!("the recorded answer is none: {error}")))
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}
