//! One WebSocket to a venue, on a thread of its own: it connects, sends, receives, and connects again after
//! pauses that grow until a connection has lasted.

use super::heard::{Event, Teller};
use super::outbox::{Generation, Outbox};
use crate::server::Server;
use crate::transport::Transport;
use anyhow::{Context, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use spreadwire_gateways::protocol::Line;
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// Maximum time of connecting, and then of the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that has lasted this long was a success: the next pause is a short one.
const LASTING: Nanos = 60 * SECOND;
/// Kept small because tungstenite zeroes its buffer before every read.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Maximum length of a message. The longest is a list of balances, at 100 bytes for an asset.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A WebSocket that is made again whenever it is lost.
pub(crate) struct LineThread {
    pub(crate) line: Line,
    /// Where it leads.
    pub(crate) server: Server,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) teller: Teller,
    pub(crate) clock: Clock,
    pub(crate) backoff: Backoff,
}

impl LineThread {
    /// Runs until the outbox is over.
    pub(crate) fn run(mut self) {
        let mut retry_at = 0;
        while self.wait_until(retry_at) {
            let told = match self.open() {
                Ok(socket) => self.converse(socket),
                Err(error) => self.teller.tell(Event::NotOpened(self.line, format!("{error:#}"))),
            };
            if !told {
                return;
            }
            retry_at = self.clock.now().saturating_add(self.backoff.wait());
        }
    }

    /// Waits until a time, and until the venue's limit is over; `false` if there is nothing to wait for.
    fn wait_until(&self, at: Nanos) -> bool {
        loop {
            if self.outbox.is_over() {
                return false;
            }
            let until = at.max(self.outbox.may_open_at());
            let left = until.saturating_sub(self.clock.now());
            if left == 0 {
                return true;
            }
            self.sleep(None, PollFlags::IN, left.min(SECOND));
        }
    }

    fn open(&self) -> anyhow::Result<WebSocket<Transport>> {
        let url = &self.server.url;
        let socket = Transport::open(&self.server, &self.clock, PATIENCE)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let opened = tungstenite::client::client_with_config(url, socket, Some(config));
        let (mut socket, _) = opened.map_err(|error| match error {
            HandshakeError::Failure(Error::Http(answer)) => {
                anyhow!("cannot open a WebSocket at {url}: HTTP {}", answer.status())
            }
            HandshakeError::Failure(error) => anyhow!("cannot open a WebSocket at {url}: {error}"),
            HandshakeError::Interrupted(_) => {
                anyhow!("cannot open a WebSocket at {url}: no whole answer in {PATIENCE:?}")
            }
        })?;
        socket.get_mut().stop_waiting().context("cannot set up the socket")?;
        Ok(socket)
    }

    /// Uses a connection until it is gone; `false` if nobody listens any more.
    fn converse(&mut self, mut socket: WebSocket<Transport>) -> bool {
        let generation = self.outbox.opened();
        let began = self.clock.now();
        if !self.teller.tell(Event::Opened(self.line, generation)) {
            return false;
        }
        let why = loop {
            match self.turn(&mut socket, generation) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(format!("{error:#}")),
            }
        };
        if LASTING <= self.clock.now().saturating_sub(began) {
            self.backoff.reset();
        }
        let unsent = self.outbox.broken(generation);
        let told = unsent.into_iter().all(|number| self.teller.tell(Event::NotSent(number)));
        told && self.teller.tell(Event::Lost(self.line, generation, why))
    }

    /// Sends what waits, hears what has come, and waits for more; `false` if it was closed.
    fn turn(
        &self,
        socket: &mut WebSocket<Transport>,
        generation: Generation,
    ) -> anyhow::Result<bool> {
        self.outbox.rest();
        let Some(texts) = self.outbox.take(generation) else {
            // It says goodbye if that is possible at once.
            drop(socket.close(None));
            return Ok(false);
        };
        for (_, text) in texts {
            socket.write(Message::text(text)).or_else(|error| waits(&error))?;
        }
        let is_written = match socket.flush() {
            Ok(()) => true,
            Err(error) => waits(&error).map(|()| false)?,
        };
        while let Some(message) = received(socket)? {
            let Message::Text(text) = message else { continue };
            let text = Event::Text(self.line, generation, text.as_str().to_owned());
            if !self.teller.tell(text) {
                return Ok(false);
            }
        }
        let ready = if is_written { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        self.sleep(Some(socket.get_ref()), ready, SECOND);
        Ok(true)
    }

    /// Sleeps until the socket is ready or the outbox was filled, at most for `longest`.
    fn sleep(&self, socket: Option<&Transport>, ready: PollFlags, longest: Nanos) {
        let longest = Timespec::try_from(Duration::from_nanos(longest)).ok();
        let mut waited = vec![PollFd::from_borrowed_fd(self.outbox.woken(), PollFlags::IN)];
        if let Some(socket) = socket {
            waited.push(PollFd::from_borrowed_fd(socket.socket(), ready));
        }
        // If it fails, as at a signal, the caller looks and comes back.
        poll(&mut waited, longest.as_ref()).unwrap_or_default();
    }
}

/// Returns the next message; `None` if no whole one is there.
fn received(socket: &mut WebSocket<Transport>) -> anyhow::Result<Option<Message>> {
    match socket.read() {
        Ok(Message::Close(frame)) => Err(match frame {
            Some(frame) => anyhow!("closed by the venue: {} {}", frame.code, frame.reason),
            None => anyhow!("closed by the venue"),
        }),
        Ok(message) => Ok(Some(message)),
        Err(error) => waits(&error).map(|()| None),
    }
}

/// Passes over an error that only says that the socket is not ready.
fn waits(error: &Error) -> anyhow::Result<()> {
    if let Error::Io(io) = error
        && matches!(io.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
    {
        return Ok(());
    }
    // Its text has that of its source.
    Err(anyhow!("{error}"))
}
