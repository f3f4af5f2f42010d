//! Makes connections on cold threads: name, TCP, TLS and the WebSocket upgrade.
//!
//! A feed requests a connection by its number and later receives a ready, non-blocking WebSocket or
//! an error. The feed never waits; it also decides when to try and how often.
//!
//! Attempts are independent: each has a thread of its own while it lasts, so that a venue whose answer
//! trickles holds up nobody else. A feed makes at most one attempt for each of its connections, which
//! bounds the threads. An attempt first passes the [`Gate`] of its host. Then its deadline begins,
//! which holds for all steps together: each read and write waits for no longer than what is left.

use crate::socket::connect_error::{self, ConnectError, KEPT_MAX, Step};
use crate::socket::gate::Gate;
use crate::socket::lookup::{Lookups, NotFound};
use crate::socket::race::{self, Lost};
use crate::socket::socket_options::SocketOptions;
use crate::socket::web_socket::WebSocket;
use crate::socket::wire::{self, Received, Wire};
use crossbeam::channel::{self, Receiver, Sender};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use spreadwire_config::address::Address;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::client::Response;
use tungstenite::handshake::{HandshakeError, HandshakeRole};
use tungstenite::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use tungstenite::protocol::{Role, WebSocketConfig};

/// Deadline of an attempt: name lookup, TCP, TLS and upgrade together, ns.
pub const ATTEMPT_MAX: Nanos = 10 * SECOND;
/// Longest wait for the body of a refusal, ns. A server may keep the connection open behind it.
const BODY_WAIT: Nanos = SECOND;
/// Maximum number of descriptors of an attempt: a socket for each address, and an epoll.
pub const DESCRIPTORS_MAX: usize = race::ADDRESSES_MAX + 1;
/// Stack of an attempt's thread, bytes. A TLS handshake needs less than 100 KiB.
pub const STACK: usize = 1 << 20;

/// Destination and settings of a connection.
#[derive(Clone, Debug)]
pub struct Target {
    /// The full address, including the path.
    pub address: Address,
    /// TLS configuration, used for `wss://`.
    pub tls: Arc<ClientConfig>,
    /// Socket options for reading.
    pub options: SocketOptions,
    /// Headers of the request for the WebSocket, beside the usual ones.
    pub headers: &'static [(&'static str, &'static str)],
}

/// A feed's request to make connection number `connection` by route number `route`.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The connection's number within its feed, which the answer bears.
    pub connection: usize,
    /// The route's number within its feed.
    pub route: usize,
    /// Whether the line that it is for replaces one that still works. Such an attempt leaves a part
    /// of the venue's limit to others.
    pub is_spare: bool,
}

/// Result of a request.
#[derive(Debug)]
pub struct Connected {
    /// The requested connection's number.
    pub connection: usize,
    /// The socket, or the reason why there is none.
    pub socket: Result<Box<WebSocket>, ConnectError>,
}

/// Returns the trust settings for `wss://`: Mozilla's roots, plus the certificates of a PEM file if
/// one is given.
///
/// # Errors
/// A sentence about the file, if it cannot be read or contains no certificate.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        add_certificates(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = PathBuf::from(path);
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{}: {error}", shown.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: contains no certificate in PEM form", shown.display()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("{}: {error}", shown.display()))?;
    }
    Ok(())
}

/// A destination, and the gate of its host.
#[derive(Clone, Debug)]
pub struct Route {
    /// The venue's name, for the log.
    pub venue: &'static str,
    /// The destination.
    pub target: Target,
    /// Counts the attempts to its host.
    pub gate: Gate,
}

/// Makes the connections of one feed.
#[derive(Debug)]
pub struct Connector {
    routes: Vec<Route>,
    lookups: Lookups,
    clock: Clock,
    /// Deadline of an attempt, ns.
    patience: Nanos,
}

impl Connector {
    /// Creates a connector. A route's number is its place in `routes`.
    #[must_use]
    pub fn new(routes: Vec<Route>, lookups: Lookups, clock: Clock) -> Arc<Connector> {
        Arc::new(Connector { routes, lookups, clock, patience: ATTEMPT_MAX })
    }

    /// Serves the feed's requests until the feed is dropped. This is the main function of a cold
    /// thread. Attempts that are under way then end by themselves, at the latest at their deadline.
    pub fn serve(self: &Arc<Self>, requests: &Receiver<Request>, answers: &Sender<Connected>) {
        // Dropped with this function, which wakes the attempts that wait at a gate.
        let (_open, ending) = channel::bounded::<Infallible>(0);
        for request in requests {
            if let Err(error) = self.begin(request, answers, &ending) {
                let Request { connection, .. } = request;
                let socket = Err(ConnectError::Io(error).named());
                if answers.send(Connected { connection, socket }).is_err() {
                    return;
                }
            }
        }
    }

    /// Starts the thread of an attempt.
    fn begin(
        self: &Arc<Self>,
        Request { connection, route, is_spare }: Request,
        answers: &Sender<Connected>,
        ending: &Receiver<Infallible>,
    ) -> io::Result<()> {
        let (this, answers, ending) = (Arc::clone(self), answers.clone(), ending.clone());
        let attempt = move || {
            let socket = || this.attempt(&this.routes[route], is_spare, &ending);
            // The connection waits for an answer and would never be made again without one.
            let socket = panic::catch_unwind(AssertUnwindSafe(socket))
                .unwrap_or(Some(Err(ConnectError::Panicked)));
            if let Some(socket) = socket {
                // If the feed is gone, nobody misses the answer.
                drop(answers.send(Connected { connection, socket: socket.map(Box::new) }));
            }
        };
        // Not joined: nothing waits for it, and its deadline ends it.
        let thread = std::thread::Builder::new().name(format!("connect #{connection}"));
        thread.stack_size(STACK).spawn(attempt).map(drop)
    }

    /// Makes one attempt when the gate lets it pass. Returns `None` if the feed ends before.
    fn attempt(
        &self,
        route: &Route,
        is_spare: bool,
        ending: &Receiver<Infallible>,
    ) -> Option<Result<WebSocket, ConnectError>> {
        let Route { venue, target, gate } = route;
        if is_spare {
            if let Err(wait) = gate.pass_sparing(&self.clock, ending)? {
                return Some(Err(ConnectError::Spared { wait }));
            }
        } else {
            gate.pass(&format!("{venue} ({})", target.address.host), &self.clock, ending)?;
        }
        let may_join = |now| gate.try_pass(now);
        let attempt = Attempt::new(target, &self.lookups, &self.clock, self.patience);
        let result = attempt.run(may_join).map_err(ConnectError::named);
        if let Err(error) = &result
            && error.closes_the_host()
        {
            gate.close(self.clock.now().saturating_add(error.floor()));
        }
        Some(result)
    }
}

/// Makes one connection, blocking and without a gate, and returns it ready for non-blocking reads.
///
/// # Errors
/// [`ConnectError`]; nothing is left open.
pub fn connect(target: &Target, clock: &Clock) -> Result<WebSocket, ConnectError> {
    Attempt::new(target, &Lookups::of_system(), clock, ATTEMPT_MAX).run(|_| Ok(()))
}

/// One attempt.
struct Attempt<'a> {
    target: &'a Target,
    lookups: &'a Lookups,
    clock: &'a Clock,
    began: Nanos,
    /// The deadline.
    until: Nanos,
}

impl<'a> Attempt<'a> {
    fn new(
        target: &'a Target,
        lookups: &'a Lookups,
        clock: &'a Clock,
        patience: Nanos,
    ) -> Attempt<'a> {
        let began = clock.now();
        Attempt { target, lookups, clock, began, until: began.saturating_add(patience) }
    }

    fn run(
        &self,
        may_join: impl FnMut(Nanos) -> Result<(), Nanos>,
    ) -> Result<WebSocket, ConnectError> {
        let Address { secure, host, .. } = &self.target.address;
        let tcp = self.reach(&self.look_up()?, may_join)?;
        tcp.set_nodelay(true)?;
        // Refused options were reported at startup.
        drop(self.target.options.apply(&tcp));
        let mut wire = Wire::new(tcp, self.clock.clone(), &self.target.options);
        wire.set_deadline(self.until);
        if *secure {
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|_| ConnectError::BadName(host.clone()))?;
            wire.secure(&self.target.tls, name)
                .map_err(|error| self.unless_late(Step::Tls, error, ConnectError::Tls))?;
        }
        self.upgrade(wire)
    }

    fn look_up(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let Address { host, port, .. } = &self.target.address;
        let left = Duration::from_nanos(self.until.saturating_sub(self.clock.now()));
        self.lookups.look_up(host, *port, left).map_err(|error| match error {
            NotFound::Failed(source) => ConnectError::Lookup { host: host.clone(), source },
            NotFound::Late => self.timed_out(Step::Lookup),
            NotFound::Hanging(count) => ConnectError::LookupsHang(count),
        })
    }

    fn reach(
        &self,
        addresses: &[SocketAddr],
        may_join: impl FnMut(Nanos) -> Result<(), Nanos>,
    ) -> Result<TcpStream, ConnectError> {
        let Address { host, port, .. } = &self.target.address;
        race::connect(addresses, self.clock, self.until, may_join).map_err(|lost| match lost {
            Lost::Late => self.timed_out(Step::Tcp),
            Lost::Failed(source) => {
                ConnectError::Unreachable { address: format!("{host}:{port}"), source }
            }
        })
    }

    fn upgrade(&self, mut wire: Wire) -> Result<WebSocket, ConnectError> {
        let mut request = self.target.address.url.as_str().into_client_request();
        if let Ok(request) = &mut request {
            let own = self.target.headers.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            request.headers_mut().extend(own);
        }
        let request = request.map_err(|error| ConnectError::Upgrade(in_words(&error)))?;
        // The library borrows the stream, so that the body of a refusal can be read afterwards. The
        // stream lets it read the head alone, so nothing is lost when it is dropped.
        let result = tungstenite::client::client_with_config(request, &mut wire, Some(settings()));
        let result = result.map(drop).map_err(failure);
        let head = wire.take_head();
        match result {
            Ok(()) => {}
            Err(tungstenite::Error::Http(response)) => {
                return Err(self.refused(&Answer::of_response(&response), &mut wire));
            }
            Err(tungstenite::Error::Io(error)) => {
                let other = |error: io::Error| ConnectError::Upgrade(error.to_string());
                return Err(self.unless_late(Step::Upgrade, error, other));
            }
            // The library gives up a head that it cannot read. What can be read of it still counts.
            Err(error) => {
                return Err(match Answer::of_head(&head) {
                    Some(answer) => self.refused(&answer, &mut wire),
                    None => ConnectError::Upgrade(in_words(&error)),
                });
            }
        }
        if !wire.is_upgraded() {
            let why = "the answer ends without an empty line".to_owned();
            return Err(ConnectError::Upgrade(why));
        }
        wire.set_nonblocking()?;
        let library = tungstenite::WebSocket::from_raw_socket(wire, Role::Client, Some(settings()));
        Ok(WebSocket::new(library))
    }

    /// Keeps what is known of an answer that is no upgrade.
    fn refused(&self, answer: &Answer, wire: &mut Wire) -> ConnectError {
        let retry_after = answer.header(&RETRY_AFTER);
        let retry_after =
            retry_after.and_then(|value| connect_error::retry_after(&value, self.clock.now()));
        let length = answer.header(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
        wire.set_deadline(self.until.min(self.clock.now().saturating_add(BODY_WAIT)));
        ConnectError::Refused {
            status: answer.status,
            retry_after,
            location: answer.header(&LOCATION),
            body: first_bytes(wire, length.unwrap_or(KEPT_MAX).min(KEPT_MAX)),
        }
    }

    fn unless_late(
        &self,
        step: Step,
        error: io::Error,
        other: impl FnOnce(io::Error) -> ConnectError,
    ) -> ConnectError {
        if wire::is_late(&error) { self.timed_out(step) } else { other(error) }
    }

    fn timed_out(&self, step: Step) -> ConnectError {
        let after = Duration::from_nanos(self.clock.now().saturating_sub(self.began));
        ConnectError::TimedOut { step, after }
    }
}

/// The head of an answer that is no upgrade.
struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl Answer {
    fn of_response(response: &Response) -> Answer {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let headers = response.headers().iter().map(header).collect();
        Answer { status: response.status().as_u16(), headers }
    }

    /// Reads as much as possible of a head that the library refuses. Returns `None` if it does not
    /// begin with a status, or with that of an upgrade.
    fn of_head(head: &[u8]) -> Option<Answer> {
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = lines.next()?.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        };
        let headers = lines.filter_map(header).collect();
        (status != 101).then_some(Answer { status, headers })
    }

    /// Returns the begin of a header's value.
    fn header(&self, name: &HeaderName) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name.as_str())?;
        Some(String::from_utf8_lossy(&value[..value.len().min(KEPT_MAX)]).into_owned())
    }
}

fn failure<R: HandshakeRole>(error: HandshakeError<R>) -> tungstenite::Error {
    match error {
        HandshakeError::Failure(error) => error,
        // A socket that blocks is not interrupted.
        HandshakeError::Interrupted(_) => io::Error::from(io::ErrorKind::WouldBlock).into(),
    }
}

/// Returns why an upgrade failed, where the library's own words would not tell.
fn in_words(error: &tungstenite::Error) -> String {
    if matches!(error, tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete)) {
        return "the venue closed the connection before its answer was complete".to_owned();
    }
    if matches!(error, tungstenite::Error::AttackAttempt) {
        return "the head of the answer is too long, or comes in too many pieces".to_owned();
    }
    error.to_string()
}

/// Returns up to `count` bytes that follow, as many as come before the stream's end or deadline.
fn first_bytes(wire: &mut Wire, count: usize) -> Vec<u8> {
    while wire.waiting().len() < count {
        match wire.fill() {
            Ok(Received::Bytes) => {}
            Ok(Received::Nothing | Received::Ended) | Err(_) => break,
        }
    }
    let waiting = wire.waiting();
    waiting[..waiting.len().min(count)].to_vec()
}

/// Small read sizes: tungstenite zero-fills its read buffer before every read, and the reads here
/// are usually small.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

/// Longest accepted message, bytes. A longer one ends the connection, because a socket's memory
/// must be bounded. A shorter message that exceeds what decoders read is rejected and counted, and
/// the connection continues.
pub const MESSAGE_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests;
