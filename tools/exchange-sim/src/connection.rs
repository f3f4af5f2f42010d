//! One client's connection: TCP, TLS if asked for, the handshake and the WebSocket, or one answer to a
//! REST request.
//!
//! No call blocks. Bytes that a full socket does not take stay buffered. The connection is then
//! blocked until they have left, which keeps the server from producing more.

mod heartbeat;
mod message_rate;
mod transport;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read as _, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::StatusCode;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes};

use crate::connection::heartbeat::Heartbeat;
use crate::connection::message_rate::MessageRate;
use crate::rest::{self, Head, Request as RestRequest};
use crate::venue::{Form, Route, Session, Venue};

pub(crate) use crate::connection::heartbeat::Beat;
pub(crate) use crate::connection::transport::Transport;

/// Length of the read buffer, in bytes. Clients send short requests, so a larger buffer for each
/// connection would be waste.
const READ_BUFFER_LEN: usize = 4096;

/// Length of the longest request accepted, in bytes. OKX allows 64 KB of args.
const REQUEST_LEN_MAX: usize = 128 << 10;

/// The part of a handshake that asks the venue for the route of the requested path.
pub(crate) struct Router {
    venue: &'static dyn Venue,
    /// Paths of WebSockets for orders.
    order_paths: &'static [&'static str],
    /// Where the route is left for the connection.
    answer: Rc<RefCell<Option<Route>>>,
}

impl Callback for Router {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let uri = request.uri();
        let route = if self.order_paths.contains(&uri.path()) {
            let query = uri.query().unwrap_or_default().to_owned();
            Route::Orders { path: uri.path().to_owned(), query }
        } else {
            self.venue.route(uri.path(), uri.query())
        };
        let is_found = route != Route::NotFound;
        *self.answer.borrow_mut() = Some(route);
        if is_found {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("no such path".to_owned()));
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    }
}

type Handshake = MidHandshake<ServerHandshake<Transport, Router>>;

/// The stages of a connection.
enum Stage {
    /// The head of the request is being read.
    Head(Box<Asking>),
    Handshake(Option<Box<Handshake>>),
    /// The rest of an answer to a REST request is being sent.
    Answer(Box<Transport>, Vec<u8>),
    Open(Box<WebSocket<Transport>>),
    Gone,
}

/// A connection whose first bytes are not complete.
struct Asking {
    transport: Transport,
    router: Router,
    read: Vec<u8>,
}

/// How a connection ends, once everything sent before has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a TCP reset.
    Reset,
    /// In the middle of a WebSocket frame. This is the part of it that is sent.
    Cut(Vec<u8>),
}

/// A message from the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A text message.
    Text(Utf8Bytes),
    /// A protocol ping. Its pong is already buffered.
    Ping,
    /// A protocol pong.
    Pong,
    /// A message that venues do not answer.
    Other,
}

/// The state of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HandshakeStep {
    /// More bytes are needed.
    NotYet,
    /// The WebSocket is open on this route.
    Open(Route),
    /// The client asks the REST API for this.
    Asked(Box<RestRequest>),
    /// The handshake has failed.
    Failed,
}

/// One client's connection.
pub(crate) struct Connection {
    /// Index of its market.
    pub(crate) market: usize,
    /// What the venue knows about the client.
    pub(crate) session: Session,
    stage: Stage,
    /// How texts are sent.
    form: Form,
    /// Whether the handshake has completed.
    was_open: bool,
    /// Where the handshake leaves the route.
    route: Rc<RefCell<Option<Route>>>,
    /// How the connection ends once its buffer is empty, if it is to end.
    ending: Option<Ending>,
    /// Whether something was written and not flushed.
    is_dirty: bool,
    /// If the last flush was incomplete: when the socket took its last byte, in ns, and the number
    /// of bytes that it had taken by then.
    blocked: Option<(u64, u64)>,
    /// Whether input may have been left unread in the socket.
    pub(crate) is_unread: bool,
    /// When the TCP connection was accepted, in ns.
    pub(crate) accepted_ns: u64,
    /// Pings and idle time since the WebSocket opened.
    pub(crate) heartbeat: Heartbeat,
    /// Until when a fault stalls the connection, in ns.
    pub(crate) stalled_until_ns: Option<u64>,
    /// When the closing handshake began, in ns.
    pub(crate) closing_ns: Option<u64>,
    /// Messages received within the last second.
    pub(crate) inbound: MessageRate,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = &self.session;
        f.debug_struct("Connection").field("session", session).finish_non_exhaustive()
    }
}

impl Connection {
    /// Starts with an accepted connection. `id` is the venue's id for it, and `order_paths` are the
    /// paths of its WebSockets for orders.
    pub(crate) fn new(
        transport: Transport,
        market: usize,
        venue: &'static dyn Venue,
        order_paths: &'static [&'static str],
        id: String,
        now_ns: u64,
    ) -> Connection {
        let route = Rc::new(RefCell::new(None));
        let router = Router { venue, order_paths, answer: Rc::clone(&route) };
        Connection {
            market,
            session: Session { id, ..Session::default() },
            stage: Stage::Head(Box::new(Asking { transport, router, read: Vec::new() })),
            form: venue.form(),
            was_open: false,
            route,
            ending: None,
            is_dirty: false,
            blocked: None,
            is_unread: false,
            accepted_ns: now_ns,
            heartbeat: Heartbeat::new(now_ns),
            stalled_until_ns: None,
            closing_ns: None,
            inbound: MessageRate::default(),
        }
    }

    /// Returns whether the WebSocket is open.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Returns whether the connection has ended.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    /// Returns whether the handshake has completed.
    pub(crate) fn was_open(&self) -> bool {
        self.was_open
    }

    /// Returns whether the connection ends as soon as its buffer is empty.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns whether the connection takes data: it is open, and neither closing nor ending.
    pub(crate) fn is_live(&self) -> bool {
        self.is_open() && self.closing_ns.is_none() && self.ending.is_none()
    }

    /// Returns whether the socket is full.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Returns whether something was written and not flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Returns for how long a full socket has taken nothing, in ns. Returns 0 if it is not full.
    pub(crate) fn stuck_ns(&self, now_ns: u64) -> u64 {
        self.blocked.map_or(0, |(since_ns, _)| now_ns.saturating_sub(since_ns))
    }

    /// Continues the handshake. The heartbeat starts when the handshake completes.
    pub(crate) fn handshake(&mut self, now_ns: u64) -> HandshakeStep {
        if let Stage::Head(asking) = &mut self.stage {
            match asking.read_head() {
                Ok(Head::Incomplete) => return HandshakeStep::NotYet,
                Ok(Head::Ask(request)) => return HandshakeStep::Asked(request),
                Ok(Head::WebSocket) => self.start_handshake(),
                Err(_) => {
                    self.stage = Stage::Gone;
                    return HandshakeStep::Failed;
                }
            }
        }
        let Stage::Handshake(handshake) = &mut self.stage else { return HandshakeStep::NotYet };
        let Some(mid) = handshake.take() else { return HandshakeStep::Failed };
        match mid.handshake() {
            Ok(socket) => {
                self.stage = Stage::Open(Box::new(socket));
                self.was_open = true;
                self.heartbeat = Heartbeat::new(now_ns);
                let route = self.route.borrow_mut().take();
                route.map_or(HandshakeStep::Failed, HandshakeStep::Open)
            }
            Err(HandshakeError::Interrupted(mid)) => {
                *handshake = Some(Box::new(mid));
                HandshakeStep::NotYet
            }
            Err(HandshakeError::Failure(_)) => {
                self.stage = Stage::Gone;
                HandshakeStep::Failed
            }
        }
    }

    /// Hands the bytes read so far to the handshake of the WebSocket.
    fn start_handshake(&mut self) {
        let Stage::Head(asking) = std::mem::replace(&mut self.stage, Stage::Gone) else { return };
        let Asking { mut transport, router, read } = *asking;
        transport.unread(read);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_LEN)
            .max_message_size(Some(REQUEST_LEN_MAX))
            .max_frame_size(Some(REQUEST_LEN_MAX));
        let handshake = ServerHandshake::start(transport, router, Some(config));
        self.stage = Stage::Handshake(Some(Box::new(handshake)));
    }

    /// Answers a REST request; [`flush`](Self::flush) sends the answer and ends the connection.
    pub(crate) fn answer(&mut self, response: Vec<u8>) {
        let Stage::Head(asking) = std::mem::replace(&mut self.stage, Stage::Gone) else { return };
        self.stage = Stage::Answer(Box::new(asking.transport), response);
        self.is_dirty = true;
    }

    /// Reads one message. Returns `None` if there is none for now or the connection is gone.
    pub(crate) fn read(&mut self) -> Option<Received> {
        let Stage::Open(socket) = &mut self.stage else { return None };
        match socket.read() {
            Ok(Message::Text(text)) => Some(Received::Text(text)),
            Ok(Message::Ping(_)) => {
                self.is_dirty = true;
                Some(Received::Ping)
            }
            Ok(Message::Pong(_)) => Some(Received::Pong),
            Ok(Message::Close(_)) => {
                self.is_dirty = true;
                Some(Received::Other)
            }
            Ok(Message::Binary(_) | Message::Frame(_)) => Some(Received::Other),
            Err(problem) if would_block(&problem) => None,
            Err(_) => {
                self.stage = Stage::Gone;
                None
            }
        }
    }

    /// Buffers a message, a text in the venue's form; [`flush`](Self::flush) sends it.
    pub(crate) fn send(&mut self, message: Message, now_ns: u64) {
        let message = match (message, self.form) {
            (Message::Text(text), form @ (Form::Binary | Form::Gzip | Form::Protobuf)) => {
                form.message(&text)
            }
            (message, _) => message,
        };
        let Stage::Open(socket) = &mut self.stage else { return };
        self.is_dirty = true;
        self.heartbeat.on_sent(now_ns);
        match socket.write(message) {
            Ok(()) => {}
            // The message is in the buffer nevertheless.
            Err(problem) if would_block(&problem) => self.note_blocked(now_ns),
            Err(_) => self.stage = Stage::Gone,
        }
    }

    /// Sends what is buffered, as far as the socket takes it. If all of it has left, ends the
    /// connection where [`end`](Self::end) asked for it.
    pub(crate) fn flush(&mut self, now_ns: u64) {
        if matches!(self.stage, Stage::Answer(..)) {
            return self.flush_answer(now_ns);
        }
        let Stage::Open(socket) = &mut self.stage else { return };
        match socket.flush() {
            Ok(()) => {
                self.is_dirty = false;
                self.blocked = None;
                if let Some(ending) = self.ending.take() {
                    self.finish(&ending);
                }
            }
            Err(problem) if would_block(&problem) => self.note_blocked(now_ns),
            Err(_) => self.stage = Stage::Gone,
        }
    }

    /// Sends as much of an answer as the socket takes, and ends the connection after the last byte.
    fn flush_answer(&mut self, now_ns: u64) {
        let Stage::Answer(transport, left) = &mut self.stage else { return };
        while !left.is_empty() {
            match transport.write(left) {
                Ok(0) => break,
                Ok(count) => drop(left.drain(..count)),
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    return self.note_blocked(now_ns);
                }
                Err(_) => break,
            }
        }
        match transport.flush() {
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                self.note_blocked(now_ns);
            }
            Ok(()) | Err(_) => {
                (self.is_dirty, self.blocked) = (false, None);
                self.stage = Stage::Gone;
            }
        }
    }

    /// Starts the closing handshake of the WebSocket.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str, now_ns: u64) {
        let Stage::Open(socket) = &mut self.stage else { return };
        self.is_dirty = true;
        self.closing_ns.get_or_insert(now_ns);
        match socket.close(Some(CloseFrame { code, reason: reason.into() })) {
            Ok(()) => {}
            Err(problem) if would_block(&problem) => self.note_blocked(now_ns),
            Err(_) => self.stage = Stage::Gone,
        }
    }

    /// Ends the connection once everything sent before has left.
    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.is_dirty = true;
    }

    /// Drops the connection without telling the client.
    pub(crate) fn abandon(&mut self) {
        self.stage = Stage::Gone;
    }

    fn note_blocked(&mut self, now_ns: u64) {
        let written = match &self.stage {
            Stage::Open(socket) => socket.get_ref().written(),
            Stage::Answer(transport, _) => transport.written(),
            Stage::Head(_) | Stage::Handshake(_) | Stage::Gone => return,
        };
        // A byte taken restarts the wait.
        if self.blocked.is_none_or(|(_, before)| before != written) {
            self.blocked = Some((now_ns, written));
        }
    }

    /// Ends the connection now.
    fn finish(&mut self, ending: &Ending) {
        let Stage::Open(socket) = &mut self.stage else { return };
        let transport = socket.get_mut();
        let ended = match ending {
            Ending::Reset => {
                let line = socket2::SockRef::from(&*transport.tcp());
                line.set_linger(Some(Duration::ZERO))
            }
            Ending::Cut(beginning) => transport
                .write(beginning)
                .and_then(|_| transport.flush())
                .and_then(|()| transport.tcp().shutdown(Shutdown::Write)),
        };
        // If this fails, the socket has already ended, which is what was asked for.
        drop(ended);
        self.stage = Stage::Gone;
    }
}

impl Asking {
    /// Reads what there is, up to the end of the head.
    fn read_head(&mut self) -> io::Result<Head> {
        let mut buffer = [0; READ_BUFFER_LEN];
        loop {
            match self.transport.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Head::Incomplete);
                }
                Err(problem) => return Err(problem),
            }
            match rest::head(&self.read) {
                Head::Incomplete => {}
                head @ (Head::WebSocket | Head::Ask(_)) => return Ok(head),
            }
        }
    }
}

fn would_block(problem: &tungstenite::Error) -> bool {
    matches!(problem, tungstenite::Error::Io(io) if io.kind() == io::ErrorKind::WouldBlock)
}
