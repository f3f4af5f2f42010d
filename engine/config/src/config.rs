//! The configuration as the file has it: plain fields, serde, nothing derived, nothing checked.
//!
//! [`read`] parses it as `problem` reads every file that people write. The defaults stand here and
//! nowhere else, in the units of the file. What the values mean is proved by whoever uses them:
//! venues and instruments in `spreadwire-catalogue`, the rest in the engine's plan.

use crate::trading::Trading;
use serde::{Deserialize, Serialize};
use spreadwire_market::problem::{self, Form, Problem};
use spreadwire_market::spread::MAX_NET_BPS;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The whole file. See `config/laptop.toml` for a commented one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Files beside this one whose `venues` and `instruments` are added to its own.
    pub include: Vec<PathBuf>,
    /// Markets to connect to.
    pub venues: Vec<Venue>,
    /// What to compare between them, each on the venues of its market.
    pub instruments: Vec<Instrument>,
    /// What to compare between spot and perpetual venues, under a name of its own.
    pub across_markets: Vec<Instrument>,
    /// Which agents run on which thread.
    pub threads: Vec<Thread>,
    /// The WebSocket server.
    pub broadcast: Broadcast,
    /// Who may connect to it, where that is not everyone.
    pub tokens: Vec<Token>,
    /// Which spreads are believed.
    pub calculator: Calculator,
    /// When an opportunity opens and closes.
    pub decision: Decision,
    /// What is done about it.
    pub trading: Trading,
    /// The record of every quote.
    pub journal: Journal,
    /// The raw frames in files.
    pub capture: Capture,
    /// Latencies in files.
    pub telemetry: Telemetry,
    /// How the feeds' sockets are read.
    pub sockets: Sockets,
    /// Sizes of the edges, in records of 64 bytes.
    pub rings: Rings,
    /// The process's memory.
    pub memory: Memory,
    /// When an agent is slow or stalls.
    pub watchdog: Watchdog,
    /// How far the clock is trusted.
    pub clock: Clock,
    /// What is recorded.
    pub run: Run,
}

impl Config {
    fn every_instrument(&mut self) -> impl Iterator<Item = &mut Instrument> {
        self.instruments.iter_mut().chain(&mut self.across_markets)
    }
}

/// Where an entry of a list stands, for problems with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, where it is not the main one.
    pub file: Option<PathBuf>,
    /// Its number in that file's list.
    pub number: usize,
}

/// One market of one exchange.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Venue {
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
    /// As `spreadwire venues` lists it.
    pub name: String,
    /// Base address instead of the venue's own: a proxy, a regional host, a simulator.
    pub url: Option<String>,
    /// Base address of its REST API instead of the venue's own, which `check --online` asks.
    pub rest_url: Option<String>,
    /// Taker fee in basis points; default is the venue's lowest tier.
    pub taker_fee_bps: Option<f64>,
    /// A quote older than this takes part in no spread, ms. Default [`MAX_AGE_MS_DEFAULT`].
    pub max_age_ms: Option<u64>,
    /// A quote whose event time is behind by more than this is lagging, ms; 0 for no limit. Default
    /// [`MAX_LAG_MS_DEFAULT`].
    pub max_lag_ms: Option<u64>,
    /// A price that jumps by more than this is believed once the next quotes confirm it, basis
    /// points; 0 for no limit. Default [`MAX_JUMP_BPS_DEFAULT`].
    pub max_jump_bps: Option<f64>,
    /// Connections that carry the same symbols at once, 1 or 2. Default 1.
    pub lines: Option<usize>,
    /// Base address of the second line; default is that of the first.
    pub second_url: Option<String>,
    /// PEM file of a certificate authority to trust for `wss://` and `https://` beside the public ones.
    pub ca_file: Option<PathBuf>,
}

impl Venue {
    /// Makes a venue at a base address, with the defaults of everything else. For configurations
    /// that a program writes.
    #[must_use]
    pub fn at(name: &str, url: &str) -> Venue {
        Venue {
            place: Place::default(),
            name: name.to_owned(),
            url: Some(url.to_owned()),
            rest_url: None,
            taker_fee_bps: None,
            max_age_ms: None,
            max_lag_ms: None,
            max_jump_bps: None,
            lines: None,
            second_url: None,
            ca_file: None,
        }
    }
}

/// [`Venue::max_age_ms`] where the file has none.
pub const MAX_AGE_MS_DEFAULT: u64 = 5_000;

/// [`Venue::max_lag_ms`] where the file has none.
pub const MAX_LAG_MS_DEFAULT: u64 = 2_000;

/// [`Venue::max_jump_bps`] where the file has none.
pub const MAX_JUMP_BPS_DEFAULT: f64 = 1_000.0;

/// [`Thread::sleep_max_us`] where the file has none.
pub const SLEEP_MAX_US_DEFAULT: u64 = 1_000;

/// One thing traded, the same on all venues named.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Instrument {
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
    /// Canonical name: `BTC/USDT`, `BTC/USDT:PERP`; across markets `BTC/USDT:SPOT-PERP`.
    pub name: String,
    /// Decimals that prices are kept with; at least those of the venue with the finest tick.
    pub price_decimals: u8,
    /// Decimals that sizes are kept with.
    pub size_decimals: u8,
    /// Venues to compare it on; default is every venue of the file that trades its market.
    pub venues: Option<Vec<String>>,
    /// Spelling by venue, where it is not the venue's customary one.
    #[serde(default)]
    pub symbols: BTreeMap<String, String>,
    /// Base units of one contract by venue, for those whose sizes count contracts: `"0.0001"`.
    #[serde(default)]
    pub contract_sizes: BTreeMap<String, String>,
}

/// One thread.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Thread {
    /// Name, at most 15 bytes.
    pub name: String,
    /// Core to pin it to; default is wherever the OS puts it.
    pub cpu: Option<usize>,
    /// `spin`, `yield` or `backoff`.
    pub idle: String,
    /// Longest sleep of `backoff`, microseconds. Default [`SLEEP_MAX_US_DEFAULT`].
    pub sleep_max_us: Option<u64>,
    /// Agents in the order of the data flow: `feed` or `feed.<venue>`, `calculator`, `decision`,
    /// `broadcast`, `journal`.
    pub agents: Vec<String>,
}

/// The WebSocket server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Broadcast {
    /// Address to listen on: `ip:port`, or `unix:` and the path of a socket.
    pub address: String,
    /// Whether everyone who reaches the address may read, although it is beyond loopback and without
    /// TLS and tokens.
    pub allow_open_access: bool,
    /// PEM file of the certificate with which the server speaks TLS, and of those it is signed by.
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key, which only its owner may read.
    pub private_key: Option<PathBuf>,
    /// File of the audit log; none is written without it.
    pub audit: Option<PathBuf>,
    /// Clients served at once.
    pub clients_max: usize,
    /// Connections at once whose upgrade is not complete; the oldest gives way to a new one.
    pub upgrades_max: usize,
    /// Connections of one address at once.
    pub clients_per_address: usize,
    /// New connections of one address within a second.
    pub connects_per_second: u32,
    /// Hosts that a request may name beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Origins of web pages that may connect.
    pub origins: Vec<String>,
    /// Bytes that wait for one client before it is conflated.
    pub client_buffer_bytes: usize,
    /// A client that takes nothing for this long is disconnected, ms.
    pub stuck_timeout_ms: u64,
}

impl Default for Broadcast {
    fn default() -> Self {
        Broadcast {
            address: "127.0.0.1:8181".to_owned(),
            allow_open_access: false,
            certificate: None,
            private_key: None,
            audit: None,
            clients_max: 1_000,
            upgrades_max: 64,
            clients_per_address: 1_000,
            connects_per_second: 1_000,
            hosts: Vec::new(),
            origins: Vec::new(),
            client_buffer_bytes: 1 << 20,
            stuck_timeout_ms: 5_000,
        }
    }
}

/// A secret text that lets its holder in. It comes from exactly one of the three sources.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Token {
    /// Name, for the audit log.
    pub name: String,
    /// `read` or `control`. Default [`TOKEN_KIND_DEFAULT`].
    pub kind: Option<String>,
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// Name of the systemd credential that holds it.
    pub credential: Option<String>,
    /// File that holds it, which only its owner may read.
    pub file: Option<PathBuf>,
}

/// [`Token::kind`] where the file has none.
pub const TOKEN_KIND_DEFAULT: &str = "read";

/// Which spreads are believed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Calculator {
    /// A net further from zero than this is taken for a mistake in a quote, basis points; 0 for no
    /// limit.
    pub max_net_bps: f64,
}

impl Default for Calculator {
    fn default() -> Self {
        Calculator { max_net_bps: MAX_NET_BPS }
    }
}

/// When an opportunity opens and closes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Decision {
    /// Opens at this net spread or above, basis points.
    pub entry_bps: f64,
    /// Closes below this net spread, basis points.
    pub exit_bps: f64,
    /// After a close the pair opens nothing for this long, ms.
    pub cooldown_ms: u64,
    /// A spread opens nothing if it was received longer ago than this, ms.
    pub max_age_ms: u64,
    /// Instruments to decide on, by name; `"*"` is all.
    pub instruments: Vec<String>,
    /// The file of approved pairs: only they open, each by its own thresholds until it expires.
    pub approved: Option<PathBuf>,
}

impl Default for Decision {
    fn default() -> Self {
        Decision {
            entry_bps: 5.0,
            exit_bps: 0.0,
            cooldown_ms: 1_000,
            max_age_ms: 1_000,
            instruments: vec!["*".to_owned()],
            approved: None,
        }
    }
}

/// The record of every quote.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Journal {
    /// The lake's folder; made if it does not exist.
    pub lake: PathBuf,
    /// A segment is closed and sealed after this many records.
    pub segment_records: u64,
    /// And after this many seconds.
    pub segment_seconds: u64,
    /// Records are written to the file at least this often, ms.
    pub flush_ms: u64,
    /// And forced to the disk at least this often, ms; 0 leaves that to the operating system.
    pub sync_ms: u64,
    /// Recording stops while less than this is free on the lake's disk, MiB; 0 for never.
    pub disk_reserve_mb: u64,
    /// Spreads of this net or more are recorded beside the quotes, basis points; none by default.
    pub spreads_min_net_bps: Option<f64>,
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            lake: PathBuf::from("lake"),
            segment_records: 1_000_000,
            segment_seconds: 300,
            flush_ms: 5,
            sync_ms: 200,
            disk_reserve_mb: 512,
            spreads_min_net_bps: None,
        }
    }
}

/// The raw frames in files.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Capture {
    /// Whether frames are kept.
    pub enabled: bool,
    /// Venues whose frames are kept, by name; `"*"` is all.
    pub venues: Vec<String>,
    /// Frames that may wait for the disk, bytes for each feed.
    pub ring_bytes: usize,
}

impl Default for Capture {
    fn default() -> Self {
        Capture { enabled: false, venues: vec!["*".to_owned()], ring_bytes: 1 << 24 }
    }
}

/// Latencies in files.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Telemetry {
    /// Folder for interval logs, distributions and plots; none are written without it.
    pub hist: Option<PathBuf>,
}

/// How the feeds' sockets are read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Sockets {
    /// Room of each connection for what was read and not decoded yet, bytes.
    pub receive_buffer_bytes: usize,
    /// `SO_BUSY_POLL`, microseconds; 0 asks for nothing.
    pub busy_poll_us: u32,
    /// `SO_TIMESTAMPING`: latency from the kernel's stamp to the read is measured.
    pub kernel_timestamps: bool,
    /// `TCP_QUICKACK` after each turn of reading.
    pub quick_ack: bool,
}

impl Default for Sockets {
    fn default() -> Self {
        Sockets {
            receive_buffer_bytes: 1 << 16,
            busy_poll_us: 0,
            kernel_timestamps: false,
            quick_ack: false,
        }
    }
}

/// Sizes of the edges, in records of 64 bytes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Rings {
    /// From each feed to the calculator.
    pub feed: usize,
    /// From the calculator to the broadcast.
    pub broadcast: usize,
    /// From the calculator to the decision.
    pub decision: usize,
    /// From the calculator to the journal: seconds of peak load.
    pub journal: usize,
}

impl Default for Rings {
    fn default() -> Self {
        Rings { feed: 1 << 14, broadcast: 1 << 16, decision: 1 << 16, journal: 1 << 18 }
    }
}

/// The process's memory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Memory {
    /// Whether all of it is brought into RAM at the start and kept there.
    pub lock: bool,
}

/// When an agent is slow or stalls.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Watchdog {
    /// A turn of an agent that takes longer is counted and told, microseconds.
    pub slow_turn_us: u64,
    /// An agent whose turn takes this long makes no progress, ms.
    pub stall_ms: u64,
}

impl Default for Watchdog {
    fn default() -> Self {
        Watchdog { slow_turn_us: 10_000, stall_ms: 1_000 }
    }
}

/// How far the clock is trusted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Clock {
    /// What to do at start if the kernel says that nothing keeps its clock right: `warn`, `wait` or
    /// `refuse`.
    pub at_start: String,
    /// A larger difference between our clock and the wall clock is no drift, ms.
    pub max_error_ms: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { at_start: "warn".to_owned(), max_error_ms: 100 }
    }
}

/// What is recorded.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Run {
    /// Where the quotes come from: `live`, `simulated` or `replay`. Default: `simulated` if every venue is on
    /// this host, otherwise `live`.
    pub provenance: Option<String>,
}

/// How the file is read.
const FORM: Form = Form {
    start: "config/laptop.toml is one to start from",
    document: "docs/configuration.md",
    gone: &[(
        "decision.recommendations",
        "recommendations open nothing: approve pairs with `analyzer approve PAIR...`, and name the file \
         that it writes, as approved = \"approved.toml\"",
    )],
};

/// Reads a file and those that it includes. Paths within are taken from the file's own folder.
/// Every problem of reading and parsing is appended to `problems`; what the values mean is not
/// looked at. `None` if there is nothing to look at.
pub fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<Config> {
    let mut config = FORM.read(path, problems).map(numbered)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    for include in std::mem::take(&mut config.include) {
        let path = folder.join(include);
        let mut included = FORM.read(&path, problems).map(numbered)?;
        included.venues.iter_mut().for_each(|v| v.place.file = Some(path.clone()));
        included.every_instrument().for_each(|i| i.place.file = Some(path.clone()));
        config.venues.extend(included.venues);
        config.instruments.extend(included.instruments);
        config.across_markets.extend(included.across_markets);
    }
    for venue in &mut config.venues {
        venue.ca_file = venue.ca_file.take().map(|file| folder.join(file));
    }
    let broadcast = &mut config.broadcast;
    for file in [&mut broadcast.certificate, &mut broadcast.private_key] {
        *file = file.take().map(|file| folder.join(file));
    }
    for token in &mut config.tokens {
        token.file = token.file.take().map(|file| folder.join(file));
    }
    let decision = &mut config.decision;
    decision.approved = decision.approved.take().map(|file| folder.join(file));
    let trading = &mut config.trading;
    let venues = trading.venues.iter_mut();
    let files = venues.flat_map(|venue| [&mut venue.latency_file, &mut venue.key_file]);
    for file in files.chain([&mut trading.journal, &mut trading.kill_file]) {
        *file = file.take().map(|file| folder.join(file));
    }
    Some(config)
}

/// Parses a text; the keys that nobody asked for come beside.
///
/// # Errors
/// The first error of syntax or type.
pub fn parse(text: &str) -> Result<(Config, Vec<String>), toml::de::Error> {
    problem::parse(text).map(|(config, unknown)| (numbered(config), unknown))
}

/// With the places of its entries.
fn numbered(mut config: Config) -> Config {
    config.venues.iter_mut().zip(0..).for_each(|(venue, number)| venue.place.number = number);
    config.instruments.iter_mut().zip(0..).for_each(|(it, number)| it.place.number = number);
    config.across_markets.iter_mut().zip(0..).for_each(|(it, number)| it.place.number = number);
    config
}
