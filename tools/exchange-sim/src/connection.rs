//! One client's connection: TCP, TLS if asked for, the handshake and the WebSocket.
//!
//! Nothing here blocks. What a full socket does not take stays buffered and the connection calls
//! itself blocked until it is gone, which keeps the server from producing more. Must not know
//! quotes, venues' messages or faults' moments.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::StatusCode;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes};

use crate::venue::{Route, Session, Venue};

/// Clients send short requests; a large buffer per connection would be waste.
const READ_BUFFER_LEN: usize = 4096;

/// The longest request accepted, in bytes: OKX allows 64 KB of args.
const REQUEST_LEN_MAX: usize = 128 << 10;

/// Bytes as TCP or TLS carries them.
pub(crate) struct Transport {
    line: Line,
    /// Bytes the socket has taken so far.
    taken: u64,
}

enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Transport {
    pub(crate) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Transport> {
        stream.set_nodelay(true)?;
        let line = match tls {
            None => Line::Plain(stream),
            Some(config) => {
                let server = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Line::Tls(Box::new(StreamOwned::new(server, stream)))
            }
        };
        Ok(Transport { line, taken: 0 })
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match &mut self.line {
            Line::Plain(stream) => stream,
            Line::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.line {
            Line::Plain(stream) => stream.read(buffer),
            Line::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.line {
            Line::Plain(stream) => stream.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }?;
        self.taken += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.line {
            Line::Plain(stream) => stream.flush(),
            Line::Tls(stream) => stream.flush(),
        }
    }
}

/// Asks the venue about the path of a handshake's request.
pub(crate) struct Router {
    venue: &'static dyn Venue,
    answer: Rc<RefCell<Option<Route>>>,
}

impl Callback for Router {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let uri = request.uri();
        let route = self.venue.route(uri.path(), uri.query());
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

type Shaking = MidHandshake<ServerHandshake<Transport, Router>>;

enum Stage {
    Shaking(Option<Box<Shaking>>),
    Open(Box<WebSocket<Transport>>),
    Gone,
}

/// How a connection is to end once everything before has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a TCP reset.
    Reset,
    /// In the middle of a WebSocket frame, whose beginning this is.
    Cut(Vec<u8>),
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A text message.
    Text(Utf8Bytes),
    /// A protocol ping, whose answer is on its way.
    Ping,
    /// A protocol pong.
    Pong,
    /// Something a venue has no answer to.
    Other,
    /// No more for now.
    Nothing,
}

/// How far a handshake has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shaken {
    /// More bytes are needed.
    NotYet,
    /// The WebSocket is open on this route.
    Open(Route),
    /// Turned away.
    Failed,
}

/// One client's connection.
pub(crate) struct Connection {
    /// Index of the market it belongs to.
    pub(crate) market: usize,
    /// What the venue knows of it.
    pub(crate) session: Session,
    stage: Stage,
    was_open: bool,
    route: Rc<RefCell<Option<Route>>>,
    ending: Option<Ending>,
    is_dirty: bool,
    /// Since when a flush is unfinished, and how much the socket had taken.
    blocked: Option<(u64, u64)>,
    /// Readable when it could not be read.
    pub(crate) is_unread: bool,
    /// When the TCP connection came, ns.
    pub(crate) accepted_ns: u64,
    /// When something was last sent, ns.
    pub(crate) pushed_ns: u64,
    /// When the last protocol ping was sent, ns.
    pub(crate) pinged_ns: u64,
    /// Since when a protocol ping is unanswered, ns.
    pub(crate) unanswered_ns: Option<u64>,
    /// Until when a fault keeps it silent, ns.
    pub(crate) stalled_until_ns: Option<u64>,
    /// Since when it is closing, ns.
    pub(crate) closing_ns: Option<u64>,
    inbound: VecDeque<u64>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = &self.session;
        f.debug_struct("Connection").field("session", session).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(
        transport: Transport,
        market: usize,
        venue: &'static dyn Venue,
        id: String,
        now_ns: u64,
    ) -> Connection {
        let route = Rc::new(RefCell::new(None));
        let router = Router { venue, answer: Rc::clone(&route) };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_LEN)
            .max_message_size(Some(REQUEST_LEN_MAX))
            .max_frame_size(Some(REQUEST_LEN_MAX));
        let shaking = ServerHandshake::start(transport, router, Some(config));
        Connection {
            market,
            session: Session { id, ..Session::default() },
            stage: Stage::Shaking(Some(Box::new(shaking))),
            was_open: false,
            route,
            ending: None,
            is_dirty: false,
            blocked: None,
            is_unread: false,
            accepted_ns: now_ns,
            pushed_ns: now_ns,
            pinged_ns: now_ns,
            unanswered_ns: None,
            stalled_until_ns: None,
            closing_ns: None,
            inbound: VecDeque::new(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    /// Whether its handshake came to an end.
    pub(crate) fn was_open(&self) -> bool {
        self.was_open
    }

    /// Whether it waits for its buffer to drain in order to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether it still takes data: open, and nothing has begun to end or silence it.
    pub(crate) fn is_live(&self) -> bool {
        self.is_open() && self.closing_ns.is_none() && self.ending.is_none()
    }

    /// Whether the socket has not yet taken everything.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether something was written and not flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// How long the socket has taken nothing although there is something, ns.
    pub(crate) fn stuck_ns(&self, now_ns: u64) -> u64 {
        self.blocked.map_or(0, |(since_ns, _)| now_ns.saturating_sub(since_ns))
    }

    /// Drives the handshake.
    pub(crate) fn shake(&mut self) -> Shaken {
        let Stage::Shaking(shaking) = &mut self.stage else { return Shaken::NotYet };
        let Some(mid) = shaking.take() else { return Shaken::Failed };
        match mid.handshake() {
            Ok(socket) => {
                self.stage = Stage::Open(Box::new(socket));
                self.was_open = true;
                let route = self.route.borrow_mut().take();
                route.map_or(Shaken::Failed, Shaken::Open)
            }
            Err(HandshakeError::Interrupted(mid)) => {
                *shaking = Some(Box::new(mid));
                Shaken::NotYet
            }
            Err(HandshakeError::Failure(_)) => {
                self.stage = Stage::Gone;
                Shaken::Failed
            }
        }
    }

    /// Reads one message.
    pub(crate) fn read(&mut self) -> Heard {
        let Stage::Open(socket) = &mut self.stage else { return Heard::Nothing };
        match socket.read() {
            Ok(Message::Text(text)) => Heard::Text(text),
            Ok(Message::Ping(_)) => {
                self.is_dirty = true;
                Heard::Ping
            }
            Ok(Message::Pong(_)) => Heard::Pong,
            Ok(Message::Close(_)) => {
                self.is_dirty = true;
                Heard::Other
            }
            Ok(Message::Binary(_) | Message::Frame(_)) => Heard::Other,
            Err(problem) if would_block(&problem) => Heard::Nothing,
            Err(_) => {
                self.stage = Stage::Gone;
                Heard::Nothing
            }
        }
    }

    /// Buffers a message; [`flush`](Self::flush) sends it.
    pub(crate) fn send(&mut self, message: Message, now_ns: u64) {
        let Stage::Open(socket) = &mut self.stage else { return };
        self.is_dirty = true;
        self.pushed_ns = now_ns;
        match socket.write(message) {
            Ok(()) => {}
            // The message is in the buffer all the same.
            Err(problem) if would_block(&problem) => self.note_blocked(now_ns),
            Err(_) => self.stage = Stage::Gone,
        }
    }

    /// Sends what is buffered, as far as the socket takes it, and then ends if that was asked.
    pub(crate) fn flush(&mut self, now_ns: u64) {
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

    /// Starts a WebSocket close.
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

    /// Ends the connection once everything before has left.
    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.is_dirty = true;
    }

    /// Forgets the connection without a word.
    pub(crate) fn abandon(&mut self) {
        self.stage = Stage::Gone;
    }

    /// Notes a message and says whether there were more than `most` within a second.
    pub(crate) fn is_flooded(&mut self, most: usize, now_ns: u64) -> bool {
        self.inbound.push_back(now_ns);
        let window = Duration::from_secs(1).as_nanos();
        while self
            .inbound
            .front()
            .is_some_and(|at| window <= u128::from(now_ns.saturating_sub(*at)))
        {
            self.inbound.pop_front();
        }
        most < self.inbound.len()
    }

    fn note_blocked(&mut self, now_ns: u64) {
        let Stage::Open(socket) = &self.stage else { return };
        let taken = socket.get_ref().taken;
        // Any progress starts the wait anew.
        if self.blocked.is_none_or(|(_, before)| before != taken) {
            self.blocked = Some((now_ns, taken));
        }
    }

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
        // A socket that failed here has ended before, which is what was asked for.
        drop(ended);
        self.stage = Stage::Gone;
    }
}

/// The first half of a text message's WebSocket frame, its header saying the full length.
pub(crate) fn first_half(text: &str) -> Vec<u8> {
    const TEXT_FINAL: u8 = 0x81;
    let mut bytes = vec![TEXT_FINAL];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => bytes.push(length),
        Ok(_) | Err(_) => match u16::try_from(text.len()) {
            Ok(length) => {
                bytes.push(126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(127);
                bytes.extend((text.len() as u64).to_be_bytes());
            }
        },
    }
    bytes.extend(&text.as_bytes()[..text.len() / 2]);
    bytes
}

fn would_block(problem: &tungstenite::Error) -> bool {
    matches!(problem, tungstenite::Error::Io(io) if io.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_frames_announce_the_whole() {
        assert_eq!(first_half("abcd"), [0x81, 4, b'a', b'b']);
        let long = "x".repeat(200);
        let half = first_half(&long);
        assert_eq!(half[..4], [0x81, 126, 0, 200]);
        assert_eq!(half.len(), 104);
        assert_eq!(first_half(&"x".repeat(70_000))[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 17, 112]);
    }
}
