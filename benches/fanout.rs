//! Measures one duty cycle of the broadcast to a thousand clients, and compares it with a bare loop
//! of `write`.
//!
//! The sockets are real, on loopback, and all on one thread. A sample of `spreadwire` is the whole
//! duty cycle: records are taken from the ring, numbered, encoded, and written to every client. A
//! sample of `write` is a loop that writes the same number of already encoded bytes to as many
//! sockets of the same kind. The two alternate, and before each sample every client has read
//! everything. Both include the kernel's work for a write on loopback, even on the receiver's side.
//! `serve` is the cost of a poll that finds nothing with this many clients. At the end some clients
//! stop reading, and the memory that the process holds for them is printed. Without `--bench` it is
//! short and only checks.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::{header, results};
use spreadwire_engine::broadcast::{self, Broadcast, Reception, Settings};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, HoldSender};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::Spread;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const START: Nanos = 1_700_000_000 * SECOND;
const INSTRUMENTS: u32 = 24;
const VENUES: u8 = 6;
/// Receive buffer size of clients that never read, so that the kernel does not hold a gigabyte for
/// them.
const STUCK_RECEIVE_BYTES: usize = 4096;

fn catalogue() -> Catalogue {
    let instruments = (0..INSTRUMENTS).map(|n| format!("C{n}/USDT"));
    let draft = catalogue::of(instruments, (0..VENUES).map(|n| format!("venue{n}")));
    draft.scales(2, 4).fee(0.001).listed().build()
}

fn spread(n: u64) -> Spread {
    let small = |n: u64| u8::try_from(n).unwrap_or(0);
    let buy = small(n % u64::from(VENUES));
    let sell = small((n + 1 + n / 7 % u64::from(VENUES - 1)) % u64::from(VENUES));
    let sell_px = 6_183_763 + i64::try_from(n % 997).unwrap_or(0);
    let instrument = u32::try_from(n % u64::from(INSTRUMENTS)).unwrap_or(0);
    let spread = quotes::spread(instrument, [buy, sell], [6_183_763, sell_px], START + n);
    Spread { sequence: n, ..spread }
}

/// Both halves of the broadcast and their clients.
struct Server {
    reception: Reception,
    agent: Broadcast,
    edge: HoldSender,
    _states: CountSender,
    counters: Counters,
    address: SocketAddr,
    clients: Vec<TcpStream>,
    now: Nanos,
    sent: u64,
}

impl Server {
    fn new() -> std::io::Result<Server> {
        let (edge, records) = ring::hold(4096, EdgeCounters::default());
        let (states, states_in) = ring::count(64, EdgeCounters::default());
        let listener = broadcast::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let (clock, counters) = (Clock::manual(START), Counters::default());
        // No client answers pings here, and a poll is due only when the bench asks for one.
        let never = 1_000_000 * SECOND;
        let settings = Settings {
            max_clients: 10_000,
            clients_per_address: 10_000,
            connects_per_second: 1_000_000,
            poll_interval: MILLI,
            ping_interval: never,
            silent_timeout: never,
            stuck_timeout: never,
            ..Settings::default()
        };
        let catalogue = Arc::new(catalogue());
        let (reception, agent) =
            broadcast::serve(records, states_in, catalogue, listener, settings, clock, &counters)?;
        let address = reception.address()?;
        let (clients, now) = (Vec::new(), START);
        Ok(Server {
            reception,
            agent,
            edge,
            _states: states,
            counters,
            address,
            clients,
            now,
            sent: 0,
        })
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.expect(&format!("broadcast.{name}"))
    }

    /// Runs a cycle in which clients are served.
    fn poll(&mut self) {
        self.now += MILLI;
        self.agent.do_work(self.now);
    }

    /// Lets clients in.
    fn receive(&mut self) {
        self.reception.do_work(self.now);
        self.poll();
    }

    fn connect(&mut self, subprotocol: &str, receive_bytes: Option<usize>) -> std::io::Result<()> {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(&self.address.into())?;
        let mut client = TcpStream::from(socket);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
        );
        client.write_all(request.as_bytes())?;
        client.set_nonblocking(true)?;
        self.clients.push(client);
        Ok(())
    }

    /// Polls until every client has its snapshot.
    fn settle(&mut self) {
        let open = self.clients.len() as u64;
        for _ in 0..1_000_000 {
            self.receive();
            drain(&mut self.clients);
            if self.count("clients") == open {
                break;
            }
        }
        (0..64).for_each(|_| self.poll());
        drain(&mut self.clients);
    }

    fn queue(&mut self, records: u64) {
        for _ in 0..records {
            assert!(self.edge.room(1), "the agent drains its ring in each cycle");
            self.edge.send(spread(self.sent).into());
            self.sent += 1;
        }
    }
}

/// Reads all available bytes from every socket and returns their number.
fn drain(sockets: &mut [TcpStream]) -> usize {
    let mut waste = vec![0; 256 * 1024];
    let mut total = 0;
    for socket in sockets {
        loop {
            match socket.read(&mut waste) {
                Ok(0) => break,
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }
    total
}

/// Sockets that only a bare loop writes to.
struct Bare {
    writing: Vec<TcpStream>,
    reading: Vec<TcpStream>,
}

impl Bare {
    fn new(count: usize) -> std::io::Result<Bare> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut bare = Bare { writing: Vec::new(), reading: Vec::new() };
        for _ in 0..count {
            let reading = TcpStream::connect(listener.local_addr()?)?;
            let (writing, _) = listener.accept()?;
            writing.set_nodelay(true)?;
            writing.set_nonblocking(true)?;
            reading.set_nonblocking(true)?;
            bare.writing.push(writing);
            bare.reading.push(reading);
        }
        Ok(bare)
    }

    fn write(&mut self, bytes: &[u8]) {
        for socket in &mut self.writing {
            let written = socket.write(bytes);
            assert_eq!(written.ok(), Some(bytes.len()));
        }
    }
}

/// Sorted samples, in ns.
#[derive(Default)]
struct Samples(Vec<u64>);

impl Samples {
    #[expect(clippy::cast_precision_loss, reason = "times of milliseconds")]
    fn quantile(&self, quantile: usize) -> f64 {
        self.0[(self.0.len() * quantile / 100).min(self.0.len() - 1)] as f64 / 1_000.0
    }
}

fn report(case: &str, ours: &Samples, rows: &[(&str, &Samples)]) {
    for (who, samples) in rows {
        let [p50, p90, p99] = [50, 90, 99].map(|q| samples.quantile(q));
        let ratio = p50 / ours.quantile(50);
        println!("{case:<22}{who:<12}{p50:>10.1}{p90:>10.1}{p99:>10.1}{ratio:>8.3}");
        results::append_quantiles(["fanout", case, who, "us"], [p50, p90, p99], ratio);
    }
}

/// Measures the fan-out of `records` in one cycle to every client, alternating between ours and the
/// bare loop.
fn fan_out(case: &str, subprotocol: &str, clients: usize, records: u64, rounds: usize) {
    let (Ok(mut server), Ok(mut bare)) = (Server::new(), Bare::new(clients)) else {
        panic!("no sockets on loopback");
    };
    for n in 0..clients {
        let connected = server.connect(subprotocol, None);
        assert!(connected.is_ok(), "{connected:?}");
        if n % 64 == 63 {
            (0..8).for_each(|_| server.receive());
        }
    }
    server.settle();
    let clock = Clock::host();
    let (mut ours, mut theirs, mut serve) =
        (Samples::default(), Samples::default(), Samples::default());
    let told = server.count("messages");
    // As long as the last bytes sent to each client. A frame's length sometimes differs by a digit.
    let mut payload = Vec::new();
    for round in 0..rounds + 10 {
        server.queue(records);
        let now = server.now;
        let mut spent = [0; 3];
        for turn in 0..2 {
            if (turn + round) % 2 == 0 {
                let start = clock.now();
                server.agent.do_work(now);
                spent[0] = clock.now() - start;
                let of_one = drain(&mut server.clients[..1]);
                let of_others = drain(&mut server.clients[1..]);
                assert_eq!(of_others, of_one * (clients - 1), "every client got the same");
                payload = vec![b'x'; of_one];
            } else {
                let start = clock.now();
                bare.write(&payload);
                spent[1] = clock.now() - start;
                drain(&mut bare.reading);
            }
        }
        let start = clock.now();
        server.poll();
        spent[2] = clock.now() - start;
        if 10 <= round {
            ours.0.push(spent[0]);
            theirs.0.push(spent[1]);
            serve.0.push(spent[2]);
        }
    }
    assert_eq!(server.count("messages") - told, server.sent * clients as u64);
    for samples in [&mut ours, &mut theirs, &mut serve] {
        samples.0.sort_unstable();
    }
    report(case, &ours, &[("spreadwire", &ours), ("write", &theirs), ("serve", &serve)]);
}

/// Returns the resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Prints the memory that the process holds for clients that never read, while others do.
fn stuck(reading: usize, stuck: usize) {
    let Ok(mut server) = Server::new() else { panic!("no sockets on loopback") };
    for n in 0..reading + stuck {
        let small = (reading <= n).then_some(STUCK_RECEIVE_BYTES);
        let connected = server.connect("spreadwire.v1.json", small);
        assert!(connected.is_ok(), "{connected:?}");
        if n % 64 == 63 {
            (0..8).for_each(|_| server.receive());
        }
    }
    let open = (reading + stuck) as u64;
    while server.count("clients") < open {
        server.receive();
    }
    let before = resident();
    let mut turns = 0_u64;
    // Run until all of them are behind, and then as long again.
    while server.count("congestions") < stuck as u64 || server.sent < turns * 32 {
        server.queue(64);
        server.poll();
        drain(&mut server.clients[..reading]);
        if server.count("congestions") < stuck as u64 {
            turns += 4;
        }
    }
    println!(
        "{stuck} of {open} clients stuck, {} spreads sent to everyone, {} of theirs conflated: \
         the process grew by {} KiB",
        server.sent,
        server.count("conflated"),
        resident().saturating_sub(before),
    );
}

fn main() {
    header::print("fanout");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let (clients, rounds) = if measuring { (1_000, 300) } else { (20, 3) };
    let mut limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limits.current = limits.maximum;
    let raised = rustix::process::setrlimit(rustix::process::Resource::Nofile, limits);
    assert!(raised.is_ok(), "{raised:?}");
    println!("{:<22}{:<12}{:>10}{:>10}{:>10}{:>8}", "us", "who", "p50", "p90", "p99", "ratio");
    for (protocol, subprotocol) in [("json", "spreadwire.v1.json"), ("bin", "spreadwire.v1.bin")] {
        for records in [1, 16] {
            let case = format!("{protocol}_{clients}x{records}");
            fan_out(&case, subprotocol, clients, records, rounds);
        }
    }
    stuck(clients / 10, clients / 10);
}
