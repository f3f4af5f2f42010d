//! The configuration as the file has it: plain fields, serde, nothing derived, nothing checked.
//!
//! [`read`] parses; what it means is proved in `plan`. Every key that nobody asked for is a
//! problem of its own, so that all of them are reported at once. It must not know agents.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The whole file. See `config/laptop.toml` for a commented one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Files beside this one whose `venues` and `instruments` are added to its own.
    pub include: Vec<PathBuf>,
    /// Markets to connect to.
    pub venues: Vec<Venue>,
    /// What to compare between them.
    pub instruments: Vec<Instrument>,
    /// Which agents run on which thread.
    pub threads: Vec<Thread>,
    /// The WebSocket server.
    pub broadcast: Broadcast,
    /// When an opportunity opens and closes.
    pub decision: Decision,
    /// The record of every quote.
    pub journal: Journal,
    /// The raw frames in files.
    pub capture: Capture,
    /// Sizes of the edges, in records of 64 bytes.
    pub rings: Rings,
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
#[derive(Clone, Debug, Deserialize)]
pub struct Venue {
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
    /// As `spreadwire venues` lists it.
    pub name: String,
    /// Base address instead of the venue's own: a proxy, a regional host, a simulator.
    pub url: Option<String>,
    /// Taker fee in basis points; default is the venue's lowest tier.
    pub taker_fee_bps: Option<f64>,
    /// A quote older than this takes part in no spread, ms. Default 5000.
    pub max_age_ms: Option<u64>,
    /// PEM file of a certificate authority to trust for `wss://` beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// One thing traded, the same on all venues named.
#[derive(Clone, Debug, Deserialize)]
pub struct Instrument {
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
    /// Canonical name: `BTC/USDT`, `BTC/USDT:PERP`.
    pub name: String,
    /// Decimals that prices are kept with; at least those of the venue with the finest tick.
    pub price_decimals: u8,
    /// Decimals that sizes are kept with.
    pub size_decimals: u8,
    /// Venues to compare it on; default is every venue of the file.
    pub venues: Option<Vec<String>>,
    /// Spelling by venue, where it is not the venue's customary one.
    #[serde(default)]
    pub symbols: BTreeMap<String, String>,
}

/// One thread.
#[derive(Clone, Debug, Deserialize)]
pub struct Thread {
    /// Name, at most 15 bytes.
    pub name: String,
    /// Core to pin it to; default is wherever the OS puts it.
    pub cpu: Option<usize>,
    /// `spin`, `yield` or `backoff`.
    pub idle: String,
    /// Longest sleep of `backoff`, microseconds. Default 1000.
    pub sleep_max_us: Option<u64>,
    /// Agents in the order of the data flow: `feed` or `feed.<venue>`, `calculator`, `decision`,
    /// `broadcast`, `journal`.
    pub agents: Vec<String>,
}

/// The WebSocket server.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Broadcast {
    /// Address to listen on.
    pub address: String,
    /// Clients served at once.
    pub clients_max: usize,
    /// Bytes that wait for one client before it is conflated.
    pub client_buffer_bytes: usize,
    /// A client that takes nothing for this long is disconnected, ms.
    pub stuck_timeout_ms: u64,
}

impl Default for Broadcast {
    fn default() -> Self {
        Broadcast {
            address: "127.0.0.1:8181".to_owned(),
            clients_max: 1_000,
            client_buffer_bytes: 1 << 20,
            stuck_timeout_ms: 5_000,
        }
    }
}

/// When an opportunity opens and closes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Opens at this net spread or above, basis points.
    pub entry_bps: f64,
    /// Closes below this net spread, basis points.
    pub exit_bps: f64,
    /// After a close the pair opens nothing for this long, ms.
    pub cooldown_ms: u64,
    /// Instruments to decide on, by name; `"*"` is all.
    pub instruments: Vec<String>,
}

impl Default for Decision {
    fn default() -> Self {
        Decision {
            entry_bps: 5.0,
            exit_bps: 0.0,
            cooldown_ms: 1_000,
            instruments: vec!["*".to_owned()],
        }
    }
}

/// The record of every quote.
#[derive(Clone, Debug, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
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

/// Sizes of the edges, in records of 64 bytes.
#[derive(Clone, Debug, Deserialize)]
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

/// Something wrong with the configuration, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The key: `threads[1].cpu`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with the value.
    pub reason: String,
    /// What would be right.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// All keys that a file may hold, for "did you mean".
pub const KEYS: [&str; 41] = [
    "include",
    "venues",
    "instruments",
    "threads",
    "broadcast",
    "decision",
    "journal",
    "capture",
    "rings",
    "name",
    "url",
    "taker_fee_bps",
    "max_age_ms",
    "ca_file",
    "price_decimals",
    "size_decimals",
    "symbols",
    "cpu",
    "idle",
    "sleep_max_us",
    "agents",
    "address",
    "clients_max",
    "client_buffer_bytes",
    "stuck_timeout_ms",
    "entry_bps",
    "exit_bps",
    "cooldown_ms",
    "lake",
    "segment_records",
    "segment_seconds",
    "flush_ms",
    "sync_ms",
    "enabled",
    "ring_bytes",
    "disk_reserve_mb",
    "spreads_min_net_bps",
    "feed",
    "broadcast",
    "decision",
    "journal",
];

/// Reads a file and those that it includes. Paths within are taken from the file's own folder.
/// Every problem of reading and parsing is appended to `problems`; what the values mean is not
/// looked at. `None` if there is nothing to look at.
pub fn read(path: &Path, problems: &mut Vec<Problem>) -> Option<Config> {
    let mut config = read_one(path, problems)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    for include in std::mem::take(&mut config.include) {
        let path = folder.join(include);
        let mut included = read_one(&path, problems)?;
        included.venues.iter_mut().for_each(|v| v.place.file = Some(path.clone()));
        included.instruments.iter_mut().for_each(|i| i.place.file = Some(path.clone()));
        config.venues.extend(included.venues);
        config.instruments.extend(included.instruments);
    }
    for venue in &mut config.venues {
        venue.ca_file = venue.ca_file.take().map(|file| folder.join(file));
    }
    Some(config)
}

fn read_one(path: &Path, problems: &mut Vec<Problem>) -> Option<Config> {
    let problem = |key: &str, reason: String, remedy: &str| Problem {
        file: path.to_owned(),
        key: key.to_owned(),
        reason,
        remedy: remedy.to_owned(),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let remedy = "name a readable TOML file; config/laptop.toml is one to start from";
            problems.push(problem("", format!("cannot be read: {error}"), remedy));
            return None;
        }
    };
    match parse(&text) {
        Ok((config, unknown)) => {
            let each = |key: String| problem(&key, "no such key".to_owned(), &nearest(&key));
            problems.extend(unknown.into_iter().map(each));
            Some(config)
        }
        Err(error) => {
            let line = error.span().map_or(0, |s| text[..s.start].matches('\n').count() + 1);
            let key = if line == 0 { String::new() } else { format!("line {line}") };
            let reason = error.message().trim().replace('\n', ", ");
            problems.extend(
                unknown_of(&text)
                    .into_iter()
                    .map(|key| problem(&key, "no such key".to_owned(), &nearest(&key))),
            );
            problems.push(problem(
                &key,
                reason,
                "mend the line; docs/configuration.md has every key",
            ));
            None
        }
    }
}

/// Keys that nobody asked for, of a text that is TOML but does not have the right shape: a key that
/// is missing is often one that is misspelt.
fn unknown_of(text: &str) -> Vec<String> {
    fn walk(value: &toml::Value, path: &str, unknown: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if !KEYS.contains(&key.as_str()) {
                        unknown.push(path);
                    } else if key != "symbols" {
                        walk(value, &path, unknown);
                    }
                }
            }
            toml::Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}[{number}]"), unknown);
                }
            }
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }
    let mut unknown = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&toml::Value::Table(table), "", &mut unknown);
    }
    unknown
}

/// Parses a text; the keys that nobody asked for come beside.
///
/// # Errors
/// The first error of syntax or type.
pub fn parse(text: &str) -> Result<(Config, Vec<String>), toml::de::Error> {
    let mut unknown = Vec::new();
    let deserializer = toml::Deserializer::parse(text)?;
    let mut config: Config =
        serde_ignored::deserialize(deserializer, |path| unknown.push(key_of(&path)))?;
    config.venues.iter_mut().zip(0..).for_each(|(venue, number)| venue.place.number = number);
    config.instruments.iter_mut().zip(0..).for_each(|(it, number)| it.place.number = number);
    Ok((config, unknown))
}

/// `threads.0.cpu` as people write it: `threads[0].cpu`.
fn key_of(path: &serde_ignored::Path<'_>) -> String {
    let mut key = String::new();
    for part in path.to_string().split('.').filter(|part| *part != "?") {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            key.push_str(&format!("[{part}]"));
        } else {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(part);
        }
    }
    key
}

/// "Did you mean", for the last part of a key.
fn nearest(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let close = KEYS
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, last).total_cmp(&strsim::jaro_winkler(b, last)));
    match close {
        Some(known) if strsim::jaro_winkler(known, last) > 0.8 && *known != last => {
            format!("did you mean `{known}`?")
        }
        _ => "remove it; docs/configuration.md has every key".to_owned(),
    }
}
