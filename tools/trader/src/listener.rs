//! Keeps a connection to a broadcast server: connects, reads, and reconnects.
//!
//! The listener blocks and runs on a thread of its own. [`SpreadListener::listen`] returns after
//! one message, or after 100 ms without a whole one. What a message means, and whether it can be
//! right, is the reference client's business; when to connect again is that of its policy. A lost
//! connection is reported to the decision as a gap.

use crate::server::Server;
use crate::transport::Transport;
use anyhow::anyhow;
use serde_json::json;
use spreadwire_market::client::{Client, Doubt, Doubts, Fault, Heard, Limits, PROTOCOL, Reconnect};
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, Record};
use std::io::ErrorKind;
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::client::Request;
use tungstenite::http::{HeaderValue, Response};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Maximum wait of one call.
const PATIENCE: Duration = Duration::from_millis(100);
/// Maximum time of connecting, and then of the handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Begin of the name of our filter.
const FILTER: &str = "trader-";
/// The server pings every 15 s. A connection without a frame for this long is dead.
const SILENCE_MAX: Nanos = 40 * SECOND;
/// Kept small because tungstenite zeroes its buffer before every read.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Maximum length of what is repeated of an HTTP answer, characters.
const REFUSAL_MAX: usize = 200;
/// Maximum length of a message. The longest is `hello`, with some 100 bytes for an instrument.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Result of a call of [`SpreadListener::listen`].
#[derive(Debug)]
pub enum News {
    /// Nothing has arrived yet.
    None,
    /// A connection was made; contains its catalogue.
    Connected(Catalogue),
    /// A message was decoded. Its records, if any, were appended.
    Records(Heard),
    /// The connection was lost or could not be made. A gap was appended to the records.
    Lost {
        /// Reason. It may contain the peer's own words; escape them before printing.
        why: String,
        /// Whether this side ended the connection, because of what the server sent.
        refused: bool,
        /// Time until the next attempt, ns.
        retry_in: Nanos,
    },
    /// The server speaks another version of the protocol, so no further attempt is made. A gap was
    /// appended to the records.
    OtherProtocol {
        /// What was found and what to do. It may contain the peer's own words.
        why: String,
    },
}

/// A connection that is made again whenever it is lost.
#[derive(Debug)]
pub struct SpreadListener {
    server: Server,
    clock: Clock,
    limits: Limits,
    /// The only instruments of interest; `None` for all.
    wanted: Option<Vec<String>>,
    patience: Duration,
    reconnect: Reconnect,
    connection: Option<Connection>,
    /// Number of doubts on earlier connections.
    doubted: u64,
    /// Whether the server speaks another protocol.
    given_up: bool,
}

#[derive(Debug)]
struct Connection {
    socket: WebSocket<Transport>,
    client: Client,
    limits: Limits,
    patience: Duration,
    seen_at: Nanos,
    filter: Option<Filter>,
}

/// What the server was asked to send.
#[derive(Debug)]
struct Filter {
    instruments: Vec<String>,
    /// Counts the names that were given to it.
    number: u64,
}

/// Reason for the end of a connection.
#[derive(Debug)]
enum Loss {
    /// It failed, or the server ended it.
    Failed(anyhow::Error),
    /// The server sent what cannot be right.
    Refused(Fault),
    /// The server did not choose the protocol that was offered.
    OtherProtocol(String),
}

impl SpreadListener {
    /// Creates a listener for a server that acts on nothing beyond `limits`. It connects at
    /// the first [`listen`](SpreadListener::listen).
    #[must_use]
    pub fn new(server: Server, limits: Limits, clock: Clock) -> SpreadListener {
        let reconnect = Reconnect::new(clock.now());
        SpreadListener {
            server,
            clock,
            limits,
            wanted: None,
            patience: PATIENCE,
            reconnect,
            connection: None,
            doubted: 0,
            given_up: false,
        }
    }

    /// Asks the server for these instruments alone, if it has others. The numbers of spreads have holes
    /// then: they prove the order, and the server's word is that nothing else is missing.
    #[must_use]
    pub fn wanting(self, instruments: Vec<String>) -> SpreadListener {
        SpreadListener { wanted: Some(instruments), ..self }
    }

    /// Waits no longer than this in one call.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> SpreadListener {
        SpreadListener { patience, ..self }
    }

    /// Waits up to 100 ms, or as long as it has patience, for the next message and appends its records to
    /// `out`.
    pub fn listen(&mut self, out: &mut Vec<Record>) -> News {
        let Some(connection) = &mut self.connection else { return self.connect(out) };
        let heard = connection.next(&self.clock, self.wanted.as_deref(), out);
        self.reconnect.observe(connection.client.is_in_step(), self.clock.now());
        match heard {
            Ok(None) => News::None,
            Ok(Some(Heard::Hello)) => {
                News::Connected(connection.client.catalogue().cloned().unwrap_or_default())
            }
            Ok(Some(heard)) => News::Records(heard),
            Err(loss) => self.lose(&loss, out),
        }
    }

    /// Returns a doubt that arose for the first time on this connection. Each is returned once.
    pub fn new_doubt(&mut self) -> Option<Doubt> {
        self.connection.as_mut()?.client.new_doubt()
    }

    /// Returns how many spreads and states were doubted on all connections.
    #[must_use]
    pub fn doubted(&self) -> u64 {
        self.doubted + self.connection.as_ref().map_or(0, |c| sum(c.client.doubts()))
    }

    fn connect(&mut self, out: &mut Vec<Record>) -> News {
        let (now, retry_at) = (self.clock.now(), self.reconnect.retry_at());
        if self.given_up || now < retry_at {
            let wait = Duration::from_nanos(retry_at.saturating_sub(now));
            std::thread::sleep(if self.given_up { self.patience } else { wait.min(self.patience) });
            return News::None;
        }
        match open(&self.server, &self.clock, self.patience) {
            Ok(socket) => {
                let now = self.clock.now();
                let client = Client::new(self.limits, now);
                let (limits, patience) = (self.limits, self.patience);
                let filter = None;
                let seen_at = now;
                let connection = Connection { socket, client, limits, patience, seen_at, filter };
                self.connection = Some(connection);
                News::None
            }
            Err(loss) => self.lose(&loss, out),
        }
    }

    fn lose(&mut self, loss: &Loss, out: &mut Vec<Record>) -> News {
        if let Some(connection) = self.connection.take() {
            self.doubted += sum(connection.client.doubts());
            // What is open has lasted until now, as far as anybody knows.
            out.push(Gap::new(connection.client.latest(self.clock.now()), 0).into());
        }
        let (why, refused) = match loss {
            Loss::Failed(error) => (format!("{error:#}"), false),
            Loss::Refused(fault) if fault.is_final() => return self.give_up(fault.to_string()),
            Loss::Refused(fault) => (format!("refused what the server sent: {fault}"), true),
            Loss::OtherProtocol(why) => return self.give_up(why.clone()),
        };
        let retry_in = self.reconnect.lost(self.clock.now());
        News::Lost { why, refused, retry_in }
    }

    fn give_up(&mut self, why: String) -> News {
        self.given_up = true;
        News::OtherProtocol { why }
    }
}

fn sum(doubts: &Doubts) -> u64 {
    Doubt::ALL.into_iter().map(|doubt| doubts.count(doubt)).sum()
}

impl Connection {
    fn next(
        &mut self,
        clock: &Clock,
        wanted: Option<&[String]>,
        out: &mut Vec<Record>,
    ) -> Result<Option<Heard>, Loss> {
        self.socket.get_mut().allow(self.patience);
        let read = self.socket.read();
        let now = clock.now();
        match read {
            Ok(Message::Text(text)) => {
                self.seen_at = now;
                return self.take(&text, wanted, now, out).map(Some);
            }
            Ok(Message::Close(frame)) => return Err(Loss::Failed(closed(frame.as_ref()))),
            Ok(Message::Binary(bytes)) => return Err(Loss::Refused(Fault::Binary(bytes.len()))),
            // tungstenite answers pings at the next read.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                self.seen_at = now;
            }
            Err(Error::Io(error)) if is_timeout(error.kind()) => {
                if self.seen_at + SILENCE_MAX <= now {
                    let silence = anyhow!("no frame for {} s", SILENCE_MAX / SECOND);
                    return Err(Loss::Failed(silence));
                }
            }
            // Its text has that of its source.
            Err(error) => return Err(Loss::Failed(anyhow!("{error}"))),
        }
        self.client.check(now).map(|()| None).map_err(Loss::Refused)
    }

    /// Takes a text. After `hello`, asks for the instruments of interest; after a gap of the engine, for
    /// a snapshot.
    fn take(
        &mut self,
        text: &str,
        wanted: Option<&[String]>,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Loss> {
        let heard = self.client.take(text, now, out).map_err(Loss::Refused)?;
        match heard {
            Heard::Hello => self.subscribe(text, wanted, now, out)?,
            Heard::CatchingUp if is_loss(text) => self.ask_for_snapshot()?,
            Heard::CatchingUp | Heard::InStep | Heard::Other => {}
        }
        Ok(heard)
    }

    /// Subscribes to the instruments of interest, if the server has others too.
    fn subscribe(
        &mut self,
        hello: &str,
        wanted: Option<&[String]>,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<(), Loss> {
        let (Some(wanted), Some(catalogue)) = (wanted, self.client.catalogue()) else {
            return Ok(());
        };
        let names = catalogue.instruments.iter().map(|it| &it.name);
        let listed: Vec<String> = names.filter(|name| wanted.contains(name)).cloned().collect();
        if listed.is_empty() || listed.len() == catalogue.instruments.len() {
            return Ok(());
        }
        // The numbers of what was filtered have holes: a client that knows it begins again.
        self.client = Client::new(Limits { filtered: true, ..self.limits }, now);
        self.client.take(hello, now, out).map_err(Loss::Refused)?;
        self.filter = Some(Filter { instruments: listed, number: 0 });
        self.send_filter()
    }

    /// Asks for a snapshot. Without a filter the server gives none again on the same connection.
    fn ask_for_snapshot(&mut self) -> Result<(), Loss> {
        let Some(filter) = &self.filter else {
            let why = "the engine missed records; connecting again for a snapshot";
            return Err(Loss::Failed(anyhow!(why)));
        };
        let old = json!({"op": "unsubscribe", "id": format!("{FILTER}{}", filter.number)});
        self.send(&old)?;
        self.send_filter()
    }

    fn send_filter(&mut self) -> Result<(), Loss> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        filter.number += 1;
        let id = format!("{FILTER}{}", filter.number);
        let request = json!({"op": "subscribe", "id": id, "instruments": filter.instruments});
        self.send(&request)
    }

    fn send(&mut self, request: &serde_json::Value) -> Result<(), Loss> {
        let sent = self.socket.send(Message::text(request.to_string()));
        sent.map_err(|error| Loss::Failed(anyhow!("cannot send a request: {error}")))
    }
}

/// Returns whether a text is a gap after which what was said before does not hold.
fn is_loss(text: &str) -> bool {
    let read: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    read["type"] == "gap" && read["reason"] != "slow_client"
}

fn closed(frame: Option<&tungstenite::protocol::CloseFrame>) -> anyhow::Error {
    match frame {
        Some(frame) if frame.reason.is_empty() => {
            anyhow!("closed by the server: {}", frame.code)
        }
        Some(frame) => anyhow!("closed by the server: {} {}", frame.code, frame.reason),
        None => anyhow!("closed by the server"),
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    // Linux reports a timeout as the first, other systems as the second; a signal interrupts both.
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&kind)
}

fn open(server: &Server, clock: &Clock, patience: Duration) -> Result<WebSocket<Transport>, Loss> {
    let socket = Transport::open(server, clock, HANDSHAKE_PATIENCE).map_err(Loss::Failed)?;
    let request = request(server).map_err(Loss::Failed)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let opened = tungstenite::client::client_with_config(request, socket, Some(config));
    let (mut socket, _) = opened.map_err(|error| not_open(&server.url, &error))?;
    let reads = socket.get_mut().set_read_timeout(patience);
    reads.map_err(|error| Loss::Failed(error.into()))?;
    Ok(socket)
}

fn request(server: &Server) -> anyhow::Result<Request> {
    let mut request = server.request_url().into_client_request()?;
    let subprotocol = HeaderValue::from_static("spreadwire.v1.json");
    request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
    if let Some(token) = &server.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))?;
        value.set_sensitive(true);
        request.headers_mut().insert("Authorization", value);
    }
    Ok(request)
}

/// Returns the reason why a handshake failed. A server that does not choose the protocol that it is
/// offered does not speak it.
fn not_open<R: tungstenite::handshake::HandshakeRole>(
    url: &str,
    error: &HandshakeError<R>,
) -> Loss {
    match error {
        HandshakeError::Failure(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            error,
        ))) => Loss::OtherProtocol(format!(
            "{url} does not speak {PROTOCOL} ({error}); use the program of the engine's own \
             version, or the address of an engine's broadcast"
        )),
        HandshakeError::Failure(Error::Http(answer)) => {
            let remedy = match answer.status().as_u16() {
                401 | 403 => "; bring another token",
                _ => "",
            };
            let said = refusal(answer);
            Loss::Failed(anyhow!("cannot open a WebSocket at {url}: {said}{remedy}"))
        }
        HandshakeError::Failure(error) => {
            Loss::Failed(anyhow!("cannot open a WebSocket at {url}: {error}"))
        }
        HandshakeError::Interrupted(_) => Loss::Failed(anyhow!(
            "cannot open a WebSocket at {url}: no whole answer within {} s",
            HANDSHAKE_PATIENCE.as_secs()
        )),
    }
}

/// Returns the status of an HTTP answer, and the beginning of the sentence that comes with it.
fn refusal(answer: &Response<Option<Vec<u8>>>) -> String {
    let body = answer.body().as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    match text.trim() {
        "" => format!("HTTP {}", answer.status()),
        text => {
            let told: String = text.chars().take(REFUSAL_MAX).collect();
            format!("HTTP {}: {told}", answer.status())
        }
    }
}
