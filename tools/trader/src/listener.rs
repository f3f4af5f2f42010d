//! Keeps a connection to a broadcast server: connects, reads, and reconnects.
//!
//! The listener blocks and runs on a thread of its own. [`SpreadListener::listen`] returns after
//! one message, or after 100 ms without one. A lost connection is reported to the decision as a
//! gap.

use crate::decoder::{Decoder, Heard};
use anyhow::{Context, bail};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Gap, Record};
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// Maximum wait of one call.
const PATIENCE: Duration = Duration::from_millis(100);
/// Timeout of each step of the handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// The server pings every 15 s. A connection without a frame for this long is dead.
const SILENCE_MAX: Nanos = 40 * SECOND;
/// Kept small because tungstenite zeroes its buffer before every read.
const READ_BUFFER_BYTES: usize = 16 * 1024;

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
        /// Reason.
        why: String,
        /// Time until the next attempt, ns.
        retry_in: Nanos,
    },
}

/// A connection that is made again whenever it is lost.
#[derive(Debug)]
pub struct SpreadListener {
    url: String,
    clock: Clock,
    backoff: Backoff,
    connection: Option<Connection>,
    retry_at: Nanos,
}

#[derive(Debug)]
struct Connection {
    socket: WebSocket<TcpStream>,
    decoder: Decoder,
    seen_at: Nanos,
}

impl SpreadListener {
    /// Creates a listener for `ws://host:port`. It connects at the first
    /// [`listen`](SpreadListener::listen).
    #[must_use]
    pub fn new(url: String, clock: Clock) -> SpreadListener {
        let backoff = Backoff::new(clock.now());
        SpreadListener { url, clock, backoff, connection: None, retry_at: 0 }
    }

    /// Waits up to 100 ms for the next message and appends its records to `out`.
    pub fn listen(&mut self, out: &mut Vec<Record>) -> News {
        let Some(connection) = &mut self.connection else { return self.connect(out) };
        match connection.next(self.clock.now(), out) {
            Ok(None) => News::None,
            Ok(Some(Heard::Hello)) => {
                self.backoff.reset();
                News::Connected(connection.decoder.catalogue().cloned().unwrap_or_default())
            }
            Ok(Some(heard)) => News::Records(heard),
            Err(error) => self.lose(&error, out),
        }
    }

    fn connect(&mut self, out: &mut Vec<Record>) -> News {
        let now = self.clock.now();
        if now < self.retry_at {
            std::thread::sleep(Duration::from_nanos(self.retry_at - now).min(PATIENCE));
            return News::None;
        }
        match open(&self.url) {
            Ok(socket) => {
                let (decoder, seen_at) = (Decoder::default(), self.clock.now());
                self.connection = Some(Connection { socket, decoder, seen_at });
                News::None
            }
            Err(error) => self.lose(&error, out),
        }
    }

    fn lose(&mut self, error: &anyhow::Error, out: &mut Vec<Record>) -> News {
        if let Some(connection) = self.connection.take() {
            // The gap has the time of the last record, because that is the last thing known.
            out.push(Gap::new(connection.decoder.last_ts(), 0).into());
        }
        let retry_in = self.backoff.wait();
        self.retry_at = self.clock.now() + retry_in;
        News::Lost { why: format!("{error:#}"), retry_in }
    }
}

impl Connection {
    fn next(&mut self, now: Nanos, out: &mut Vec<Record>) -> anyhow::Result<Option<Heard>> {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                self.seen_at = now;
                Ok(Some(self.decoder.take(&text, out)?))
            }
            Ok(Message::Close(frame)) => match frame {
                Some(frame) => bail!("closed by the server: {} {}", frame.code, frame.reason),
                None => bail!("closed by the server"),
            },
            // tungstenite answers pings at the next read.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)) => {
                self.seen_at = now;
                Ok(None)
            }
            Err(Error::Io(error)) if is_timeout(error.kind()) => {
                if self.seen_at + SILENCE_MAX <= now {
                    bail!("no frame for {} s", SILENCE_MAX / SECOND);
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    // Linux reports a timeout as the first, other systems as the second; a signal interrupts both.
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&kind)
}

fn open(url: &str) -> anyhow::Result<WebSocket<TcpStream>> {
    let mut request = url.into_client_request().with_context(|| format!("{url} is not a URL"))?;
    let uri = request.uri();
    if uri.scheme_str() != Some("ws") {
        bail!("{url}: use ws://; the broadcast has no TLS");
    }
    let host = uri.host().context("the URL has no host")?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(80);
    let addresses = (host.as_str(), port).to_socket_addrs();
    let mut addresses = addresses.with_context(|| format!("{host} has no address"))?;
    let address = addresses.next().with_context(|| format!("{host} has no address"))?;
    let socket = TcpStream::connect_timeout(&address, HANDSHAKE_PATIENCE)
        .with_context(|| format!("cannot connect to {address}"))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HANDSHAKE_PATIENCE))?;
    socket.set_write_timeout(Some(HANDSHAKE_PATIENCE))?;
    let subprotocol = "spreadwire.v1.json".parse().context("invalid subprotocol header")?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (socket, _) = tungstenite::client::client_with_config(request, socket, Some(config))
        .map_err(|error| anyhow::anyhow!("cannot open a WebSocket at {url}: {error}"))?;
    socket.get_ref().set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
