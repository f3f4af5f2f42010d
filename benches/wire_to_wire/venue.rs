//! The exchange that contenders connect to: a listener that upgrades to WebSocket and accepts
//! subscriptions.

use super::frames::Wrapping;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

/// Time that a contender has to connect; ccxt takes seconds to be imported.
const PATIENCE: Nanos = 30 * SECOND;
/// Timeout of each read until it has subscribed.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener on a free port.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    clock: Clock,
}

/// A contender's connection that has subscribed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) path: String,
    pub(crate) stream: TcpStream,
}

impl Subscriber {
    /// Returns the wrapping of frames on this path.
    pub(crate) fn wrapping(&self) -> Wrapping {
        if self.path.starts_with("/stream") { Wrapping::Stream } else { Wrapping::Bare }
    }
}

impl Listener {
    pub(crate) fn new(clock: &Clock) -> anyhow::Result<Listener> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the exchange")?;
        listener.set_nonblocking(true)?;
        Ok(Listener { listener, clock: clock.clone() })
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Accepts the next connection; it blocks and has Nagle's algorithm disabled.
    pub(crate) fn accept(&self) -> anyhow::Result<TcpStream> {
        let deadline = self.clock.now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if deadline < self.clock.now() {
                bail!("no contender connected within {} s", PATIENCE / SECOND);
            }
            std::thread::sleep(Duration::from_nanos(MILLI));
        }
    }

    /// Accepts the next connection as a WebSocket that has subscribed to a stream, by its path or
    /// by a message.
    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this type")]
    pub(crate) fn subscriber(&self) -> anyhow::Result<Subscriber> {
        let stream = self.accept()?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let mut path = String::new();
        let upgrade = |request: &Request, response: Response| {
            path = request.uri().path_and_query().map_or(String::new(), ToString::to_string);
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, upgrade)
            .map_err(|error| anyhow::anyhow!("the upgrade failed: {error}"))?;
        if !path.contains("streams=") {
            confirm(&mut socket).context("no subscription arrived")?;
        }
        let stream = socket.get_mut().try_clone()?;
        Ok(Subscriber { path, stream })
    }
}

/// Answers the first subscription as Binance does.
fn confirm(socket: &mut WebSocket<TcpStream>) -> anyhow::Result<()> {
    loop {
        if let Message::Text(text) = socket.read()? {
            let request: Value = serde_json::from_str(&text)?;
            let answer = json!({ "result": null, "id": request["id"] });
            return Ok(socket.send(Message::text(answer.to_string()))?);
        }
    }
}
