//! The binary itself, with as few file descriptors as its plan needs and many instruments: beside
//! more half-open sockets than it may have descriptors, and clients that never read. The descriptors
//! and the memory that `check` prints must be enough, and nothing may be lost.

use crate::attacker::SMALL_BUFFER;
use crate::attacks::upgrade;
use crate::quoting_venue::{BYBIT, OKX, QuotingVenue, configured};
use crate::times;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_rigs::pipeline::engine_under_test::PATIENCE;
use spreadwire_rigs::running::{Running, until};
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

const INSTRUMENTS: usize = 200;
/// Quotes of each instrument on each venue.
const ROUNDS: u64 = 60;
/// Clients that never read.
const STUCK: usize = 50;
/// Bytes that wait for a client; what it misses takes as much again at most.
const BUFFER: usize = 1 << 20;
/// Bytes of the log that all clients share.
const LOG: usize = 8 << 20;
const HALF_OPEN: usize = 1_100;
/// Connections of one address, below what one may make within a second.
const PER_ADDRESS: usize = 50;

/// A folder with a configuration, and the venues in it.
struct Home {
    folder: TempDir,
    venues: [QuotingVenue; 2],
}

impl Home {
    fn new(rounds: usize) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let venues = [BYBIT, OKX].map(|name| QuotingVenue::start(name, INSTRUMENTS, rounds));
        let lake = folder.path().join("lake");
        let text = format!(
            "{}{}{}\
             [[threads]]\nname = \"all\"\nidle = \"backoff\"\n\
             agents = [\"feed\", \"calculator\", \"decision\", \"broadcast\", \"journal\"]\n\
             [broadcast]\naddress = \"127.0.0.1:0\"\nclients_max = {}\n\
             client_buffer_bytes = {BUFFER}\nstuck_timeout_ms = 60000\n\
             [journal]\nlake = {lake:?}\nsegment_seconds = 3\n\
             disk_reserve_mb = 0\n",
            venues[0].configuration(),
            venues[1].configuration(),
            configured(INSTRUMENTS),
            STUCK + 2,
        );
        fs::write(folder.path().join("engine.toml"), text).unwrap();
        Home { folder, venues }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the number of descriptors that the plan needs.
    fn descriptors(&self) -> usize {
        let host = Host { cpus: vec![0, 1], descriptors: u64::MAX, now: 0 };
        let plan = Plan::read(&self.path("engine.toml"), &host).unwrap();
        plan.descriptors().iter().map(|(_, need)| need).sum()
    }

    /// Returns the engine's command, with at most so many descriptors.
    fn command(&self, descriptors: usize, words: &str) -> Command {
        let (engine, config) = (env!("CARGO_BIN_EXE_spreadwire"), self.path("engine.toml"));
        let mut command = Command::new("sh");
        let line = format!(
            "ulimit -n {descriptors} && exec {engine} {words} --config {}",
            config.display()
        );
        command.arg("-c").arg(line);
        command
    }

    fn output(&self, descriptors: usize, words: &str) -> Output {
        self.command(descriptors, words).output().unwrap()
    }

    /// Returns the address that the engine's log names.
    fn address(&self) -> SocketAddr {
        until("the address", || {
            let text = fs::read_to_string(self.path("log")).unwrap();
            let (_, rest) = text.split_once("ws://")?;
            Some(rest.split_once(';')?.0.parse().unwrap())
        })
    }
}

fn start(home: &Home, descriptors: usize) -> Running {
    let log = File::create(home.path("log")).unwrap();
    let summary = home.path("summary.json");
    let mut command = home.command(descriptors, &format!("run --summary {}", summary.display()));
    Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// Ends an engine in order, and returns its summary.
fn end(mut engine: Running, home: &Home) -> Value {
    engine.signal("TERM");
    let log = || fs::read_to_string(home.path("log")).unwrap();
    assert!(engine.0.wait().unwrap().success(), "{}", log());
    serde_json::from_slice(&fs::read(home.path("summary.json")).unwrap()).unwrap()
}

/// A client that reads all.
struct GoodClient {
    socket: WebSocket<TcpStream>,
    spreads: usize,
}

impl GoodClient {
    fn join(server: SocketAddr) -> GoodClient {
        let tcp = TcpStream::connect(server).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut socket, _) = tungstenite::client(format!("ws://{server}/"), tcp).unwrap();
        // What follows the whole snapshot is sent one by one.
        while !socket.read().unwrap().to_text().unwrap().contains(r#""last":true"#) {}
        GoodClient { socket, spreads: 0 }
    }

    /// Reads until so many spreads were heard. A gap is none of what may come.
    fn hear(&mut self, spreads: usize) {
        while self.spreads < spreads {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            assert!(!text.contains(r#""type":"gap""#), "{text}");
            self.spreads += usize::from(text.contains(r#""type":"spread""#));
        }
        assert_eq!(self.spreads, spreads);
    }
}

/// Connects from an address that has not made many connections.
fn connect(server: SocketAddr, number: usize) -> TcpStream {
    let from = Ipv4Addr::new(127, 2, 0, u8::try_from(1 + number / PER_ADDRESS).unwrap());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
    socket.connect(&server.into()).unwrap();
    TcpStream::from(socket)
}

/// This process holds the other ends.
fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Spreads after so many rounds: a first quote of two makes none.
fn spreads_after(rounds: usize) -> usize {
    INSTRUMENTS * (4 * rounds - 2)
}

#[test]
fn half_open_sockets_and_clients_that_never_read_cost_no_row_and_no_more_memory_than_planned() {
    raise_descriptors();
    let rounds = usize::try_from(times(ROUNDS)).unwrap();
    let home = Home::new(rounds);
    let need = home.descriptors();
    assert_eq!(home.output(need - 1, "check").status.code(), Some(2), "one descriptor less");
    let checked: Value = serde_json::from_slice(&home.output(need, "check --json").stdout).unwrap();
    let planned = checked["memory_bytes"]["all"].as_u64().unwrap();

    let engine = start(&home, need);
    let server = home.address();
    home.venues.iter().for_each(|venue| venue.wait_until_asked(INSTRUMENTS));
    let mut good = GoodClient::join(server);
    let mut play = |round: usize| {
        home.venues.iter().for_each(|venue| venue.play(round));
        good.hear(spreads_after(round + 1));
    };
    play(0);
    let before = engine.memory("VmRSS:");
    let stuck: Vec<TcpStream> = (0..STUCK)
        .map(|number| {
            let mut socket = connect(server, number);
            socket.write_all(upgrade("").as_bytes()).unwrap();
            socket
        })
        .collect();
    (1..rounds / 3).for_each(&mut play);
    assert!(need < HALF_OPEN, "{need} descriptors");
    let held: Vec<TcpStream> =
        (0..HALF_OPEN).map(|number| connect(server, STUCK + number)).collect();
    (rounds / 3..rounds).for_each(&mut play);
    let peak = engine.memory("VmHWM:");

    let summary = end(engine, &home);
    drop((stuck, held));
    let count = |name: &str| summary["counters"][name].as_u64().unwrap();
    let quotes = (2 * INSTRUMENTS * rounds) as u64;
    println!(
        "{need} descriptors, {quotes} quotes; {} MiB before the clients, {} at most, {} planned",
        before >> 20,
        peak >> 20,
        planned >> 20
    );
    for counter in
        ["connections", "congestions", "conflated", "disconnected.evicted", "disconnected.stopped"]
    {
        println!("{:>9} {counter}", count(&format!("broadcast.{counter}")));
    }
    assert_eq!(summary["complete"], true, "{summary:#}");
    assert_eq!(summary["totals"]["quotes"], quotes, "{summary:#}");
    assert_eq!(summary["totals"]["rows"], quotes, "{summary:#}");
    assert!(1 < count("journal.segments"), "segments are begun meanwhile");
    for failure in ["accept_failures", "no_descriptor", "disconnected.full", "gaps"] {
        assert_eq!(count(&format!("broadcast.{failure}")), 0, "{failure}");
    }
    assert!(STUCK as u64 <= count("broadcast.congestions"), "all that do not read fall behind");
    let ended = |reasons: [&str; 3]| -> u64 {
        reasons.iter().map(|why| count(&format!("broadcast.disconnected.{why}"))).sum()
    };
    assert_eq!(ended(["shutdown", "stuck", "overrun"]), 1 + STUCK as u64);
    assert_eq!(ended(["evicted", "handshake_timeout", "stopped"]), HALF_OPEN as u64);
    assert!(peak <= planned, "{peak} bytes of {planned}");
    let clients = peak - before;
    let bound = (2 * STUCK * BUFFER + LOG) as u64;
    assert!(clients <= bound, "{clients} bytes for the clients, of {bound}");
}
