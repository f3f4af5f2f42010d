//! A client of the broadcast that keeps the best spread of each instrument, for the demo's tables.
//!
//! It uses the engine's broadcast protocol and its board of latencies, and runs on a cold thread.

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use crossterm::cursor::MoveTo;
use crossterm::terminal::{Clear, ClearType};
use serde::Deserialize;
use spreadwire_engine::process::Process;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_engine::runtime::runner::Stop;
use spreadwire_engine::summary::Summary;
use spreadwire_engine::telemetry::{Board, QUANTILES, Row};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_output::{Stream, offer};
use std::collections::{BTreeMap, HashMap};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tungstenite::{Message, WebSocket};

/// Timeout of a read, after which the client checks whether the demo has ended.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Number of venues that the live table of latencies has space for.
const VENUES_SHOWN: usize = 6;
/// Index of p99 in [`QUANTILES`].
const P99: usize = 2;

/// Fields of a message that the client reads; the others are ignored.
#[derive(Debug, Deserialize)]
struct Spread<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    instrument: &'a str,
    #[serde(default)]
    venue: &'a str,
    #[serde(default)]
    state: &'a str,
    #[serde(default)]
    buy_venue: &'a str,
    #[serde(default)]
    sell_venue: &'a str,
    #[serde(default)]
    buy_px: &'a str,
    #[serde(default)]
    sell_px: &'a str,
    #[serde(default)]
    net_bps: f64,
    #[serde(default)]
    ts_recv: Nanos,
}

/// Latest spread of one ordered pair of venues.
#[derive(Clone, Debug)]
struct Pair {
    buy_px: String,
    sell_px: String,
    net_bps: f64,
    ts_recv: Nanos,
}

/// Pairs by instrument, then by buy and sell venue.
type Pairs = HashMap<String, BTreeMap<(String, String), Pair>>;

/// State that the client has collected.
#[derive(Debug, Default)]
struct Seen {
    pairs: Pairs,
    messages: u64,
    gaps: u64,
}

/// The client's thread and its state.
#[derive(Debug)]
pub(crate) struct View {
    seen: Arc<Mutex<Seen>>,
    clock: Clock,
    board: Board,
    thread: JoinHandle<Latency>,
}

impl View {
    /// Connects to the broadcast and follows it until the stop flag is set.
    pub(crate) fn start(engine: &Process) -> anyhow::Result<View> {
        let (endpoint, clock, stop) = (engine.endpoint(), engine.clock(), engine.stop());
        let address = endpoint.tcp().context("the demo reads from a TCP port")?;
        let tcp = TcpStream::connect(address).context("the demo cannot reach the broadcast")?;
        tcp.set_nodelay(true)?;
        let (socket, _) = tungstenite::client(format!("ws://{address}/"), tcp)
            .map_err(|error| anyhow::anyhow!("the broadcast refused the demo: {error}"))?;
        socket.get_ref().set_read_timeout(Some(LOOK_UP))?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (shared, clock_there, stop) = (Arc::clone(&seen), clock.clone(), stop.clone());
        let thread = std::thread::Builder::new()
            .name("view".to_owned())
            .spawn(move || follow(socket, &shared, &clock_there, &stop))?;
        Ok(View { seen, clock: clock.clone(), board: engine.board().clone(), thread })
    }

    /// Redraws the tables of best spreads and latencies on the terminal.
    pub(crate) fn draw(&self, status: &str) {
        let (table, latencies) = (self.table(), latencies(&self.board.rows()));
        let top = format!("{}{}", Clear(ClearType::All), MoveTo(0, 0));
        let text = format!("{top}{table}\n\n{latencies}\n{status}\nCtrl-C seals and stops");
        offer(Stream::Out, &text);
    }

    fn table(&self) -> Table {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut best: Vec<_> = seen
            .pairs
            .iter()
            .filter_map(|(instrument, pairs)| {
                let dearer = |a: &Pair, b: &Pair| a.net_bps.total_cmp(&b.net_bps);
                let (way, pair) = pairs.iter().max_by(|(_, a), (_, b)| dearer(a, b))?;
                Some((instrument, way, pair))
            })
            .collect();
        best.sort_by(|(a, _, x), (b, _, y)| y.net_bps.total_cmp(&x.net_bps).then(a.cmp(b)));
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["instrument", "buy on", "at", "sell on", "at", "net bp", "age ms"]);
        for (instrument, (buy, sell), pair) in best {
            let age = now.saturating_sub(pair.ts_recv) / 1_000_000;
            let (net, age) = (format!("{:.2}", pair.net_bps), age.to_string());
            table.add_row([instrument, buy, &pair.buy_px, sell, &pair.sell_px, &net, &age]);
        }
        for column in [2, 4, 5, 6] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    /// Ends with the engine and adds the client's measurements to its summary.
    pub(crate) fn finish(self, mut summary: Summary) -> Summary {
        match self.thread.join() {
            Ok(latency) => summary.report.latency("read_to_client", &latency),
            Err(_) => summary.report.failures.push("the demo's client panicked".to_owned()),
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |name: &str, n: u64| summary.counters.register(name).set(n);
        count("client.messages", seen.messages);
        count("client.gaps", seen.gaps);
        drop(seen);
        summary
    }
}

/// Returns the table of the last second's latencies in us: a line per stage, followed by the
/// venues' p99.
fn latencies(rows: &[Row]) -> Table {
    let mut venues: Vec<&str> = Vec::new();
    for (venue, _) in rows.iter().flat_map(|row| &row.venues) {
        if !venues.contains(&venue.as_str()) && venues.len() < VENUES_SHOWN {
            venues.push(venue);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let head = ["last second, us", "samples"].map(str::to_owned).into_iter();
    let head = head.chain(QUANTILES.map(|(name, _)| name.to_owned())).chain(["max".to_owned()]);
    table.set_header(head.chain(venues.iter().map(|venue| format!("{venue} p99"))));
    for row in rows {
        let of_venue = |name: &&str| {
            let found = row.venues.iter().find(|(venue, _)| venue == name);
            found.map_or(String::new(), |(_, quantiles)| micros(quantiles[P99]))
        };
        let head = [row.stage.replace('_', " "), row.count.to_string()].into_iter();
        let all = row.quantiles.iter().chain([&row.max]).map(|nanos| micros(*nanos));
        table.add_row(head.chain(all).chain(venues.iter().map(of_venue)));
    }
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    table
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn micros(nanos: Nanos) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

fn follow(
    mut socket: WebSocket<TcpStream>,
    seen: &Mutex<Seen>,
    clock: &Clock,
    stop: &Stop,
) -> Latency {
    let mut latency = Latency::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => take(&text, seen, clock, &mut latency),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if is_pause(&error) && !stop.is_requested() => {}
            Err(_) => return latency,
        }
    }
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn take(text: &str, seen: &Mutex<Seen>, clock: &Clock, latency: &mut Latency) {
    let Ok(message) = serde_json::from_str::<Spread<'_>>(text) else { return };
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.messages += 1;
    match message.kind {
        "spread" => {
            latency.record(message.ts_recv, clock.now());
            keep(&mut seen.pairs, &message);
        }
        "status" if message.state != "live" => {
            if let Some(pairs) = seen.pairs.get_mut(message.instrument) {
                pairs.retain(|(buy, sell), _| buy != message.venue && sell != message.venue);
            }
        }
        "gap" => seen.gaps += 1,
        _ => {}
    }
}

fn keep(pairs: &mut Pairs, spread: &Spread<'_>) {
    let pair = Pair {
        buy_px: spread.buy_px.to_owned(),
        sell_px: spread.sell_px.to_owned(),
        net_bps: spread.net_bps,
        ts_recv: spread.ts_recv,
    };
    let way = (spread.buy_venue.to_owned(), spread.sell_venue.to_owned());
    match pairs.get_mut(spread.instrument) {
        Some(ways) => ways.insert(way, pair),
        None => pairs.entry(spread.instrument.to_owned()).or_default().insert(way, pair),
    };
}
