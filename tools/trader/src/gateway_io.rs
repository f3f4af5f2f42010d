//! The connections of a gateway to venues: a thread for each WebSocket, one for the requests of each
//! venue, and channels between them and the sessions of `spreadwire-gateways`, which hold no socket.
//!
//! An order waits for nothing but its own socket: its thread is woken by a byte and writes at once. Each
//! connection has a number. A text that was meant for an earlier one is not written, and that is told:
//! what is not known to have stayed here counts as sent. A connection that is lost is made again with
//! the back-off of the reference client, and not before the time until which a venue wants to hear
//! nothing.

use crate::server::Server;
use crate::transport::Transport;
use anyhow::anyhow;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use spreadwire_gateways::gateway::VenueGateway;
use spreadwire_gateways::protocol::{Line, Request};
use spreadwire_gateways::session::{Incoming, Outgoing};
use spreadwire_market::client::Reconnect;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::instrument::VenueId;
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, Order};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel,
};
use std::time::Duration;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// Number of texts or requests that may wait for a thread.
const WAITING_MAX: usize = 1024;
/// Number of messages that are taken at once.
const MESSAGES_MAX: usize = 256;
/// Longest message of a venue, bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Kept small because tungstenite zeroes its buffer before every read.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Longest body of an answer, bytes.
const BODY_BYTES_MAX: u64 = 16 << 20;
/// Longest time of connecting, and of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait of a thread before it looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where a venue is reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Server of each connection.
    pub lines: Vec<(Line, Server)>,
    /// Base address of the REST API, without a path.
    pub rest: Option<String>,
}

/// Something that happened at a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Opened(Line, u64),
    Text(Line, String),
    Lost(Line),
    NotSent(u64),
    Http { number: u64, status: u16, body: String },
    Failed(u64),
}

/// What a connection's thread is told.
#[derive(Debug)]
enum Command {
    /// Send a text on the connection of that number.
    Send { generation: u64, number: u64, text: String },
    /// Close the connection of that number.
    Close { generation: u64 },
}

/// Where a thread says what happened: the place of its venue comes with it.
#[derive(Clone, Debug)]
struct Say {
    venue: usize,
    to: Sender<(usize, Event)>,
}

impl Say {
    /// Returns whether anybody is there to hear it.
    fn say(&self, event: Event) -> bool {
        self.to.send((self.venue, event)).is_ok()
    }
}

/// A connection, seen from the sessions.
#[derive(Debug)]
struct Link {
    line: Line,
    commands: SyncSender<Command>,
    wake: UnixStream,
    /// Number of the connection whose opening was heard last; 0 before the first.
    generation: u64,
}

impl Link {
    fn tell(&self, command: Command) -> bool {
        let is_told = self.commands.try_send(command).is_ok();
        // A pipe that is full has woken it already.
        (&self.wake).write(&[1]).map(drop).unwrap_or_default();
        is_told
    }
}

/// The connections of one venue.
#[derive(Debug)]
struct Venue {
    links: Vec<Link>,
    requests: Option<SyncSender<(u64, Request)>>,
    /// No connection is made before this time, ns since 1970 UTC.
    limited_until: Arc<AtomicU64>,
}

/// A gateway with its connections. The threads end when it is dropped.
#[derive(Debug)]
pub struct WiredGateway {
    gateway: VenueGateway,
    venues: Vec<Venue>,
    events: Receiver<(usize, Event)>,
    now: Nanos,
}

impl WiredGateway {
    /// Starts the threads of a gateway whose sessions are at these addresses, in the same order.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn new(
        gateway: VenueGateway,
        addresses: Vec<Addresses>,
        clock: &Clock,
    ) -> std::io::Result<WiredGateway> {
        let (to, events) = channel();
        let mut venues = Vec::new();
        for (venue, Addresses { lines, rest }) in addresses.into_iter().enumerate() {
            let say = Say { venue, to: to.clone() };
            let limited_until = Arc::new(AtomicU64::new(0));
            let links = lines.into_iter().map(|(line, server)| {
                link(line, server, say.clone(), clock.clone(), Arc::clone(&limited_until))
            });
            let links = links.collect::<std::io::Result<Vec<Link>>>()?;
            let requests = rest.map(|rest| requests(rest, say.clone())).transpose()?;
            venues.push(Venue { links, requests, limited_until });
        }
        Ok(WiredGateway { gateway, venues, events, now: 0 })
    }

    /// Hands what happened to the sessions.
    fn take(&mut self, now: Nanos) {
        for _ in 0..MESSAGES_MAX {
            let Ok((venue, event)) = self.events.try_recv() else { return };
            if let Event::Opened(line, generation) = event
                && let Some(link) = self.venues[venue].links.iter_mut().find(|it| it.line == line)
            {
                link.generation = generation;
            }
            let Some(session) = self.gateway.sessions().get_mut(venue) else { continue };
            session.incoming(
                now,
                match &event {
                    Event::Opened(line, _) => Incoming::Opened(*line),
                    Event::Text(line, text) => Incoming::Text(*line, text),
                    Event::Lost(line) => Incoming::Lost(*line),
                    Event::NotSent(number) => Incoming::NotSent(*number),
                    Event::Failed(number) => Incoming::Failed(*number),
                    Event::Http { number, status, body } => {
                        Incoming::Http { number: *number, status: *status, body }
                    }
                },
            );
        }
    }

    /// Hands what the sessions want to the threads.
    fn give(&mut self) {
        let now = self.now;
        for (session, venue) in self.gateway.sessions().iter_mut().zip(&self.venues) {
            while let Some(outgoing) = session.outgoing() {
                if let Some(number) = venue.give(outgoing) {
                    session.incoming(now, Incoming::NotSent(number));
                }
            }
            venue.limited_until.store(session.limited_until(), Ordering::Relaxed);
        }
    }
}

impl Venue {
    /// Gives something to its thread; returns the number of what no thread took.
    fn give(&self, outgoing: Outgoing) -> Option<u64> {
        let link = |line| self.links.iter().find(|it: &&Link| it.line == line);
        match outgoing {
            Outgoing::Text { line, number, text } => {
                let is_told = link(line).is_some_and(|link| {
                    link.tell(Command::Send { generation: link.generation, number, text })
                });
                (!is_told).then_some(number)
            }
            Outgoing::Http { number, request } => {
                let requests = self.requests.as_ref();
                let is_told = requests.is_some_and(|it| it.try_send((number, request)).is_ok());
                (!is_told).then_some(number)
            }
            Outgoing::Close { line } => {
                if let Some(link) = link(line) {
                    link.tell(Command::Close { generation: link.generation });
                }
                None
            }
        }
    }
}

impl Gateway for WiredGateway {
    fn mode(&self) -> Mode {
        self.gateway.mode()
    }

    fn place(&mut self, order: &Order) {
        self.gateway.place(order);
        self.give();
    }

    fn cancel(&mut self, order: &Order) {
        self.gateway.cancel(order);
        self.give();
    }

    fn amend(&mut self, order: &Order, sz: i64) {
        self.gateway.amend(order, sz);
        self.give();
    }

    fn ask(&mut self, order: &Order) {
        self.gateway.ask(order);
        self.give();
    }

    fn reconcile(&mut self, venue: VenueId, since: Nanos) {
        self.gateway.reconcile(venue, since);
        self.give();
    }

    fn poll(&mut self, now: Nanos, answers: &mut Vec<Answer>) {
        self.now = self.now.max(now);
        self.take(now);
        self.gateway.poll(now, answers);
        self.give();
    }
}

/// Starts the thread of a connection.
fn link(
    line: Line,
    server: Server,
    say: Say,
    clock: Clock,
    limited_until: Arc<AtomicU64>,
) -> std::io::Result<Link> {
    let (commands, told) = sync_channel(WAITING_MAX);
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let reconnect = Reconnect::new(clock.now());
    let mut thread = Connection {
        line,
        server,
        say,
        clock,
        limited_until,
        told,
        woken,
        reconnect,
        generation: 0,
    };
    std::thread::Builder::new().name("gateway".to_owned()).spawn(move || thread.run())?;
    Ok(Link { line, commands, wake, generation: 0 })
}

/// The thread of a connection.
struct Connection {
    line: Line,
    server: Server,
    say: Say,
    clock: Clock,
    limited_until: Arc<AtomicU64>,
    told: Receiver<Command>,
    woken: UnixStream,
    reconnect: Reconnect,
    generation: u64,
}

/// Why a connection ended.
enum Over {
    /// It failed, or was closed by one side.
    Lost,
    /// Nobody is there any more who wants it.
    Unwanted,
}

impl Connection {
    fn run(&mut self) {
        loop {
            if self.wait().is_err() {
                return;
            }
            let Ok(mut socket) = self.open() else {
                self.reconnect.lost(self.clock.now());
                continue;
            };
            self.generation += 1;
            if !self.say.say(Event::Opened(self.line, self.generation)) {
                return;
            }
            let Over::Lost = self.serve(&mut socket) else { return };
            // Said before the loss: not a byte of these has left.
            self.refuse();
            if !self.say.say(Event::Lost(self.line)) {
                return;
            }
            self.reconnect.lost(self.clock.now());
        }
    }

    /// Waits until a connection may be made. What is to be sent meanwhile is not.
    fn wait(&mut self) -> Result<(), Over> {
        loop {
            let now = self.clock.now();
            let limited_until = self.limited_until.load(Ordering::Relaxed);
            let at = self.reconnect.retry_at().max(limited_until);
            if at <= now {
                return Ok(());
            }
            let wait = Duration::from_nanos(at - now).min(LOOK_EVERY);
            match self.told.recv_timeout(wait) {
                Ok(command) => self.not_sent(&command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Over::Unwanted),
            }
        }
    }

    fn not_sent(&self, command: &Command) {
        if let Command::Send { number, .. } = command {
            // Nobody who hears it is told by the next message.
            self.say.say(Event::NotSent(*number));
        }
    }

    /// Does not send what waits.
    fn refuse(&self) {
        while let Ok(command) = self.told.try_recv() {
            self.not_sent(&command);
        }
    }

    fn open(&self) -> anyhow::Result<WebSocket<Transport>> {
        let socket = Transport::open(&self.server, &self.clock, PATIENCE)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let url = self.server.request_url();
        let opened = tungstenite::client::client_with_config(url, socket, Some(config));
        let (mut socket, _) = opened.map_err(|error| anyhow!("{error}"))?;
        socket.get_mut().set_nonblocking()?;
        Ok(socket)
    }

    /// Sends and hears until the connection is over.
    fn serve(&mut self, socket: &mut WebSocket<Transport>) -> Over {
        let mut is_flushed = true;
        loop {
            self.reconnect.observe(true, self.clock.now());
            match self.write(socket) {
                Ok(is_written) => is_flushed &= is_written,
                Err(over) => return over,
            }
            if !is_flushed {
                match pending(socket.flush()) {
                    Ok(is_done) => is_flushed = is_done,
                    Err(over) => return over,
                }
            }
            if let Err(over) = self.read(socket) {
                return over;
            }
            self.sleep(socket, is_flushed);
        }
    }

    /// Writes what waits; returns whether all of it left.
    fn write(&self, socket: &mut WebSocket<Transport>) -> Result<bool, Over> {
        let mut is_flushed = true;
        loop {
            match self.told.try_recv() {
                Ok(Command::Send { generation, text, .. }) if generation == self.generation => {
                    is_flushed &= pending(socket.send(Message::text(text)))?;
                }
                Ok(Command::Close { generation }) if generation == self.generation => {
                    return Err(Over::Lost);
                }
                Ok(stale) => self.not_sent(&stale),
                Err(TryRecvError::Empty) => return Ok(is_flushed),
                Err(TryRecvError::Disconnected) => return Err(Over::Unwanted),
            }
        }
    }

    /// Reads what is there.
    fn read(&self, socket: &mut WebSocket<Transport>) -> Result<(), Over> {
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    if !self.say.say(Event::Text(self.line, text.to_string())) {
                        return Err(Over::Unwanted);
                    }
                }
                Ok(Message::Close(_)) => return Err(Over::Lost),
                // tungstenite answers pings at the next read or write.
                Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Binary(_),
                ) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Over::Lost),
            }
        }
    }

    /// Waits until there is something to read or to send.
    fn sleep(&mut self, socket: &WebSocket<Transport>, is_flushed: bool) {
        let wanted = if is_flushed { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let transport = socket.get_ref().fd();
        let woken = self.woken.as_fd();
        let mut fds = [PollFd::new(&transport, wanted), PollFd::new(&woken, PollFlags::IN)];
        let nanos = i64::from(LOOK_EVERY.subsec_nanos());
        let patience = Timespec { tv_sec: 0, tv_nsec: nanos };
        // An error shows at the next read.
        poll(&mut fds, Some(&patience)).map(drop).unwrap_or_default();
        let mut bytes = [0; 64];
        while self.woken.read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }
}

/// Returns whether all that was written has left. What the socket does not take yet is kept.
fn pending(written: Result<(), Error>) -> Result<bool, Over> {
    match written {
        Ok(()) => Ok(true),
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(_) => Err(Over::Lost),
    }
}

/// Starts the thread of a venue's requests, which makes one after the other.
fn requests(rest: String, say: Say) -> std::io::Result<SyncSender<(u64, Request)>> {
    let (give, told) = sync_channel::<(u64, Request)>(WAITING_MAX);
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let run = move || {
        while let Ok((number, request)) = told.recv() {
            let event = match answer(&agent, &rest, request) {
                Ok((status, body)) => Event::Http { number, status, body },
                Err(_) => Event::Failed(number),
            };
            if !say.say(event) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("gateway-rest".to_owned()).spawn(run)?;
    Ok(give)
}

fn answer(agent: &ureq::Agent, rest: &str, request: Request) -> anyhow::Result<(u16, String)> {
    let Request { method, path, headers, body } = request;
    let mut builder = ureq::http::Request::builder().method(method).uri(format!("{rest}{path}"));
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let mut answer = agent.run(builder.body(body)?)?;
    let body = answer.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string()?;
    Ok((answer.status().as_u16(), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// Longest wait for what must come.
    const LONG: Duration = Duration::from_secs(60);

    fn say() -> (Say, Receiver<(usize, Event)>) {
        let (to, events) = channel();
        (Say { venue: 3, to }, events)
    }

    fn next(events: &Receiver<(usize, Event)>) -> Event {
        let (venue, event) = events.recv_timeout(LONG).unwrap();
        assert_eq!(venue, 3);
        event
    }

    fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        tungstenite::accept(socket).unwrap()
    }

    #[test]
    fn texts_of_an_earlier_connection_are_not_sent_on_the_next_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (say, events) = say();
        let server = Server::new(&url, None, None).unwrap();
        let limited = Arc::new(AtomicU64::new(0));
        let link = link(Line::Orders, server, say, Clock::host(), limited).unwrap();
        let send = |generation, number, text: &str| {
            assert!(link.tell(Command::Send { generation, number, text: text.to_owned() }));
        };
        let mut peer = accept(&listener);
        assert_eq!(next(&events), Event::Opened(Line::Orders, 1));
        send(1, 10, "first");
        assert_eq!(peer.read().unwrap().into_text().unwrap().as_str(), "first");
        peer.send(Message::text("answer")).unwrap();
        assert_eq!(next(&events), Event::Text(Line::Orders, "answer".to_owned()));
        send(0, 11, "too early");
        assert_eq!(next(&events), Event::NotSent(11));
        drop(peer);
        assert_eq!(next(&events), Event::Lost(Line::Orders));
        send(1, 12, "too late");
        let mut peer = accept(&listener);
        let mut rest = [next(&events), next(&events)];
        rest.sort_by_key(|event| matches!(event, Event::Opened(..)));
        assert_eq!(rest, [Event::NotSent(12), Event::Opened(Line::Orders, 2)]);
        send(2, 13, "second");
        assert_eq!(peer.read().unwrap().into_text().unwrap().as_str(), "second");
        link.tell(Command::Close { generation: 2 });
        assert_eq!(next(&events), Event::Lost(Line::Orders));
        accept(&listener);
        assert_eq!(next(&events), Event::Opened(Line::Orders, 3));
    }

    #[test]
    fn a_request_is_sent_as_it_is_signed_and_its_answer_or_failure_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rest = format!("http://{}", listener.local_addr().unwrap());
        let (say, events) = say();
        let give = requests(rest, say).unwrap();
        let request = |path: &str| Request {
            method: "GET",
            path: path.to_owned(),
            headers: vec![("X-KEY", "k".to_owned())],
            body: String::new(),
        };
        give.send((7, request("/api/v3/a?b=1%20&signature=c%2F"))).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]).to_lowercase();
        assert!(text.starts_with("get /api/v3/a?b=1%20&signature=c%2f http/1.1\r\n"), "{text}");
        assert!(text.contains("x-key: k\r\n"), "{text}");
        let answer = "HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        socket.write_all(answer.as_bytes()).unwrap();
        let expected = Event::Http { number: 7, status: 418, body: "{}".to_owned() };
        assert_eq!(next(&events), expected);
        drop((socket, listener));
        give.send((8, request("/"))).unwrap();
        assert_eq!(next(&events), Event::Failed(8));
    }
}
