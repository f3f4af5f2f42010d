//! The journal of decisions: writes what the decision agent did, keeps the state that follows from it for
//! whoever asks, and turns the kill switch by its file.
//!
//! It is a cold agent. It holds a [`Desk`] of its own, to which it applies each entry that it has written,
//! so that the status is never ahead of what a restart would find.

use crate::decision::execution;
use crate::runtime::agent::{Agent, Report};
use rtrb::Consumer;
use spreadwire_lake::decisions::{Decisions, DecisionsError};
use spreadwire_lake::{folder, inode, layout};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use spreadwire_trading::desk::Desk;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::kill::{Cause, KillSwitch};
use spreadwire_trading::order::AssetName;
use spreadwire_trading::status;
use spreadwire_trading::told::told;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of the agent.
pub const ROLE: &str = "decision_journal";
/// Name of the file that asks to adopt what was kept.
pub const ADOPT: &str = "adopt";
/// Time between two looks at the files, ns.
const LOOK_INTERVAL: Nanos = 10 * MILLI;
/// Time between two writings of the status, and at most between two syncs, ns.
const STATUS_INTERVAL: Nanos = SECOND;
/// Entries written at once.
const BATCH: usize = 1024;

/// Where the switches are.
#[derive(Clone, Debug)]
pub struct Switches {
    /// The kill switch.
    pub kill: KillSwitch,
    /// Set when a person asks to adopt.
    pub adopt: Arc<AtomicBool>,
    /// While it exists, the kill switch is on.
    pub kill_file: PathBuf,
}

/// The agent.
#[derive(Debug)]
pub struct DecisionJournal {
    entries: Consumer<Entry>,
    journal: Decisions,
    desk: Desk,
    catalogue: Arc<Catalogue>,
    folder: PathBuf,
    switches: Switches,
    counters: Counters,
    batch: Vec<Entry>,
    look_at: Nanos,
    tell_at: Nanos,
    is_broken: bool,
    written: Counter,
    lost: Counter,
}

impl DecisionJournal {
    /// Takes the edge from the decision, the journal, and the state that it was restored to.
    #[must_use]
    pub fn new(
        entries: Consumer<Entry>,
        journal: Decisions,
        desk: Desk,
        catalogue: Arc<Catalogue>,
        switches: Switches,
        counters: &Counters,
    ) -> DecisionJournal {
        let folder = journal.path().parent().unwrap_or(Path::new(".")).to_owned();
        DecisionJournal {
            entries,
            journal,
            desk,
            catalogue,
            folder,
            switches,
            counters: counters.clone(),
            batch: Vec::with_capacity(BATCH),
            look_at: 0,
            tell_at: 0,
            is_broken: false,
            written: counters.register("trading.entries"),
            lost: counters.register("trading.entries_unwritten"),
        }
    }

    fn write(&mut self) -> usize {
        let count = self.entries.slots().min(BATCH);
        if let Ok(chunk) = self.entries.read_chunk(count) {
            self.batch.extend(chunk);
        }
        if self.batch.is_empty() {
            return 0;
        }
        for entry in &self.batch {
            self.desk.apply(entry);
            log(entry, self.desk.settings.currency, &self.catalogue);
        }
        if self.is_broken {
            self.lost.add(count as u64);
        } else {
            match self.journal.append(&self.batch) {
                Ok(()) => self.written.add(count as u64),
                Err(error) => self.broken(&error),
            }
        }
        self.batch.clear();
        count
    }

    /// Ends trading: what is decided from here on would not survive.
    fn broken(&mut self, error: &DecisionsError) {
        self.switches.kill.turn(Cause::Journal, true);
        self.is_broken = true;
        self.lost.add(self.batch.len() as u64);
        tracing::error!(target: "trading", "PAPER: no order is sent any more: {error}");
    }

    /// Looks at the files that people make.
    fn look(&mut self) {
        let Switches { kill, adopt, kill_file } = &self.switches;
        // One that cannot be seen may well be there.
        let is_there = !inode::is_missing(kill_file);
        if kill.turn(Cause::File, is_there) {
            let (file, state) = (kill_file.display(), if is_there { "on" } else { "off" });
            tracing::warn!(target: "trading", "PAPER: {file} turns the kill switch {state}");
        }
        let asked = self.folder.join(ADOPT);
        if asked.exists() && std::fs::remove_file(&asked).is_ok() {
            tracing::warn!(target: "trading", "PAPER: what was kept is adopted, and halts are over");
            adopt.store(true, Ordering::Release);
        }
    }

    /// Forces entries to the disk, and writes the status.
    fn tell(&mut self, now: Nanos) {
        if !self.is_broken
            && let Err(error) = self.journal.sync()
        {
            self.broken(&error);
        }
        let why = execution::why_not(&self.counters);
        let is_killed = self.switches.kill.is_on();
        let mut status = status::of(&self.desk, &why, Mode::Paper, is_killed, now, &self.catalogue);
        for (key, name) in [("above_threshold", "trading.above"), ("acted_on", "trading.acted")] {
            status[key] = self.counters.get(name).unwrap_or_default().into();
        }
        let path = self.folder.join(layout::TRADING_STATUS);
        let text = format!("{status:#}\n");
        let written = folder::replace_unsynced(&path.with_extension("tmp"), &path, |mut file| {
            file.write_all(text.as_bytes())
        });
        if let Err(error) = written {
            tracing::warn!(target: "trading", "cannot write {}: {error}", path.display());
        }
    }
}

/// Logs an entry that people want to know of.
fn log(entry: &Entry, currency: AssetName, catalogue: &Catalogue) {
    let is_wanted = matches!(
        entry.event,
        Event::Decided(_)
            | Event::Settled(_)
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. }
    );
    let Some(line) = told(entry, catalogue, currency).filter(|_| is_wanted) else { return };
    if matches!(entry.event, Event::Halted(_)) {
        tracing::warn!(target: "trading", "PAPER {line}");
    } else {
        tracing::info!(target: "trading", "PAPER {line}");
    }
}

impl Agent for DecisionJournal {
    fn role(&self) -> &'static str {
        ROLE
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let work = self.write();
        if self.look_at <= now {
            self.look_at = now.saturating_add(LOOK_INTERVAL);
            self.look();
        }
        if self.tell_at <= now {
            self.tell_at = now.saturating_add(STATUS_INTERVAL);
            self.tell(now);
        }
        work
    }

    fn is_finished(&self) -> bool {
        // The order matters: the producer could send its last entries between the two questions.
        self.entries.is_abandoned() && self.entries.is_empty()
    }

    fn on_close(&mut self) {
        while 0 < self.write() {}
        let now = self.look_at;
        self.tell(now);
    }

    fn report(&mut self, report: &mut Report) {
        if self.is_broken {
            let lost = self.lost.get();
            report.failures.push(format!(
                "the journal of decisions could not be written: {lost} entries are not in it"
            ));
        }
    }
}
