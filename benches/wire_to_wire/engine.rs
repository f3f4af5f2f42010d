//! The engine as a contender: its library, started from a configuration file as `spreadwire run`
//! does.
//!
//! All agents run on one spinning thread on one core, because two cores have no space for a third
//! busy thread. The journal's batches are written between two frames. As always, cold threads do
//! everything that waits for the disk. The lake is discarded.

use super::answers::{Answers, Form, messages, quote_number};
use super::frames::{self, Wrapping};
use super::load::Sockets;
use super::venue::Listener;
use anyhow::{Context, anyhow, bail};
use spreadwire_config::config;
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::process::Process;
use spreadwire_engine::runtime::cpu;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tungstenite::Message;

/// Path that the other venue's connections use.
const OTHER_PATH: &str = "/public/ws";
/// Interval between warm-up frames, and timeout of each read of an answer.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// Number of warm-up frames, all of which are answered before the block begins.
const PROBES: u64 = 50;
/// Timeout of the set-up.
const PATIENCE: Nanos = 20 * SECOND;

/// Parameters of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Address of the exchange.
    pub(crate) exchange: SocketAddr,
    /// Core of the hot thread.
    pub(crate) cpu: usize,
}

/// Returns the text of the configuration file.
pub(crate) fn configuration(place: Place) -> String {
    let Place { exchange, cpu } = place;
    format!(
        r#"# Written by wire-to-wire.
[[venues]]
name = "binance"
url = "ws://{exchange}"
max_age_ms = 3600000

[[venues]]
name = "binance-usdm"
url = "ws://{exchange}"
max_age_ms = 3600000

[[across_markets]]
name = "BTC/USDT:SPOT-PERP"
price_decimals = 8
size_decimals = 8

[[threads]]
name = "hot"
cpu = {cpu}
idle = "spin"
agents = ["feed", "calculator", "decision", "broadcast", "journal"]

[broadcast]
address = "127.0.0.1:0"

[journal]
lake = "lake"
disk_reserve_mb = 0
"#
    )
}

/// Starts the engine with its lake in `home`.
pub(crate) fn start(place: Place, home: &Path) -> anyhow::Result<Process> {
    let (file, mut problems) = (home.join("wire-to-wire.toml"), Vec::new());
    std::fs::write(&file, configuration(place))?;
    let mut config = config::read(&file, &mut problems)
        .ok_or_else(|| anyhow!("cannot read the configuration: {problems:?}"))?;
    config.journal.lake = home.join("lake");
    let host = Host { cpus: cpu::available(), descriptors: u64::MAX, now: Clock::host().now() };
    let plan = Plan::new(config, &file, &host, problems)
        .map_err(|problems| anyhow!("the configuration is not valid: {problems:?}"))?;
    Process::start(&plan)
}

/// Accepts the engine's connections, subscribes to its broadcast, and sends frames until spreads
/// arrive. Afterwards nothing is in flight.
pub(crate) fn connect(
    listener: &Listener,
    broadcast: SocketAddr,
    clock: &Clock,
) -> anyhow::Result<(Sockets, Answers)> {
    let subscribers = [listener.subscriber()?, listener.subscriber()?];
    let [first, second] = subscribers;
    let (mut other, mut feed) =
        if first.path == OTHER_PATH { (first, second) } else { (second, first) };
    if other.path != OTHER_PATH || feed.path != "/ws" {
        bail!("unexpected connections to {} and {}", other.path, feed.path);
    }
    let mut answers = subscribe(broadcast).context("the broadcast")?;
    other.stream.write_all(&frames::fixed())?;
    let base = probe(&mut feed.stream, &mut answers, clock)?;
    // The other venue's socket stays open as long as the engine's side of it.
    keep(other.stream);
    Ok((Sockets { feed: feed.stream, answers }, Answers::new(Form::Spreads { base })))
}

/// Keeps an unused socket open: a thread waits for its end.
fn keep(mut stream: TcpStream) {
    let wait = move || {
        drop(stream.set_read_timeout(None));
        let mut bytes = [0; 64];
        while stream.read(&mut bytes).is_ok_and(|count| 0 < count) {}
    };
    drop(std::thread::Builder::new().name("other-venue".to_owned()).spawn(wait));
}

/// Returns a client of the broadcast that subscribes to spreads from 0 bp: one of the two that each
/// frame produces.
fn subscribe(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tungstenite::client(format!("ws://{address}/"), stream)
        .map_err(|error| anyhow!("the upgrade failed: {error}"))?;
    socket.send(Message::text(r#"{"op":"subscribe","id":"w","min_net_bps":0}"#))?;
    loop {
        let Message::Text(text) = socket.read()? else { continue };
        if text.starts_with(r#"{"type":"snapshot","id":"w""#) {
            break;
        }
    }
    Ok(socket.get_mut().try_clone()?)
}

/// Sends warm-up frames until all are answered; returns the number of the last one's quote.
fn probe(feed: &mut TcpStream, answers: &mut TcpStream, clock: &Clock) -> anyhow::Result<u64> {
    answers.set_read_timeout(Some(PROBE_INTERVAL))?;
    let deadline = clock.now() + PATIENCE;
    let (mut pending, mut heard, mut last) = (Vec::new(), 0, 0);
    let mut bytes = [0; 16 * 1024];
    for number in 0.. {
        if clock.now() > deadline {
            bail!("{heard} spreads arrived for {number} frames");
        }
        if number < PROBES {
            feed.write_all(&frames::probe(number, Wrapping::Bare))?;
        }
        match answers.read(&mut bytes) {
            Ok(0) => bail!("the broadcast ended"),
            Ok(count) => pending.extend(&bytes[..count]),
            Err(error) if is_timeout(&error) && heard < PROBES => {}
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error.into()),
        }
        let used = messages(&pending, |payload| {
            if let Some(number) = quote_number(payload) {
                (heard, last) = (heard + 1, number);
            }
        });
        pending.drain(..used);
    }
    Ok(last)
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
