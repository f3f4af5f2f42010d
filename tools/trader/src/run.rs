//! Trading: the loop around the driver, and what it prints.
//!
//! Each turn listens for a moment, answers whoever asks at the control socket, lets the driver decide, and
//! prints what it did. Every line begins with PAPER, SIM or LIVE.

use crate::control::{Asked, Control, Request};
use crate::driver::{Driver, Said};
use crate::listener::{News, SpreadListener};
use crate::plan::{Overrides, Plan};
use crate::status::{self, Connection};
use crate::trader::{told as told_opportunity, told_of_recording};
use crate::watch::{End, Ended, Tally};
use anyhow::Context;
use serde_json::{Value, json};
use spreadwire_market::client::Heard;
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::escape::escape;
use spreadwire_market::opportunity;
use spreadwire_market::record::Record;
use spreadwire_output::{err, out};
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::line;
use spreadwire_trading::told::told;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval at which files are looked at for changes.
const LOOK_EVERY: Nanos = SECOND;
/// How long the end waits for answers of venues.
const END_PATIENCE: Nanos = 5 * SECOND;

/// Reads the plan again.
#[derive(Debug)]
pub struct Reload<'a> {
    /// The configuration.
    pub file: PathBuf,
    /// What overrides it.
    pub overrides: Overrides,
    /// Set by SIGHUP.
    pub signal: &'a AtomicBool,
    /// Files that are looked at, and what they were when they were read.
    seen: Vec<(PathBuf, Stamp)>,
    look_at: Nanos,
}

/// What tells one state of a file from another; `None` if it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(path: &PathBuf) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

impl<'a> Reload<'a> {
    /// Watches the configuration and its file of approved pairs.
    #[must_use]
    pub fn new(
        file: PathBuf,
        overrides: Overrides,
        approved: Option<PathBuf>,
        signal: &'a AtomicBool,
    ) -> Reload<'a> {
        let files = [Some(file.clone()), approved].into_iter().flatten();
        let seen = files.map(|file| (file.clone(), stamp(&file))).collect();
        Reload { file, overrides, signal, seen, look_at: 0 }
    }

    /// Returns whether there is reason to read again at `now`.
    fn is_due(&mut self, now: Nanos) -> bool {
        let mut is_due = self.signal.swap(false, Ordering::AcqRel);
        if self.look_at <= now {
            self.look_at = now.saturating_add(LOOK_EVERY);
            for (path, seen) in &mut self.seen {
                let found = stamp(path);
                is_due |= found != *seen;
                *seen = found;
            }
        }
        is_due
    }

    /// Reads the plan as of `now`, and compares it with the one in use.
    fn read(&self, used: &Plan, now: Nanos) -> Result<Plan, Vec<String>> {
        let plan = Plan::read(&self.file, &self.overrides, now)?;
        let obstacles = used.obstacles(&plan);
        if obstacles.is_empty() { Ok(plan) } else { Err(obstacles) }
    }
}

/// A run.
#[derive(Debug)]
pub struct Run<'a> {
    /// What trades.
    pub driver: Driver,
    /// Who may ask it.
    pub control: Control,
    /// What may change.
    pub reload: Reload<'a>,
    /// Address of the server, as it was given.
    pub url: String,
    /// Whether lines are JSON.
    pub json: bool,
}

impl Run<'_> {
    /// Trades until the end.
    ///
    /// # Errors
    /// If the journal of decisions cannot be written. Nothing was sent for what is not in it.
    pub fn trade(
        mut self,
        listener: &mut SpreadListener,
        end: &End<'_>,
        clock: &Clock,
    ) -> anyhow::Result<Ended> {
        let mut session = Session {
            tally: Tally::default(),
            records: Vec::new(),
            connection: Connection { url: self.url.clone(), ..Connection::default() },
        };
        let mut ended = Ended::Stopped;
        self.print(&mut session);
        while ended == Ended::Stopped && !end.is_now(clock.now()) {
            session.records.clear();
            let news = listener.listen(&mut session.records);
            if matches!(news, News::OtherProtocol { .. }) {
                ended = Ended::OtherProtocol;
            }
            self.turn(news, &mut session, clock.now())?;
            while let Some(doubt) = listener.new_doubt() {
                self.say(doubt.advice());
            }
        }
        self.end(&mut session, listener.doubted(), clock)?;
        Ok(ended)
    }

    fn turn(&mut self, news: News, session: &mut Session, now: Nanos) -> anyhow::Result<()> {
        let heard = self.news(news, session);
        let turned = self.driver.turn(heard, &session.records, now);
        turned.context("nothing more is sent")?;
        let recordings = session.records.iter().filter_map(told_of_recording);
        recordings.for_each(|line| self.say(&line));
        session.tally.count(&session.records);
        session.connection.gaps = session.tally.gaps;
        if self.reload.is_due(now) {
            self.reload(session, now);
        }
        while let Some(asked) = self.control.next() {
            self.answer(asked, session, now)?;
        }
        self.print(session);
        Ok(())
    }

    /// Takes news of the server; returns what was heard.
    fn news(&mut self, news: News, session: &mut Session) -> Option<Heard> {
        let Session { connection, tally, .. } = session;
        match news {
            News::None => return None,
            News::Records(heard) => return Some(heard),
            News::Connected(catalogue) => {
                tally.connections += 1;
                (connection.is_up, connection.connections) = (true, tally.connections);
                let (instruments, venues) = (catalogue.instruments.len(), catalogue.venues.len());
                let url = &self.url;
                self.say(&format!(
                    "connected to {url}: {instruments} instruments, {venues} venues"
                ));
                for difference in self.driver.connected(&catalogue) {
                    self.say(&escape(&difference).to_string());
                }
            }
            News::Lost { why, refused, retry_in } => {
                tally.refused += u64::from(refused);
                (connection.is_up, connection.refused) = (false, tally.refused);
                self.say(&format!("{}; retrying in {} ms", escape(&why), retry_in / MILLI));
            }
            News::OtherProtocol { why } => {
                connection.is_up = false;
                err!("trader: {}", escape(&why));
            }
        }
        Some(Heard::CatchingUp)
    }

    /// Reads the configuration again; returns the problems that keep the old one.
    fn reload(&mut self, session: &mut Session, now: Nanos) -> Vec<String> {
        match self.reload.read(self.driver.plan(), now) {
            Ok(plan) if plan == *self.driver.plan() => self.say("the configuration is the same"),
            Ok(plan) => {
                session.connection.reloads[0] += 1;
                let described = plan.described.clone();
                self.driver.retune(plan);
                self.say("the new configuration holds from now on");
                described.iter().for_each(|line| self.say(line));
            }
            Err(problems) => {
                session.connection.reloads[1] += 1;
                self.say("the new configuration is refused, and the old one stays:");
                problems.iter().for_each(|line| self.say(line));
                return problems;
            }
        }
        Vec::new()
    }

    fn answer(&mut self, asked: Asked, session: &mut Session, now: Nanos) -> anyhow::Result<()> {
        let mode = self.driver.mode().name();
        let done = |what: &str| json!({"mode": mode, "done": what});
        let answer: Value = match asked.request {
            Request::Status => status::status(&self.driver, &session.connection, now),
            Request::Explain => status::explain(&self.driver),
            Request::Kill => {
                // The switch was turned before; this turn ends what is under way.
                self.driver.turn(None, &[], now)?;
                self.say("KILLED by command; no order is sent any more");
                done("no order is sent any more")
            }
            Request::Resume => match self.driver.resume(now)? {
                Ok(()) => done("all halts are over"),
                Err(why) => json!({"error": why}),
            },
            Request::Adopt => {
                self.driver.adopt(now)?;
                done("what the venues say holds")
            }
            Request::Reload => match &self.reload(session, now)[..] {
                [] => done("the configuration was read again"),
                problems => json!({"error": problems.join("\n")}),
            },
        };
        asked.answer(answer);
        Ok(())
    }

    /// Ends the run: no order is sent any more, and answers that are under way are waited for.
    fn end(&mut self, session: &mut Session, doubted: u64, clock: &Clock) -> anyhow::Result<()> {
        self.driver.stop_sending();
        let until = clock.now().saturating_add(END_PATIENCE);
        while self.driver.is_in_flight() && clock.now() < until {
            self.driver.turn(None, &[], clock.now())?;
            std::thread::sleep(Duration::from_millis(1));
        }
        self.driver.stop(clock.now())?;
        self.print(session);
        let trader = self.driver.trader();
        let (above, acted) = trader.above_and_acted();
        self.say(&session.tally.told(doubted));
        self.say(&format!(
            "{above} spreads above their thresholds, {acted} acted on; profit {} {} after fees",
            trader.desk().profit(),
            self.driver.plan().trading.settings.currency
        ));
        Ok(())
    }

    /// Prints what the driver said.
    fn print(&mut self, session: &mut Session) {
        let Said { records, entries, remarks } = self.driver.take_said();
        remarks.iter().for_each(|remark| self.say(remark));
        session.tally.count(&records);
        let (mode, plan) = (self.driver.mode(), self.driver.plan());
        for record in &records {
            let Some(told) = opportunity::line_of(record, &plan.catalogue) else { continue };
            if self.json {
                out!("{told}");
            } else {
                out!("{} {}", mode.name(), told_opportunity(&told));
            }
        }
        for entry in &entries {
            if self.json {
                out!("{}", line::write(entry, mode, &plan.catalogue));
            } else if let Some(told) = told(entry, &plan.catalogue, plan.trading.settings.currency)
            {
                out!("{} {told}{}", mode.name(), self.age_of(entry));
            }
        }
    }

    /// Returns how old what a decision was made on was by our clock, as the end of its line.
    fn age_of(&self, entry: &Entry) -> String {
        if !matches!(entry.event, Event::Decided(_)) {
            return String::new();
        }
        let [age, _] = self.driver.acted_age();
        format!(", {:.1} ms old", Duration::from_nanos(age).as_secs_f64() * 1e3)
    }

    /// Prints a remark to standard error.
    fn say(&self, remark: &str) {
        for line in remark.lines() {
            err!("{} {line}", self.driver.mode().name());
        }
    }
}

/// What a run has heard and counted.
struct Session {
    tally: Tally,
    records: Vec<Record>,
    connection: Connection,
}
