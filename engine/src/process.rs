//! Runs one engine as a process, for `run` and `demo`: the clock, signals, supervision once a
//! second, and the summary at the end.
//!
//! The first SIGINT or SIGTERM ends the engine in order, and other signals have their meaning too
//! (`signals.rs`). A second SIGINT ends the process within a second whatever is stuck (`guard.rs`).

use crate::broadcast::endpoint::Endpoint;
use crate::launch::{self, Engine, Surroundings};
use crate::plan::Plan;
use crate::runtime::memory;
use crate::runtime::pulse::{PulseReader, Turn};
use crate::runtime::runner::Stop;
use crate::runtime::thread_watch::{ThreadWatch, WARM_UP};
use crate::runtime::watchdog::{SlowTurns, Watchdog};
use crate::summary::Summary;
use crate::telemetry::Board;
use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signals::Signals;
use spreadwire_lake::files;
use spreadwire_lake::run::RunId;
use spreadwire_market::approved::Expiries;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::counters::{Counter, CounterReader, Counters, UnknownCounter};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::RecordingState;
use spreadwire_output::{Log, Stream, out};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

mod clock_at_start;
mod guard;
mod reread;
mod signals;
pub use guard::EXIT_HASTY;
pub use reread::Reread;

/// Interval at which signals and limits are checked.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Maximum time between the request to stop and the end of all agents.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Writes the cold threads' log lines of `level` and above to standard error. `RUST_LOG` overrides
/// the level.
pub fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A second call, which tests make, finds a subscriber already installed.
    let colour = Stream::Err.is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour);
    // The subscriber would tell its own errors on standard error, and panic if that fails.
    drop(log.log_internal_errors(false).with_writer(|| Log).try_init());
}

/// A running engine with its supervision.
#[derive(Debug)]
pub struct Process {
    engine: Engine,
    around: Surroundings,
    /// Reading of [`Clock::elapsed`] at the start.
    started: Nanos,
    watch: ThreadWatch,
    slow: SlowTurns,
    losses: Losses,
    /// When the decision's rules expire, unless what rereads the configuration tells.
    expiries: Expiries,
    is_over_tls: bool,
    /// Set when a signal asks to read the configuration again.
    reread: Arc<AtomicBool>,
    /// Lines that could not be written to standard output and standard error.
    unwritten: Counter,
}

impl Process {
    /// Starts the engine; Ctrl-C and SIGTERM end it in order, and SIGHUP has the broadcast's
    /// certificate read again, if there is one.
    ///
    /// # Errors
    /// As [`launch::launch`], and if an agent has not registered a counter that is watched here.
    pub fn start(plan: &Plan) -> anyhow::Result<Process> {
        let stop = Stop::default();
        let mut signals = Signals::take()?;
        // These two also while the engine is being started.
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.flag()).context("cannot watch signals")?;
        }
        clock_at_start::settle(plan.clock.at_start, &mut signals)?;
        let clock = Clock::host();
        let (began, started) = (clock.now(), clock.elapsed());
        let around = Surroundings {
            run: RunId::starting_at(began),
            seed: began,
            clock,
            counters: Counters::default(),
            stop,
        };
        let engine = launch::launch(plan, &around)?;
        if plan.tls.is_some() {
            signals = signals.reloading(Arc::clone(engine.reload()));
        }
        let reread = Arc::new(AtomicBool::new(false));
        if plan.is_retunable() {
            signals = signals.reloading(Arc::clone(&reread));
        }
        if plan.trading.is_some() {
            signals = signals.killing(engine.kill().clone());
        }
        let names = plan.threads.iter().map(|thread| thread.name.as_str());
        let watch = ThreadWatch::new(names, around.clock.elapsed(), &around.counters);
        let (pulses, counters) = (engine.pulses(), &around.counters);
        guard::heed(signals, &around.stop, pulses.clone())?;
        let now = around.clock.elapsed();
        let dog = Watchdog::new(pulses.clone(), plan.watchdog.stall, now, counters);
        guard::watch(dog, around.clock.clone())?;
        let slow = SlowTurns::new(pulses, plan.watchdog.slow_after, counters);
        let losses = Losses::new(counters)?;
        warn(plan.warning());
        let is_over_tls = plan.tls.is_some();
        let unwritten = counters.register("output.unwritten");
        Ok(Process {
            engine,
            around,
            started,
            watch,
            slow,
            losses,
            expiries: expiries(plan),
            is_over_tls,
            reread,
            unwritten,
        })
    }

    /// Returns where the broadcast listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.engine.endpoint()
    }

    /// Returns where clients connect to, as they write it.
    #[must_use]
    pub fn url(&self) -> String {
        self.engine.endpoint().url(self.is_over_tls)
    }

    /// Returns what reads the configuration in `file` again when it changes, or when SIGHUP asks for it.
    /// From then on it tells which approvals have expired.
    #[must_use]
    pub fn reread(&mut self, file: &Path, plan: &Plan) -> Reread {
        let expiries = std::mem::take(&mut self.expiries);
        let (asked, retune) = (Arc::clone(&self.reread), self.engine.retune().clone());
        Reread::new(file, plan, asked, retune, expiries)
    }

    /// Returns the engine's live counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.around.counters
    }

    /// Returns the engine's latencies of the last second, live.
    #[must_use]
    pub fn board(&self) -> &Board {
        self.engine.board()
    }

    /// Returns the flag that stops the engine.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.around.stop
    }

    /// Returns the engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.around.clock
    }

    /// Runs until a signal, the time limit or a failure, and calls `each_second` in the meantime.
    /// Then stops the engine in order.
    ///
    /// # Errors
    /// If not everything has ended half a minute after the request to stop, or a counter of the
    /// summary is missing. Also the error of `each_second`, once the engine has ended in order.
    pub fn supervise(
        mut self,
        limit: Option<Duration>,
        mut each_second: impl FnMut(&Counters, &Stop) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let Process { engine, around, started, watch, slow, losses, expiries, unwritten, .. } =
            &mut self;
        let Surroundings { clock, stop, counters, .. } = around;
        // Durations, which no correction of the clock changes.
        let limit = limit.map(|limit| *started + nanos(limit));
        let mut shown = Ok(());
        let mut warm = Some(*started + WARM_UP);
        let mut next = *started + SECOND;
        while !engine.is_finished() && !stop.is_requested() {
            std::thread::sleep(LOOK_INTERVAL);
            let (now, passed) = (clock.now(), clock.elapsed());
            if next <= passed {
                next = passed + SECOND - (passed - next) % SECOND;
                unwritten.set(spreadwire_output::unwritten());
                watch.look(passed);
                for line in slow.report(passed) {
                    tracing::warn!(target: "watchdog", "{line}");
                }
                if warm.take_if(|warm| *warm <= passed).is_some() {
                    tell_memory();
                }
                losses.warn();
                warn(expiries.pass(now));
                shown = each_second(counters, stop);
                if shown.is_err() {
                    stop.request();
                }
            }
            if limit.is_some_and(|limit| limit <= passed) {
                stop.request();
            }
        }
        let summary = self.end()?;
        shown.map(|()| summary)
    }

    /// Stops the engine in order and returns the summary.
    fn end(self) -> anyhow::Result<Summary> {
        let Process { engine, around, started, unwritten, .. } = self;
        around.stop.request();
        let asked = around.clock.elapsed();
        let elapsed = asked.saturating_sub(started);
        while !engine.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
            let waited = around.clock.elapsed().saturating_sub(asked);
            if nanos(END_LIMIT) <= waited {
                guard::save(&around.stop, &engine.pulses());
                let stuck = stuck(&engine.pulses());
                anyhow::bail!("agents did not stop within {END_LIMIT:?}; unfinished: {stuck}");
            }
        }
        let report = engine.join();
        unwritten.set(spreadwire_output::unwritten());
        Ok(Summary::new(elapsed, around.counters, report)?)
    }
}

/// Returns the threads that have not ended, each with the agent whose turn it is, in words.
fn stuck(pulses: &[PulseReader]) -> String {
    let turn = |pulse: &PulseReader| match pulse.beat().1 {
        Turn::Ended => None,
        Turn::Idle => Some(format!("thread {:?}, which idles", pulse.thread())),
        Turn::Of(place) => {
            Some(format!("thread {:?} in agent {:?}", pulse.thread(), pulse.roles()[place]))
        }
    };
    pulses.iter().filter_map(turn).collect::<Vec<_>>().join(", ")
}

/// Logs how much memory was locked and is in huge pages, once every ring has been touched.
fn tell_memory() {
    if let (Ok(locked), Ok(huge)) = (memory::locked_bytes(), memory::huge_bytes()) {
        let (locked, huge) = (locked >> 20, huge >> 20);
        tracing::info!(target: "memory", "{locked} MiB locked, {huge} MiB in huge pages");
    }
}

/// Checks that the summary can be written to `file`, so that a wrong path fails before the run and
/// not after hours of it.
///
/// # Errors
/// If the file cannot be opened for writing.
pub fn check_summary(file: Option<&Path>) -> anyhow::Result<()> {
    let Some(path) = file else { return Ok(()) };
    files::check_output(path)
        .with_context(|| format!("cannot write the summary to {}", path.display()))
}

/// Returns when the approvals of a plan expire.
fn expiries(plan: &Plan) -> Expiries {
    plan.approved.as_ref().map(|all| Expiries::after(all, plan.read_at)).unwrap_or_default()
}

/// Logs warnings about the approved pairs.
fn warn(lines: impl IntoIterator<Item = String>) {
    lines.into_iter().for_each(|line| tracing::warn!(target: "decision", "{line}"));
}

/// Watches whether the journal records, and how much it has lost.
#[derive(Debug)]
struct Losses {
    lost: CounterReader,
    state: CounterReader,
    /// Number of lost records, and whether recording was stopped, at the last check.
    before: (u64, bool),
}

impl Losses {
    fn new(counters: &Counters) -> Result<Losses, UnknownCounter> {
        let (lost, state) = (counters.reader("journal.lost")?, counters.reader("journal.state")?);
        Ok(Losses { lost, state, before: (0, false) })
    }

    /// Logs an error every second while quotes are not being recorded, and a warning once recording
    /// has resumed.
    fn warn(&mut self) {
        let state = u8::try_from(self.state.get()).ok().and_then(RecordingState::of_code);
        let state = state.unwrap_or(RecordingState::Refused);
        let (lost, stopped) = (self.lost.get(), state != RecordingState::On);
        let (lost_before, was_stopped) = std::mem::replace(&mut self.before, (lost, stopped));
        if stopped {
            tracing::error!(
                target: "journal",
                "NOT recording, {lost} records lost so far: {}; recording resumes by itself then",
                state.remedy()
            );
        } else if was_stopped || lost_before < lost {
            tracing::warn!(
                target: "journal",
                "recording again; {lost} records were lost so far, marked as gaps in the journal"
            );
        }
    }
}

/// Prints the summary, writes it as JSON if a file is given, and returns the exit code.
///
/// # Errors
/// If the file cannot be written.
pub fn conclude(summary: &Summary, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    out!("{}", summary.to_text());
    if let Some(path) = file {
        let text = serde_json::to_string_pretty(&summary.to_json())?;
        files::output(path)
            .and_then(|mut file| writeln!(file, "{text}"))
            .with_context(|| format!("cannot write the summary to {}", path.display()))?;
    }
    let failed = !summary.report.failures.is_empty() || summary.saw_nothing();
    Ok(ExitCode::from(u8::from(failed)))
}

/// Formats what is live, and rates since its last call, as one line.
#[derive(Debug)]
pub struct StatusLine {
    /// Numbers of configured venues and of listings, which are instruments by venue.
    configured: (usize, usize),
    before: BTreeMap<String, u64>,
    seconds: u64,
}

impl StatusLine {
    /// Makes the line of a plan.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> StatusLine {
        let configured = (catalogue.venues.len(), catalogue.listings.len());
        StatusLine { configured, before: BTreeMap::new(), seconds: 0 }
    }

    /// Returns the current line, with rates since the last call.
    ///
    /// # Errors
    /// [`UnknownCounter`] if an agent has not registered a counter that is shown.
    pub fn line(&mut self, counters: &Counters) -> Result<String, UnknownCounter> {
        let now = counters.snapshot();
        let sum = |map: &BTreeMap<String, u64>| -> u64 {
            let fits = |name: &str| name.starts_with("feed.") && name.ends_with(".quotes");
            map.iter().filter(|(name, _)| fits(name)).map(|(_, count)| count).sum()
        };
        let count = |map: &BTreeMap<String, u64>, name: &str| {
            map.get(name).copied().ok_or_else(|| UnknownCounter { name: name.to_owned() })
        };
        // There are no earlier values for the first line.
        let since = |name: &str| -> Result<u64, UnknownCounter> {
            let before = self.before.get(name).copied().unwrap_or(0);
            Ok(count(&now, name)?.saturating_sub(before))
        };
        let ((venues, instruments), (all_venues, all_instruments)) = (live(&now), self.configured);
        let line = format!(
            "{:>5} s  venues {venues}/{all_venues}  instruments {instruments}/{all_instruments}  \
             {:>7} quotes/s  {:>8} spreads/s  {:>4} opened  {:>4} closed  {:>8} sent/s  \
             {} clients  {} journalled  {} lost  {} dropped  {} slow",
            self.seconds + 1,
            sum(&now).saturating_sub(sum(&self.before)),
            since("calculator.spreads")?,
            count(&now, "decision.opened")?,
            count(&now, "decision.closed")?,
            since("broadcast.messages")?,
            count(&now, "broadcast.clients")?,
            count(&now, "journal.quotes")?,
            count(&now, "journal.lost")?,
            counters.sum("edge.", ".dropped"),
            counters.sum("agent.", ".turns_slow"),
        );
        self.seconds += 1;
        self.before = now;
        Ok(line)
    }
}

/// Returns the numbers of venues and of listings that are live.
fn live(counters: &BTreeMap<String, u64>) -> (usize, u64) {
    let of_connection = |(name, live): (&String, &u64)| {
        let venue = name.strip_prefix("feed.")?.strip_suffix(".live")?.split('.').next()?;
        (0 < *live).then(|| (venue.to_owned(), *live))
    };
    let connections: Vec<(String, u64)> = counters.iter().filter_map(of_connection).collect();
    let venues: BTreeSet<&str> = connections.iter().map(|(venue, _)| venue.as_str()).collect();
    (venues.len(), connections.iter().map(|(_, live)| live).sum())
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    const NAMES: [&str; 7] = [
        "calculator.spreads",
        "decision.opened",
        "decision.closed",
        "broadcast.messages",
        "broadcast.clients",
        "journal.quotes",
        "journal.lost",
    ];

    #[test]
    fn the_status_line_shows_rates_since_the_last_one_and_counts() {
        let counters = Counters::default();
        let quotes = counters.register("feed.okx.0.quotes");
        let named = NAMES.map(|name| counters.register(name));
        let all = catalogue::of(["BTC/USDT", "ETH/USDT"], ["okx", "bybit"]).listed().build();
        let mut status = StatusLine::new(&all);
        let live =
            ["okx.0", "okx.1", "bybit.0"].map(|of| counters.register(&format!("feed.{of}.live")));
        quotes.add(70);
        named.iter().zip(1..).for_each(|(counter, count)| counter.add(count));
        let words = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            words(status.line(&counters).unwrap()),
            "1 s venues 0/2 instruments 0/4 70 quotes/s 1 spreads/s 2 opened 3 closed 4 sent/s 5 clients 6 journalled 7 lost \
             0 dropped 0 slow"
        );
        quotes.add(8);
        counters.register("agent.journal.turns_slow").add(3);
        named[0].add(9);
        live[0].set(1);
        live[1].set(1);
        assert_eq!(
            words(status.line(&counters).unwrap()),
            "2 s venues 1/2 instruments 2/4 8 quotes/s 9 spreads/s 2 opened 3 closed 0 sent/s 5 clients 6 journalled 7 lost \
             0 dropped 3 slow"
        );
    }

    #[test]
    fn a_summary_is_not_written_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (outside, link) = (home.path().join("outside"), home.path().join("summary.json"));
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let refused = format!("{:#}", check_summary(Some(&link)).unwrap_err());
        assert!(refused.contains("cannot write the summary to"), "{refused}");
        assert!(
            refused.ends_with("is a symbolic link, which is not followed: remove it"),
            "{refused}"
        );
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        let file = home.path().join("missing.json");
        check_summary(Some(&file)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"");
    }

    #[test]
    fn a_counter_that_is_missing_is_named() {
        for without in NAMES {
            let counters = Counters::default();
            for name in NAMES.into_iter().filter(|name| *name != without) {
                counters.register(name).add(1);
            }
            let error = StatusLine::new(&Catalogue::default()).line(&counters).unwrap_err();
            assert_eq!(error.name, without);
        }
        assert_eq!(Losses::new(&Counters::default()).unwrap_err().name, "journal.lost");
    }
}
