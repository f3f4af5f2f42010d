//! `trader`: listens to the engine's broadcast and reports when opportunities open and close.
//!
//! It decides as the engine does: entry and exit thresholds on the net spread, a cooldown, and
//! closing when a leg is not live or at a gap. It places no orders; it is a starting point for your
//! own trader. Events are printed to stdout, one per line. Connections and the summary go to
//! stderr.
//!
//! ```text
//! $ trader --entry-bps 4 --exit-bps 1 --for 60
//! opened #1 BTC/USDT buy binance sell okx 61837.63 x 0.5 -> 61995.1 x 1.2 net 5.42 bp
//! closed #1 BTC/USDT buy binance sell okx after 84.112 ms, peak 6.02 bp, exit
//! ```
//!
//! How to read it: prices and sizes are those of the quotes that opened the opportunity. `net` is
//! after both taker fees. The time is the difference between the receive times of the quotes that
//! opened and closed it.
//!
//! It follows the broadcast with the reference client (`spreadwire_market::client`). Spreads that
//! are too old, come amid a snapshot, have a leg that is not live, or a net beyond `--max-net-bps`
//! are not acted on, which is told once on each connection. If the server
//! sends something that cannot be right, the trader closes what is open, says what it was, and
//! connects again, in pauses that grow until a connection has been in step for 10 s.
//!
//! Exit codes: 0 stopped by Ctrl-C, SIGTERM, `--for`, or because nobody reads stdout any more; 1 something failed; 2 wrong arguments or
//! configuration; 3 the server speaks another version of the protocol, so trying again is useless.
//!
//! A server that wants a token gets the one in `--token-file`, `--token-env` or
//! `--token-credential`. With `wss://` its certificate is checked against the public authorities and
//! those in `--ca-file`. `unix:/path` is a Unix socket of the same host.
//!
//! With `--recommendations FILE`, only pairs that a person has enabled in the analyzer's file open,
//! each at its own thresholds, and none once the file has expired (`docs/recommendations.md`).

use anyhow::{Context, bail};
use clap::Parser;
use spreadwire_config::config;
use spreadwire_config::secret::Source;
use spreadwire_market::client::{Heard, Limits};
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::{Kind, Record};
use spreadwire_market::spread::{self, MAX_NETS_BPS};
use spreadwire_market::{opportunity, recommendations};
use spreadwire_output::{err, out};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trader::{News, Rule, Server, SpreadListener, Trader, told, told_of_recording};

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped by Ctrl-C, SIGTERM or --for
  1  something failed
  2  wrong arguments or configuration
  3  the server speaks another version of the protocol; trying again is useless";

/// Listens to the engine's broadcast and reports when opportunities open and close. Places no
/// orders.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Arguments {
    /// Address of the broadcast server: ws://host:port, wss://host:port, or unix:/path.
    #[arg(long, default_value = "ws://127.0.0.1:8181")]
    url: String,
    /// File that holds the token to bring, which only its owner may read.
    #[arg(long, value_name = "FILE", group = "token")]
    token_file: Option<PathBuf>,
    /// Environment variable that holds it.
    #[arg(long, value_name = "NAME", group = "token")]
    token_env: Option<String>,
    /// systemd credential that holds it.
    #[arg(long, value_name = "NAME", group = "token")]
    token_credential: Option<String>,
    /// PEM file of a certificate authority to trust for wss://, in addition to the public ones.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The engine's configuration; its section [decision] and its calculator.max_net_bps are used.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A reviewed file of the analyzer. Only its enabled pairs open, each at its own thresholds,
    /// until it expires. Replaces the one in the configuration.
    #[arg(long, value_name = "FILE")]
    recommendations: Option<PathBuf>,
    /// Entry threshold of the net spread, overrides the configuration.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    entry_bps: Option<f64>,
    /// Exit threshold of the net spread, overrides the configuration.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    exit_bps: Option<f64>,
    /// Time after a close in which the pair opens nothing, overrides the configuration.
    #[arg(long, value_name = "MS")]
    cooldown_ms: Option<u64>,
    /// Maximum age of a spread that is acted on. It includes the difference between the clocks of
    /// this host and the engine's.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    max_age_ms: u64,
    /// A net spread further from zero than this is taken for a mistake and not acted on; 0 for no
    /// limit. Overrides the configuration's `calculator.max_net_bps`.
    #[arg(long, value_name = "BPS")]
    max_net_bps: Option<f64>,
    /// Instruments to decide on, overrides the configuration; may be given several times.
    #[arg(long = "instrument", value_name = "NAME")]
    instruments: Vec<String>,
    /// Stop after this many seconds instead of at Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Print one JSON object per line instead of text.
    #[arg(long)]
    json: bool,
}

/// Counts for the summary.
#[derive(Debug, Default)]
struct Tally {
    spreads: u64,
    opened: u64,
    closed: u64,
    gaps: u64,
    connections: u64,
    /// Connections that were ended because of what the server sent.
    refused: u64,
}

/// Exit code if the server speaks another version of the protocol.
const OTHER_PROTOCOL: u8 = 3;

/// Reason for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It was stopped.
    Stopped,
    /// The server speaks another version of the protocol.
    OtherProtocol,
}

/// Runs the trader; the exit codes are at the top of this file.
fn main() -> ExitCode {
    spreadwire_output::conclude(follow(&Arguments::parse()))
}

fn follow(arguments: &Arguments) -> ExitCode {
    let clock = Clock::host();
    let (rule, max_net) = match rule(arguments, clock.now()) {
        Ok(both) => both,
        Err(error) => {
            err!("trader: {error:#}");
            return ExitCode::from(2);
        }
    };
    if let Some(recommendations) = &rule.recommendations {
        err!("{}", recommendations.describe());
    }
    let server = match server(arguments) {
        Ok(server) => server,
        Err(why) => {
            err!("trader: {why}");
            return ExitCode::from(2);
        }
    };
    if server.shows_its_token() {
        let url = &arguments.url;
        err!("whoever is on the way to {url} can read the token; use wss:// if you can");
    }
    let max_age = arguments.max_age_ms.saturating_mul(MILLI);
    let limits = Limits { max_age, max_net, ..Limits::default() };
    match run(arguments, server, rule, limits, &clock) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::OtherProtocol) => ExitCode::from(OTHER_PROTOCOL),
        Err(error) => {
            err!("trader: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the server for the arguments.
fn server(arguments: &Arguments) -> Result<Server, String> {
    let Arguments { token_file, token_env, token_credential, .. } = arguments;
    let file = token_file.clone().map(|file| ("--token-file", Source::File(file)));
    let env = token_env.clone().map(|name| ("--token-env", Source::Environment(name)));
    let credential = token_credential.clone();
    let credential = credential.map(|name| ("--token-credential", Source::Credential(name)));
    let token = file
        .or(env)
        .or(credential)
        .map(|(option, source)| source.read().map_err(|bad| format!("{option}: {bad}")));
    let (url, ca_file) = (&arguments.url, arguments.ca_file.as_deref());
    Server::new(url, token.transpose()?, ca_file).map_err(|why| format!("--url {why}"))
}

fn run(
    arguments: &Arguments,
    server: Server,
    rule: Rule,
    limits: Limits,
    clock: &Clock,
) -> anyhow::Result<Ended> {
    let end = arguments.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let end = end
        .map(|end| clock.now().saturating_add(u64::try_from(end.as_nanos()).unwrap_or(Nanos::MAX)));
    let mut listener = SpreadListener::new(server, limits, clock.clone());
    let mut session = Session::new(rule, arguments.json);
    let mut ended = Ended::Stopped;
    while ended == Ended::Stopped
        && !stop.load(Ordering::Relaxed)
        && !spreadwire_output::has_reader_left()
        && end.is_none_or(|end| clock.now() < end)
    {
        if session.trader.expire(clock.now()) {
            err!("the recommendations have expired: no opportunity opens any more");
        }
        session.records.clear();
        let news = listener.listen(&mut session.records);
        if matches!(news, News::OtherProtocol { .. }) {
            ended = Ended::OtherProtocol;
        }
        session.take(news, &arguments.url)?;
        while let Some(doubt) = listener.new_doubt() {
            err!("{}", doubt.advice());
        }
    }
    session.end(listener.doubted(), clock.now())?;
    Ok(ended)
}

/// The trader with what it has heard, said and counted.
struct Session {
    trader: Trader,
    tally: Tally,
    records: Vec<Record>,
    events: Vec<Record>,
    json: bool,
}

impl Session {
    fn new(rule: Rule, json: bool) -> Session {
        let (trader, tally) = (Trader::new(rule), Tally::default());
        Session { trader, tally, records: Vec::new(), events: Vec::new(), json }
    }

    /// Takes news of the server at `url`, with its records, and prints what follows from them.
    fn take(&mut self, news: News, url: &str) -> anyhow::Result<()> {
        match news {
            News::None => {}
            News::Connected(catalogue) => self.connected(catalogue, url),
            News::Records(heard) => self.trader.take(heard, &self.records, &mut self.events),
            News::Lost { why, refused, retry_in } => {
                self.tally.refused += u64::from(refused);
                err!("{}; retrying in {} ms", escape(&why), retry_in / MILLI);
                self.trader.take(Heard::CatchingUp, &self.records, &mut self.events);
            }
            News::OtherProtocol { why } => {
                err!("trader: {}", escape(&why));
                self.trader.take(Heard::CatchingUp, &self.records, &mut self.events);
            }
        }
        self.records.iter().filter_map(told_of_recording).for_each(|line| err!("{line}"));
        self.tally.count(&self.records);
        self.print()
    }

    fn connected(&mut self, catalogue: Catalogue, url: &str) {
        self.tally.connections += 1;
        let (instruments, venues) = (catalogue.instruments.len(), catalogue.venues.len());
        err!("connected to {url}: {instruments} instruments, {venues} venues");
        for name in self.trader.connected(catalogue) {
            err!("the server does not list {}", escape(&name));
        }
    }

    /// Closes what is open at `now` and prints the summary.
    fn end(&mut self, doubted: u64, now: Nanos) -> anyhow::Result<()> {
        self.trader.stop(now, &mut self.events);
        self.print()?;
        let Tally { spreads, opened, closed, gaps, connections, refused } = self.tally;
        err!(
            "{spreads} spreads, {opened} opened, {closed} closed, {gaps} gaps, {connections} \
             connections, {refused} refused, {doubted} messages not acted on"
        );
        Ok(())
    }

    /// Counts and prints the opportunities that opened and closed.
    fn print(&mut self) -> anyhow::Result<()> {
        self.tally.count(&self.events);
        for event in self.events.drain(..) {
            let Some(line) = opportunity::line_of(&event, self.trader.catalogue()) else {
                continue;
            };
            if self.json {
                out!("{line}");
            } else {
                out!("{}", told(&line));
            }
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, records: &[Record]) {
        for record in records {
            match record.kind() {
                Some(Kind::Spread) => self.spreads += 1,
                Some(Kind::Gap) => self.gaps += 1,
                Some(Kind::Opened) => self.opened += 1,
                Some(Kind::Closed) => self.closed += 1,
                _ => {}
            }
        }
    }
}

/// Returns the rule for the arguments, as of `now`, ns since 1970 UTC, and the bound of the nets
/// that are believed, a fraction.
fn rule(arguments: &Arguments, now: Nanos) -> anyhow::Result<(Rule, f64)> {
    let mut problems = Vec::new();
    let config = match &arguments.config {
        Some(path) => config::read(path, &mut problems).unwrap_or_default(),
        None => config::Config::default(),
    };
    let (decision, calculator) = (config.decision, config.calculator);
    let file = arguments.recommendations.as_ref().or(decision.recommendations.as_ref());
    let recommendations = file.and_then(|file| match recommendations::read(file, now) {
        Ok(all) => Some(all),
        Err(more) => {
            problems.extend(more);
            None
        }
    });
    if !problems.is_empty() {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bail!("{}", lines.join("\n"));
    }
    let rule = Rule {
        entry_bps: arguments.entry_bps.unwrap_or(decision.entry_bps),
        exit_bps: arguments.exit_bps.unwrap_or(decision.exit_bps),
        cooldown: arguments.cooldown_ms.unwrap_or(decision.cooldown_ms).saturating_mul(MILLI),
        instruments: if arguments.instruments.is_empty() {
            decision.instruments
        } else {
            arguments.instruments.clone()
        },
        recommendations,
    };
    let asked = arguments.entry_bps.or(arguments.exit_bps);
    if rule.recommendations.is_some() && asked.is_some() {
        bail!(
            "--entry-bps and --exit-bps have no effect with recommendations; set entry_bps and \
             exit_bps of the pair in that file"
        );
    }
    let ordered = rule.exit_bps.is_finite() && rule.exit_bps <= rule.entry_bps;
    if !rule.entry_bps.is_finite() || !ordered {
        bail!("the exit, {} bp, is above the entry, {} bp", rule.exit_bps, rule.entry_bps);
    }
    let max_net_bps = arguments.max_net_bps.unwrap_or(calculator.max_net_bps);
    if !MAX_NETS_BPS.contains(&max_net_bps) {
        let (min, max) = (MAX_NETS_BPS.start(), MAX_NETS_BPS.end());
        bail!(
            "max_net_bps: {max_net_bps} is outside its bounds; choose {min} to {max}, 0 for no limit"
        );
    }
    Ok((rule, spread::max_net(max_net_bps)))
}
