//! The HTTP server, on one thread and one more that decodes uploads: `POST /v1/decide`, `POST
//! /v1/audio/transcriptions`, `GET /healthz`, `GET /metrics`, and a page at `/` to try it.
//!
//! A connection carries one request. The limits are those of [`ServeSettings`] and the constants below. Requests of
//! pages that another site has open in a browser are refused.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::access::{Token, is_foreign_page, is_local_name};
use super::answer::{self, Refusal};
use super::queue::{Decision, Requests, Waiting};
use super::upload::{self, Upload};
use super::{Address, ServeSettings, queue};
use crate::act::command::Command;
use crate::report::metrics::Metrics;
use crate::runtime::status;
use crate::runtime::stop::{POLL_INTERVAL, Stop};
use crate::utterance::scratch::Scratch;

/// Most connections at once, with those that only ask for the health: more wait in the kernel's backlog.
const CONNECTIONS: usize = 64;
/// Longest wait for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection. Clients give up after a few minutes.
const LONGEST: Duration = Duration::from_secs(600);

/// Longest wait for the rest of a body that was refused, and most bytes of it.
const DRAIN: Duration = Duration::from_secs(2);
const MOST_DRAINED: usize = 16 << 20;
/// Time in which connections may end once the daemon stops: for answers that are ready.
const GRACE: Duration = Duration::from_secs(1);

/// What the server needs.
pub struct Server {
    /// Its settings.
    pub settings: ServeSettings,
    /// The token that requests must show.
    pub token: Option<Token>,
    /// Where uploads are held.
    pub scratch: Scratch,
    /// The queue to the decider.
    pub requests: Requests,
    /// The commands, for answers.
    pub commands: Arc<[Command]>,
    /// The metrics.
    pub metrics: Option<Metrics>,
}

/// A server at work.
struct Running {
    server: Server,
    /// Uploads that are taken or wait.
    taken: Cell<usize>,
    /// The turn to decode: one upload at a time.
    turn: Arc<Semaphore>,
}

/// The open socket of a server.
pub enum Socket {
    /// A TCP port.
    Tcp(std::net::TcpListener),
    /// A Unix socket, which is removed at the end.
    Unix(StdUnixListener, status::SocketFile),
}

impl Socket {
    /// Opens the socket at `address`.
    ///
    /// # Errors
    /// The kernel's, as when another program has the port.
    pub fn open(address: &Address) -> io::Result<Socket> {
        Ok(match address {
            Address::Tcp(address) => {
                let socket = std::net::TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Socket::Tcp(socket)
            }
            Address::Unix(path) => {
                let (socket, file) = status::listen(path)?;
                Socket::Unix(socket, file)
            }
        })
    }
}

/// Serves `socket` until `stop` is raised, and a second longer at most. Uploads that have not come in by then are
/// dropped.
///
/// # Errors
/// When the socket cannot be polled.
pub fn serve(socket: Socket, server: Server, stop: &Stop) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(1)
        .thread_name("serve-decode")
        .build()?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let running = Rc::new(Running { server, taken: Cell::new(0), turn: Arc::new(Semaphore::new(1)) });
    let served = LocalSet::new().block_on(&runtime, async move {
        let (listener, _file) = Listener::new(socket)?;
        while !stop.raised() {
            let Ok(Ok(room)) = timeout(POLL_INTERVAL, room.clone().acquire_owned()).await else { continue };
            match timeout(POLL_INTERVAL, listener.accept()).await {
                Err(_) => {}
                Ok(Ok(stream)) => {
                    let running = running.clone();
                    spawn_local(async move {
                        connection(stream, running).await;
                        drop(room);
                    });
                }
                Ok(Err(error)) => {
                    tracing::warn!("no connection: {error}");
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
        }
        let _cut = timeout(GRACE, room.acquire_many(CONNECTIONS as u32)).await;
        Ok(())
    });
    // An upload may still be decoded, and nobody waits for it.
    runtime.shutdown_background();
    served
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection, of whichever kind.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Stream for T {}

impl Listener {
    fn new(socket: Socket) -> io::Result<(Listener, Option<status::SocketFile>)> {
        Ok(match socket {
            Socket::Tcp(socket) => (Listener::Tcp(TcpListener::from_std(socket)?), None),
            Socket::Unix(socket, file) => (Listener::Unix(UnixListener::from_std(socket)?), Some(file)),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
            Listener::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn connection(stream: Box<dyn Stream>, running: Rc<Running>) {
    let answer = service_fn(|request| {
        let running = running.clone();
        async move { Ok::<_, Infallible>(respond(&running, request).await) }
    });
    let mut http = http1::Builder::new();
    http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(HEAD);
    let served = timeout(LONGEST, http.serve_connection(TokioIo::new(stream), answer)).await;
    if let Ok(Err(error)) = served {
        tracing::debug!("connection: {error}");
    }
}

async fn respond(running: &Rc<Running>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let begun = Instant::now();
    let (head, mut body) = request.into_parts();
    let answer = match route(running, &head, &mut body).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let _late = timeout(DRAIN, drain(&mut body)).await;
            refused(&refusal)
        }
    };
    let path = head.uri.path();
    if path.starts_with("/v1/") {
        running.server.metrics.iter().for_each(|metrics| metrics.upload(answer.status().as_u16()));
    }
    let ms = begun.elapsed().as_millis();
    tracing::debug!(method = %head.method, path, status = answer.status().as_u16(), ms, "request");
    answer
}

/// Takes the rest of a body that was refused, up to [`MOST_DRAINED`]: a client that still sends when the connection is
/// closed does not see the answer.
async fn drain(body: &mut Incoming) {
    let mut left = MOST_DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(bytes) else { return };
        left = less;
    }
}

async fn route(running: &Rc<Running>, head: &Parts, body: &mut Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
    let (server, path) = (&running.server, head.uri.path());
    if path == "/healthz" {
        only(&Method::GET, head)?;
        return Ok(object(&json!({"status": "ok", "uploads": running.taken.get()})));
    }
    if let Some((kind, file)) = page(path) {
        only(&Method::GET, head)?;
        return Ok(of_page(kind, file));
    }
    permit(server, head)?;
    match path {
        "/metrics" => {
            only(&Method::GET, head)?;
            let metrics = server.metrics.as_ref().map(Metrics::render).unwrap_or_default();
            Ok(text("text/plain; version=0.0.4", metrics))
        }
        "/v1/decide" => {
            only(&Method::POST, head)?;
            let act = acts(server, head.uri.query().unwrap_or_default())?;
            let (decision, _) = decided(running, head, body, act).await?;
            Ok(object(&answer::decision(&decision, &server.commands)?))
        }
        "/v1/audio/transcriptions" => {
            only(&Method::POST, head)?;
            let (decision, format) = decided(running, head, body, false).await?;
            Ok(match answer::transcript(&decision, format)? {
                Value::String(words) => text("text/plain; charset=utf-8", words + "\n"),
                transcript => object(&transcript),
            })
        }
        _ => Err(Refusal::new(404, "not_found", format!("there is no {path}"))),
    }
}

/// The page with which a person tries the server out: its files by path, each with its type.
fn page(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/" => Some(("text/html; charset=utf-8", include_str!("talk.html"))),
        "/talk.css" => Some(("text/css; charset=utf-8", include_str!("talk.css"))),
        "/talk.js" => Some(("text/javascript; charset=utf-8", include_str!("talk.js"))),
        "/talk-worklet.js" => Some(("text/javascript; charset=utf-8", include_str!("talk-worklet.js"))),
        _ => None,
    }
}

/// A file of the page, which may load nothing from elsewhere and be shown in no other page.
fn of_page(kind: &'static str, body: &'static str) -> Response<Full<Bytes>> {
    let mut answer = text(kind, body.into());
    let policy = "default-src 'self'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'";
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn only(method: &Method, head: &Parts) -> Result<(), Refusal> {
    if head.method == method {
        return Ok(());
    }
    let allow = if method == Method::GET { "GET" } else { "POST" };
    Err(Refusal { allow: Some(allow), ..Refusal::new(405, "method_not_allowed", format!("use {allow}")) })
}

/// Refuses who has no token, and pages of other sites.
fn permit(server: &Server, head: &Parts) -> Result<(), Refusal> {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (host, is_tcp) = (header(HOST), matches!(server.settings.listen, Address::Tcp(_)));
    if is_foreign_page(host, header(ORIGIN)) || server.token.is_none() && is_tcp && !is_local_name(host) {
        return Err(Refusal::new(403, "foreign_page", "pages of other sites may not use this server"));
    }
    match &server.token {
        Some(token) if !token.is_shown(header(AUTHORIZATION)) => Err(Refusal::new(
            401,
            "wrong_token",
            "the header \"Authorization: Bearer TOKEN\" is needed, with the right token",
        )),
        _ => Ok(()),
    }
}

/// Whether the upload asks to be carried out.
fn acts(server: &Server, query: &str) -> Result<bool, Refusal> {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("act="));
    match asked {
        None | Some("false") => Ok(false),
        Some("true") if server.settings.act => Ok(true),
        Some("true") => {
            Err(Refusal::new(403, "may_not_act", "uploads switch nothing here; [serve] act = true permits it"))
        }
        Some(_) => Err(Refusal::new(400, "invalid_value", "act is true or false").of("act")),
    }
}

/// A place among the uploads that are taken or wait; it is free again when this is dropped.
struct Place(Rc<Running>);

impl Place {
    fn take(running: &Rc<Running>) -> Result<Place, Refusal> {
        let most = running.server.settings.uploads;
        if running.taken.get() == most {
            let message = format!("{most} uploads wait already, which is the most that may; try again in a second");
            return Err(Refusal::new(429, "too_many_uploads", message));
        }
        running.taken.set(running.taken.get() + 1);
        Ok(Place(running.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.set(self.0.taken.get() - 1);
    }
}

/// Takes the upload, waits for its turn, and returns the decision and the form that was asked for.
async fn decided(
    running: &Rc<Running>,
    head: &Parts,
    body: &mut Incoming,
    act: bool,
) -> Result<(Decision, answer::Format), Refusal> {
    let _place = Place::take(running)?;
    let server = &running.server;
    let receiving = upload::receive(&head.headers, body, (&server.scratch, &running.turn), &server.settings);
    let seconds = server.settings.timeout.as_secs();
    let late = |_| Refusal::new(408, "too_slow", format!("the upload did not come in within {seconds} s"));
    let Upload { recording, format } = timeout(server.settings.timeout, receiving).await.map_err(late)??;
    let (say, said) = oneshot::channel();
    let answer: queue::Answer = Box::new(move |decision| drop(say.send(decision)));
    let stopping = || Refusal::new(503, "stopping", "the daemon is stopping; try again in a second");
    let waiting = Waiting::default();
    if !server.requests.offer(queue::Request::new(recording, act, answer, &waiting)) {
        return Err(Refusal::new(503, "busy", "no more recordings can wait now; try again in a second"));
    }
    Ok((said.await.map_err(|_| stopping())?, format))
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let mut answer = object(&refusal.body());
    *answer.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    if refusal.passes() {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if refusal.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(allow) = refusal.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

fn object(value: &Value) -> Response<Full<Bytes>> {
    text("application/json", format!("{value}\n"))
}

fn text(kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
