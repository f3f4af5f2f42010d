//! `trader`: listens to the engine's broadcast and tells when opportunities open and close.
//!
//! It decides as the engine does (entry and exit thresholds on the net spread, cooldown, closing on a
//! leg that is not live and on a gap) and places no orders: a place to begin one's own. One line for
//! each event goes to stdout, connections and the summary to stderr.
//!
//! ```text
//! $ trader --entry-bps 4 --exit-bps 1 --for 60
//! opened #1 BTC/USDT buy binance sell okx 61837.63 x 0.5 -> 61995.1 x 1.2 net 5.42 bp
//! closed #1 BTC/USDT buy binance sell okx after 84.112 ms, peak 6.02 bp, exit
//! ```
//!
//! How to read it: prices and sizes are those of the quotes at the moment of opening, `net` is after
//! both taker fees, the time is between the receive times of the quotes that opened and closed it.
//!
//! With `--recommendations FILE` only the pairs open that a person has enabled in the analyzer's file,
//! each by its own thresholds, and none once the file has expired (`docs/recommendations.md`).

use anyhow::{Context, bail};
use clap::Parser;
use spreadwire_config::address::Address;
use spreadwire_config::config;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::record::{Kind, Record};
use spreadwire_market::{opportunity, recommendations};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trader::{Heard, News, Rule, SpreadListener, Trader, told, told_of_recording};

/// Listens to the engine's broadcast and tells when opportunities open and close. No orders.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The broadcast server.
    #[arg(long, default_value = "ws://127.0.0.1:8181")]
    url: String,
    /// The engine's configuration, for its [decision] section.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The analyzer's file, reviewed: only its enabled pairs open, each by its own thresholds, until it
    /// expires; instead of the configuration's.
    #[arg(long, value_name = "FILE")]
    recommendations: Option<PathBuf>,
    /// Opens at this net spread or above, instead of the configuration's.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    entry_bps: Option<f64>,
    /// Closes below this net spread, instead of the configuration's.
    #[arg(long, value_name = "BPS", allow_negative_numbers = true)]
    exit_bps: Option<f64>,
    /// After a close the pair opens nothing for this long, instead of the configuration's.
    #[arg(long, value_name = "MS")]
    cooldown_ms: Option<u64>,
    /// Instruments to decide on, instead of the configuration's; may be given several times.
    #[arg(long = "instrument", value_name = "NAME")]
    instruments: Vec<String>,
    /// Ends after this long; otherwise at Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

/// What the summary says.
#[derive(Debug, Default)]
struct Tally {
    spreads: u64,
    opened: u64,
    closed: u64,
    gaps: u64,
    connections: u64,
}

/// Exit codes: 0 as asked, 1 something failed, 2 wrong arguments or configuration.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clock = Clock::host();
    let rule = match rule(&arguments, clock.now()) {
        Ok(rule) => rule,
        Err(error) => {
            eprintln!("trader: {error:#}");
            return ExitCode::from(2);
        }
    };
    if let Some(recommendations) = &rule.recommendations {
        eprintln!("{}", recommendations.describe());
    }
    if !Address::parse(&arguments.url).is_ok_and(|address| !address.secure) {
        eprintln!("trader: --url {:?}: the broadcast is ws://host:port", arguments.url);
        return ExitCode::from(2);
    }
    match run(&arguments, rule, &clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trader: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, rule: Rule, clock: &Clock) -> anyhow::Result<()> {
    let end = arguments.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let end = end
        .map(|end| clock.now().saturating_add(u64::try_from(end.as_nanos()).unwrap_or(Nanos::MAX)));
    let mut listener = SpreadListener::new(arguments.url.clone(), clock.clone());
    let mut trader = Trader::new(rule);
    let mut tally = Tally::default();
    let (mut records, mut events) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) && end.is_none_or(|end| clock.now() < end) {
        records.clear();
        if trader.expire(clock.now()) {
            eprintln!("the recommendations have expired: nothing opens any more");
        }
        match listener.listen(&mut records) {
            News::None => {}
            News::Connected(catalogue) => {
                tally.connections += 1;
                let (instruments, venues) = (catalogue.instruments.len(), catalogue.venues.len());
                eprintln!(
                    "connected to {}: {instruments} instruments, {venues} venues",
                    arguments.url
                );
                for name in trader.connected(catalogue) {
                    eprintln!("the server does not list {name}");
                }
            }
            News::Records(heard) => trader.take(heard, &records, &mut events),
            News::Lost { why, retry_in } => {
                eprintln!("{why}; trying again in {} ms", retry_in / MILLI);
                trader.take(Heard::CatchingUp, &records, &mut events);
            }
        }
        records.iter().filter_map(told_of_recording).for_each(|line| eprintln!("{line}"));
        tally.count(&records);
        tally.count(&events);
        print(&mut events, &trader, arguments.json)?;
    }
    trader.stop(&mut events);
    tally.count(&events);
    print(&mut events, &trader, arguments.json)?;
    let Tally { spreads, opened, closed, gaps, connections } = tally;
    eprintln!(
        "{spreads} spreads, {opened} opened, {closed} closed, {gaps} gaps, {connections} connections"
    );
    Ok(())
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

/// The rule that the arguments ask for, as of `now`, ns since 1970 UTC.
fn rule(arguments: &Arguments, now: Nanos) -> anyhow::Result<Rule> {
    let mut problems = Vec::new();
    let decision = match &arguments.config {
        Some(path) => config::read(path, &mut problems).unwrap_or_default().decision,
        None => config::Decision::default(),
    };
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
            "--entry-bps and --exit-bps have no say beside recommendations; set entry_bps and \
             exit_bps of the pair in their file"
        );
    }
    let ordered = rule.exit_bps.is_finite() && rule.exit_bps <= rule.entry_bps;
    if !rule.entry_bps.is_finite() || !ordered {
        bail!("the exit, {} bp, is above the entry, {} bp", rule.exit_bps, rule.entry_bps);
    }
    Ok(rule)
}

fn print(events: &mut Vec<Record>, trader: &Trader, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for event in events.drain(..) {
        let Some(line) = opportunity::line_of(&event, trader.catalogue()) else { continue };
        if json {
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", told(&line))?;
        }
    }
    Ok(())
}
