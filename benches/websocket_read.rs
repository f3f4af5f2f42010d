//! Measures reading WebSocket messages from bytes, and the cost of polling an idle socket.
//!
//! `memory`: text frames of 146 bytes, as in Binance's `bookTicker`, from a stream in memory that
//! returns one frame per read, or 100. It compares our reader over its buffer, tungstenite with its
//! default buffer of 128 KiB and with 4 KiB, and fastwebsockets. A sample is a block of reads;
//! every block's bytes are checked. Our reader and fastwebsockets do not check UTF-8; tungstenite
//! does.
//!
//! `idle`: a loopback TCP socket without data, read repeatedly. It compares a bare `recv`, which is
//! the lower bound, our WebSocket, a whole duty cycle of a feed with one connection, which reads
//! directly, and with four, which ask epoll, and tungstenite with both buffers.
//!
//! `ready`: 146 bytes are written to such a socket and read from it, with and without asking epoll
//! first. The difference is what epoll adds to a read. Kinds alternate in blocks, so that a noisy
//! minute affects all of them. Figures are ns per frame or per poll. Without `--bench` it only
//! checks.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::{header, results};
use crossbeam::channel;
use fastwebsockets::Role as FastRole;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use spreadwire_config::address::Address;
use spreadwire_engine::feed::{ColdSide, ConnectionPlan, Feed};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_engine::runtime::ring::{self, EdgeCounters, Receiver};
use spreadwire_engine::socket::connector::{self, Connected, Target};
use spreadwire_engine::socket::frame_reader::{FrameReader, HEADER_MAX, Next};
use spreadwire_engine::socket::receive_buffer::ReceiveBuffer;
use spreadwire_engine::socket::socket_options::SocketOptions;
use spreadwire_engine::socket::web_socket::{Taken, WebSocket};
use spreadwire_market::clock::{Clock, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_venues::health::Bounds;
use spreadwire_venues::venue::{Contract, Symbol, Symbols};
use spreadwire_venues::venues::VENUES;
use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket as Library};

/// Length of a frame's text, bytes.
const TEXT_BYTES: usize = 146;
/// Number of frames, or of polls, in a sample.
const BLOCK: usize = 1_000;

/// An endless stream of frames that returns this many per read.
struct Frames {
    bytes: Vec<u8>,
    at: usize,
}

impl Frames {
    fn new(burst: usize) -> Frames {
        let text = format!("{{\"stream\":\"{}\"}}", "x".repeat(TEXT_BYTES - 13));
        let head = [0x81, 126, 0, u8::try_from(TEXT_BYTES).unwrap_or(u8::MAX)];
        Frames { bytes: [&head, text.as_bytes()].concat().repeat(burst), at: 0 }
    }

    fn give(&mut self, into: &mut [u8]) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.bytes.len();
        count
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.give(into))
    }
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.give(into.initialize_unfilled());
        into.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An operation that is repeated; it returns the number of bytes read.
type Subject<'a> = (&'static str, Box<dyn FnMut() -> usize + 'a>);

/// Returns operations that read one frame per call.
fn memory_subjects(burst: usize) -> Vec<Subject<'static>> {
    let mut subjects: Vec<Subject<'static>> = Vec::new();
    let mut frames = Frames::new(burst);
    let mut buffer = ReceiveBuffer::with_capacity(64 * 1024);
    let mut reader = FrameReader::new(buffer.capacity() - HEADER_MAX);
    let ours = move || loop {
        match reader.next(buffer.waiting()) {
            Next::Text(frame) => {
                let bytes = buffer.take(frame.header + frame.payload);
                return black_box(&bytes[frame.header..]).len();
            }
            Next::Binary(_) | Next::Other(_) | Next::TooManyFragments => return 0,
            Next::Incomplete => {
                let count = frames.give(buffer.spare());
                buffer.filled(count);
            }
        }
    };
    subjects.push(("ours", Box::new(ours)));
    for (name, buffer) in [("tungstenite 128K", 128 << 10), ("tungstenite 4K", 4 << 10)] {
        let config = WebSocketConfig::default().read_buffer_size(buffer);
        let mut socket = Library::from_raw_socket(Frames::new(burst), Role::Client, Some(config));
        let library = move || match socket.read() {
            Ok(Message::Text(text)) => black_box(&text).len(),
            Ok(_) | Err(_) => 0,
        };
        subjects.push((name, Box::new(library)));
    }
    let mut socket =
        fastwebsockets::WebSocket::after_handshake(Frames::new(burst), FastRole::Client);
    socket.set_auto_close(false);
    socket.set_auto_pong(false);
    let fast = move || {
        let frame = pin!(socket.read_frame());
        match frame.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(frame)) => black_box(&frame.payload).len(),
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        }
    };
    subjects.push(("fastwebsockets", Box::new(fast)));
    subjects
}

/// A listener that upgrades every client and then sends nothing.
struct Silent {
    address: std::net::SocketAddr,
    kept: channel::Receiver<Library<TcpStream>>,
}

impl Silent {
    fn new() -> io::Result<Silent> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (keep, kept) = channel::unbounded();
        let serve = move || {
            for socket in listener.incoming().flatten() {
                if let Ok(socket) = tungstenite::accept(socket)
                    && keep.send(socket).is_err()
                {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("silent".to_owned()).spawn(serve)?;
        Ok(Silent { address, kept })
    }

    fn library(&self, buffer: usize) -> Library<TcpStream> {
        let tcp = TcpStream::connect(self.address).expect("loopback");
        let config = WebSocketConfig::default().read_buffer_size(buffer);
        let url = format!("ws://{}/", self.address);
        let (socket, _) =
            tungstenite::client::client_with_config(url, tcp, Some(config)).expect("an upgrade");
        socket.get_ref().set_nonblocking(true).expect("a socket");
        socket
    }

    fn ours(&self, clock: &Clock) -> WebSocket {
        let target = Target {
            address: Address::parse(&format!("ws://{}/", self.address)).expect("an address"),
            tls: connector::tls_config(None).expect("roots"),
            options: SocketOptions::default(),
            headers: &[],
        };
        connector::connect(&target, clock).expect("a connection")
    }

    /// Returns a feed with this many connections, all of which have subscribed and wait.
    fn feed(&self, connections: usize) -> (Feed, Receiver) {
        let (clock, spec) = (Clock::manual(SECOND), &VENUES[0]);
        let (requests, asked) = channel::bounded(connections);
        let (answer, answers) = channel::bounded(connections);
        let (notices, _) = channel::bounded(connections);
        let plan = |number: usize| {
            let instruments = vec![format!("{number}/USDT")];
            let (text, instrument) = (number.to_string(), InstrumentId(0));
            let symbol =
                Symbol { text, instrument, price_scale: 2, size_scale: 8, contract: Contract::ONE };
            let symbols = Symbols::new(vec![symbol]);
            ConnectionPlan {
                venue: VenueId(0),
                spec,
                symbols,
                instruments,
                bounds: Bounds::of_age(SECOND),
                lines: 1,
            }
        };
        let plans = (0..connections).map(plan).collect();
        let (edge, receiver) = ring::hold(1 << 10, EdgeCounters::default());
        let cold = ColdSide { requests, answers, notices, frames: None };
        let counters = Counters::default();
        let mut feed =
            Feed::new("feed", plans, edge, cold, clock.clone(), 1, &counters).expect("a poll");
        feed.do_work(SECOND);
        for request in asked.try_iter() {
            let socket = Ok(Box::new(self.ours(&clock)));
            answer.send(Connected { connection: request.connection, socket }).expect("the feed");
        }
        // The feed gets no later time after this: its timers stay idle, only sockets are polled.
        for step in 1..1_000 {
            feed.do_work(SECOND + step * 1_000_000);
        }
        (feed, receiver)
    }
}

/// Returns operations that poll once per call.
fn idle_subjects(silent: &Silent) -> Vec<Subject<'static>> {
    let mut subjects: Vec<Subject<'static>> = Vec::new();
    let mut bare = silent.library(4 << 10);
    let mut room = vec![0; 64 * 1024];
    let recv = move || usize::from(bare.get_mut().read(&mut room).is_ok());
    subjects.push(("bare recv", Box::new(recv)));
    let clock = Clock::manual(SECOND);
    let mut socket = silent.ours(&clock);
    let ours = move || {
        socket.wire_mut().rearm(false);
        usize::from(!matches!(socket.take(), Ok((Taken::Nothing, _))))
    };
    subjects.push(("our socket", Box::new(ours)));
    for (name, connections) in [("feed of 1", 1), ("feed of 4", 4)] {
        let (mut feed, receiver) = silent.feed(connections);
        let look = move || {
            // The edge must live as long as the feed.
            black_box(&receiver);
            feed.do_work(SECOND)
        };
        subjects.push((name, Box::new(look)));
    }
    for (name, buffer) in [("tungstenite 128K", 128 << 10), ("tungstenite 4K", 4 << 10)] {
        let mut socket = silent.library(buffer);
        let look = move || match socket.read() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => 0,
            Ok(_) | Err(_) => 1,
        };
        subjects.push((name, Box::new(look)));
    }
    subjects
}

/// Returns operations that write and read bytes at each call.
fn ready_subjects() -> io::Result<Vec<Subject<'static>>> {
    let mut subjects: Vec<Subject<'static>> = Vec::new();
    for (name, asks) in [("recv", false), ("epoll, recv", true)] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let mut peer = listener.accept()?.0;
        peer.set_nodelay(true)?;
        client.set_nonblocking(true)?;
        let (mut poll, mut events) = (mio::Poll::new()?, Events::with_capacity(4));
        if asks {
            let fd = client.as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
        }
        let mut room = vec![0; 64 * 1024];
        let exchange = move || {
            peer.write_all(&[b'x'; TEXT_BYTES]).expect("loopback");
            let mut read = 0;
            while read < TEXT_BYTES {
                if asks {
                    poll.poll(&mut events, Some(Duration::ZERO)).expect("epoll");
                }
                read += client.read(&mut room).unwrap_or(0);
            }
            read
        };
        subjects.push((name, Box::new(exchange)));
    }
    Ok(subjects)
}

/// Measures blocks of each subject in turn. Every block must have read `expected` bytes.
fn measure(group: &str, mut subjects: Vec<Subject<'_>>, blocks: usize, expected: usize) {
    let clock = Clock::host();
    let mut latencies = vec![Latency::new(); subjects.len()];
    for block in 0..blocks + blocks / 10 + 1 {
        for ((name, subject), latency) in subjects.iter_mut().zip(&mut latencies) {
            let start = clock.now();
            let read: usize = (0..BLOCK).map(|_| subject()).sum();
            let end = clock.now();
            assert_eq!(read, expected, "{group}/{name}");
            // The first tenth is warm-up. Tenths of a nanosecond are kept.
            if blocks / 10 < block {
                latency.record(0, (end - start) * 10 / BLOCK as u64);
            }
        }
    }
    let base = latencies[0].quantile(0.5).max(1);
    for ((name, _), latency) in subjects.iter().zip(&latencies) {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| latency.quantile(q));
        let show = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
        let hundredths = p50 * 100 / base;
        println!(
            "{group:<14}{name:<18}{:>10}{:>10}{:>10}{:>9}.{:02}x",
            show(p50),
            show(p90),
            show(p99),
            hundredths / 100,
            hundredths % 100
        );
        let quantiles = [p50, p90, p99].map(|tenths| tenths as f64 / 10.0);
        let ratio = p50 as f64 / base as f64;
        results::append_quantiles(["websocket_read", group, name, "ns"], quantiles, ratio);
    }
}

fn main() -> io::Result<()> {
    header::print("websocket_read");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let blocks = if measuring { 2_000 } else { 1 };
    println!("{:<14}{:<18}{:>10}{:>10}{:>10}{:>13}", "ns", "", "p50", "p90", "p99", "of first");
    measure("memory/1", memory_subjects(1), blocks, BLOCK * TEXT_BYTES);
    measure("memory/100", memory_subjects(100), blocks, BLOCK * TEXT_BYTES);
    let silent = Silent::new()?;
    measure("idle", idle_subjects(&silent), blocks, 0);
    measure("ready", ready_subjects()?, blocks / 4 + 1, BLOCK * TEXT_BYTES);
    drop(silent.kept);
    Ok(())
}
