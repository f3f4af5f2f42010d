//! `spreadwire replay`: feeds the recorded inputs of a lake through the calculation, the decision and the
//! execution on paper, with the recorded times as the clock, as fast as it can.
//!
//! It runs no threads and no sockets, so that the same lake and configuration give the same lines on any
//! machine. With `--compare` they are compared with those of the runs that recorded the lake.

use crate::refuse;
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use spreadwire_engine::plan::{Host, Plan};
use spreadwire_engine::replay::replay;
use spreadwire_lake::decisions;
use spreadwire_lake::files;
use spreadwire_lake::history::{History, Run, Selection, Tally};
use spreadwire_market::book::Book;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decision::DecisionMaker;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::moment::time_of_text;
use spreadwire_market::opportunity::line_of;
use spreadwire_market::record::{Opened, Record, Spread};
use spreadwire_market::state::CloseReason;
use spreadwire_output::{Stream, err, out};
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::paper_trader::{PaperTrader, Restoring};
use spreadwire_trading::trader::Out;
use spreadwire_trading::why::Why;
use spreadwire_trading::{line, status};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod live;
use live::{Live, Span, first_difference};

/// Arguments of the replay.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The lake whose quotes are replayed.
    lake: PathBuf,
    /// The configuration: fees, thresholds and `[trading]` are its own, and so are the decimals. With
    /// `[trading] mode = "paper"`, opportunities are executed on paper.
    #[arg(long)]
    config: PathBuf,
    /// Replay this run alone; may be given several times.
    #[arg(long = "run", value_name = "NAME")]
    runs: Vec<String>,
    /// Begin with the first quote received at or after this time, as 2024-08-08T23:54:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Nanos>,
    /// End before the first quote received at or after this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Nanos>,
    /// Write `opportunities.jsonl` and `decisions.jsonl` of each run into a folder of its name in here.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare the lines with those that the runs themselves have left in the lake, and fail if one
    /// differs.
    #[arg(long)]
    compare: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Nanos, String> {
    time_of_text(text)
        .ok_or_else(|| "write a time with an offset, as 2024-08-08T23:54:00Z".to_owned())
}

/// Runs the replay and returns its exit code.
pub(crate) fn run(replay: &Replay) -> anyhow::Result<ExitCode> {
    // No thread is started, so the host's limits do not matter; and a period of the past may be decided by
    // approvals that have expired since.
    let host = Host { cpus: (0..1024).collect(), descriptors: u64::MAX, now: 0 };
    let plan = match Plan::read(&replay.config, &host) {
        Ok(plan) => plan,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let runs = replay.runs.iter().cloned().collect();
    let selection = Selection { from: replay.from, until: replay.until, runs };
    let history = History::open(&replay.lake, &plan.catalogue, &selection)?;
    for unsealed in history.unsealed() {
        err!("run {} is not whole: {}", unsealed.run, unsealed.remedy());
    }
    if history.runs().is_empty() {
        anyhow::bail!("{} has no quotes of that selection", replay.lake.display());
    }
    let rows = history.runs().iter().map(Run::rows).sum();
    let bar = bar(rows, replay.json);
    let live = if replay.compare { Some(Live::read(&plan, &replay.lake)?) } else { None };
    let (entries, played) = (Vec::new(), Vec::new());
    let mut player = Player { plan: &plan, replay, live, entries, played };
    let begins = history.runs().iter().skip(1).map(|run| run.begin).chain([Nanos::MAX]);
    for (run, until) in history.runs().iter().zip(begins) {
        player.play(&history, (run, until), &bar)?;
    }
    bar.finish_and_clear();
    player.tell()
}

fn bar(rows: u64, quiet: bool) -> ProgressBar {
    if quiet || !Stream::Err.is_terminal() {
        return ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("rows [{bar:30}] {pos}/{len} {per_sec} {eta}")
        .expect("the template is well formed");
    ProgressBar::new(rows).with_style(style.progress_chars("=> "))
}

/// What a run was replayed to.
struct Played {
    run: String,
    span: Span,
    /// Whether it was killed, as far as is known.
    is_killed: bool,
    tally: Tally,
    spreads: u64,
    opened: u64,
    /// Lines of the opportunities, and of the decisions without the funding.
    opportunities: Vec<String>,
    decisions: Vec<String>,
    /// The first line that differs from what the run itself has left, if it was compared.
    difference: Option<Option<String>>,
    status: Option<Value>,
}

/// Replays runs, one after the other: books go on from one to the next, as after a restart.
struct Player<'a> {
    plan: &'a Plan,
    replay: &'a Replay,
    /// What the runs have left, where that is compared.
    live: Option<Live>,
    /// Entries so far.
    entries: Vec<Entry>,
    played: Vec<Played>,
}

/// What decides.
enum Mind {
    Watching(DecisionMaker),
    Trading(Box<PaperTrader>),
}

impl Player<'_> {
    fn play(
        &mut self,
        history: &History,
        (run, until): (&Run, Nanos),
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let plan = self.plan;
        let book = Book::new(&plan.catalogue).believing(plan.max_net);
        let (before, begun) = (bar.position(), self.entries.len());
        let (name, span) = (run.names.join("+"), (run.begin, until));
        let is_killed = self.live.as_ref().is_some_and(|live| live.is_killed(&name));
        let mut mind = self.mind(span)?;
        let mut taken = Taken::default();
        let mut inputs = history.read(run).telling(|rows| bar.set_position(before + rows));
        replay(&mut inputs, book, |record| taken.take(&mut mind, record))
            .with_context(|| format!("cannot replay {}", run.names.join(", ")))?;
        let tally = inputs.tally().clone();
        drop(inputs);
        // A killed run has not ended anything.
        if !is_killed {
            taken.end(&mut mind);
        }
        self.entries.append(&mut taken.out.entries);
        let catalogue = &plan.catalogue;
        let told = taken.records.iter().filter_map(|record| line_of(record, catalogue));
        let status = match &mind {
            Mind::Watching(_) => None,
            Mind::Trading(both) => {
                let trader = &both.trader;
                let why = Why::ALL.map(|why| (why, trader.why_not().of(why)));
                let desk = trader.desk();
                Some(status::of(desk, &why, Mode::Paper, false, trader.now(), catalogue))
            }
        };
        let mut played = Played {
            run: name,
            span,
            is_killed,
            tally,
            spreads: taken.spreads,
            opened: taken.opened,
            opportunities: told.map(|line| line.to_string()).collect(),
            decisions: lines(&self.entries[begun..], catalogue),
            difference: None,
            status,
        };
        if let Some(folder) = &self.replay.out {
            write(&folder.join(&played.run), &played)?;
        }
        if let Some(live) = &self.live {
            played.difference = Some(self.difference(live, &played)?);
        }
        self.played.push(played);
        Ok(())
    }

    /// Makes what decides in a run. It goes on from the runs before, as they were replayed, or, where lines are
    /// compared, as they were: each run is then compared by itself.
    fn mind(&mut self, span: Span) -> anyhow::Result<Mind> {
        let plan = self.plan;
        let Some(trading) = &plan.trading else {
            let maker = DecisionMaker::new(&plan.catalogue, plan.decision.clone());
            return Ok(Mind::Watching(maker));
        };
        let before = match &self.live {
            None => None,
            Some(live) => live.before(plan, span)?,
        };
        let (began, before) = before.unwrap_or_else(|| (span.0, self.entries.clone()));
        let mut restoring = Restoring::new(plan.trader(trading, KillSwitch::default()));
        before.iter().for_each(|entry| restoring.entry(entry));
        let mut out = Out::default();
        let paper = trading.paper.clone();
        let mut both = restoring.on_paper(&trading.balances, paper, began, &mut out);
        both.restored(began, &mut out);
        self.entries.append(&mut out.entries);
        Ok(Mind::Trading(Box::new(both)))
    }

    /// Returns the first line that the run itself has left otherwise, if there is one.
    fn difference(&self, live: &Live, played: &Played) -> anyhow::Result<Option<String>> {
        let is_killed = played.is_killed;
        let there = live.opportunities(&played.run)?;
        let found = first_difference("opportunities", &there, &played.opportunities, is_killed);
        let decisions = || {
            let there = live.decisions(played.span)?;
            first_difference("decisions", &there, &played.decisions, is_killed)
        };
        Ok(found.or_else(decisions))
    }

    fn tell(&self) -> anyhow::Result<ExitCode> {
        if self.replay.json {
            out!("{:#}", Value::Array(self.played.iter().map(as_json).collect()));
        } else {
            self.played.iter().for_each(tell);
        }
        let differs =
            self.played.iter().any(|it| it.difference.as_ref().is_some_and(Option::is_some));
        Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}

/// What the records led to.
#[derive(Default)]
struct Taken {
    out: Out,
    records: Vec<Record>,
    spreads: u64,
    opened: u64,
    last_ts: Nanos,
}

impl Taken {
    fn take(&mut self, mind: &mut Mind, record: &Record) {
        if let Some(spread) = record.get::<Spread>() {
            self.spreads += 1;
            self.last_ts = spread.ts_recv;
        }
        match mind {
            Mind::Watching(maker) => {
                maker.at(record.ts_recv());
                maker.on_record(record, &mut self.out.records);
                maker.caught_up();
            }
            Mind::Trading(both) => {
                both.trader.at(record.ts_recv());
                both.on_record(record, &mut self.out);
                both.trader.caught_up();
                self.out.orders.clear();
                self.out.asks.clear();
            }
        }
        self.keep();
    }

    fn end(&mut self, mind: &mut Mind) {
        match mind {
            Mind::Watching(maker) => {
                maker.close_all(CloseReason::Stopped, self.last_ts, &mut self.out.records);
            }
            Mind::Trading(both) => {
                let ts = both.trader.now();
                both.stop(ts, &mut self.out);
            }
        }
        self.keep();
    }

    fn keep(&mut self) {
        self.opened +=
            self.out.records.iter().filter(|record| record.is::<Opened>()).count() as u64;
        self.records.append(&mut self.out.records);
    }
}

/// Returns the lines of entries, without the funding, which is the beginning of the books and no decision.
fn lines(entries: &[Entry], catalogue: &Catalogue) -> Vec<String> {
    let decided = entries.iter().filter(|entry| !matches!(entry.event, Event::Funded { .. }));
    decided.map(|entry| line::write(entry, Mode::Paper, catalogue)).collect()
}

fn write(folder: &Path, played: &Played) -> anyhow::Result<()> {
    let cannot = || format!("cannot write into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    for (name, lines) in
        [("opportunities.jsonl", &played.opportunities), (decisions::FILE_NAME, &played.decisions)]
    {
        let mut file: BufWriter<File> =
            BufWriter::new(files::output(&folder.join(name)).with_context(cannot)?);
        for line in lines {
            writeln!(file, "{line}").with_context(cannot)?;
        }
        file.flush().with_context(cannot)?;
    }
    Ok(())
}

fn as_json(played: &Played) -> Value {
    let Played {
        run, tally, spreads, opened, opportunities, decisions, difference, status, ..
    } = played;
    json!({
        "run": run, "quotes": tally.quotes, "statuses": tally.statuses, "missed": tally.missed,
        "skipped": tally.skipped.values().sum::<u64>(), "unfit": tally.unfit.values().sum::<u64>(),
        "spreads": spreads, "opened": opened, "opportunity_lines": opportunities.len(),
        "decision_lines": decisions.len(),
        "killed": played.is_killed, "same_as_live": difference.as_ref().map(Option::is_none),
        "difference": difference.clone().flatten(),
        "trading": status,
    })
}

fn tell(played: &Played) {
    let Played { run, tally, spreads, opened, .. } = played;
    out!(
        "run {run}: {} quotes, {} statuses, {spreads} spreads, {opened} opportunities, {} missed",
        tally.quotes,
        tally.statuses,
        tally.missed
    );
    for ((venue, instrument), rows) in &tally.skipped {
        out!("  {rows} rows of {instrument} at {venue} are NOT in the configuration");
    }
    for (instrument, rows) in &tally.unfit {
        out!("  {rows} quotes of {instrument} have more decimals than the configuration");
    }
    match &played.difference {
        None => {}
        Some(None) if played.is_killed => {
            out!("  the same lines as the live run, as far as both go: it was killed");
        }
        Some(None) => out!("  the same lines as the live run"),
        Some(Some(difference)) => out!("  DIFFERS from the live run: {difference}"),
    }
    if let Some(status) = &played.status {
        for line in crate::paper::told(status) {
            out!("  {line}");
        }
    }
}
