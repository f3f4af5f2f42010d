//! The chronicle: writes opportunities and connection events to log and files on the cold side.
//!
//! It receives the decision's records over an edge, and notices from the feeds. It writes
//! opportunities to `<lake>/opportunities/<run>.jsonl`, one JSON object per line, adds connections
//! to the ledger, and logs both.

use crate::feed::Notice;
use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::Receiver;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_lake::{files, folder};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::opportunity::{line_of, told};
use spreadwire_market::state::{Reason, State};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

mod diary;
use diary::Diary;

/// Maximum number of notices processed in one duty cycle.
const NOTICES_PER_CYCLE: usize = 256;

/// The chronicle agent.
#[derive(Debug)]
pub struct Chronicle {
    opportunities: Receiver,
    notices: crossbeam::channel::Receiver<Notice>,
    catalogue: Arc<Catalogue>,
    file: BufWriter<File>,
    diary: Diary,
    /// Time of the last duty cycle.
    now: Nanos,
    unwritten: u64,
    written: Counter,
    lost: Counter,
}

impl Chronicle {
    /// Opens its file in the lake's `opportunities` folder, which is created if it does not exist.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn new(
        opportunities: Receiver,
        notices: crossbeam::channel::Receiver<Notice>,
        catalogue: Arc<Catalogue>,
        lake: &Path,
        run: &str,
        counters: &Counters,
    ) -> io::Result<Chronicle> {
        let folder = lake.join(spreadwire_lake::layout::OPPORTUNITIES);
        folder::create_in(lake, &folder)?;
        let file = files::create_new(&folder.join(format!("{run}.jsonl")))?;
        Ok(Chronicle {
            opportunities,
            notices,
            catalogue,
            file: BufWriter::new(file),
            diary: Diary::new(lake, run, counters),
            now: 0,
            unwritten: 0,
            written: counters.register("chronicle.opportunities"),
            lost: counters.register("chronicle.lost"),
        })
    }

    /// Returns the counters of the chronicle's stages, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        vec![StageCounter::of_run(Stage::Booked, self.diary.booked())]
    }

    fn take_opportunities(&mut self) -> usize {
        let Chronicle { opportunities, catalogue, file, unwritten, written, lost, .. } = self;
        let work = opportunities.drain(|record| {
            let Some(line) = line_of(record, catalogue) else { return };
            tracing::info!(target: "opportunity", "{}", told(&line));
            match writeln!(file, "{line}") {
                Ok(()) => written.add(1),
                Err(error) => {
                    lost.add(1);
                    *unwritten += 1;
                    tracing::error!("cannot write an opportunity: {error}");
                }
            }
        });
        if work > 0
            && let Err(error) = self.file.flush()
        {
            tracing::error!("cannot write opportunities: {error}");
        }
        work
    }

    fn take_notices(&mut self) -> usize {
        let mut work = 0;
        while work < NOTICES_PER_CYCLE {
            let Ok(notice) = self.notices.try_recv() else { break };
            work += 1;
            log(&notice, &self.catalogue);
            self.diary.take(&notice, &self.catalogue, self.now);
        }
        work
    }
}

impl Agent for Chronicle {
    fn role(&self) -> &'static str {
        "chronicle"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.now = now;
        self.take_opportunities() + self.take_notices() + self.diary.tend(now)
    }

    fn is_finished(&self) -> bool {
        self.opportunities.is_finished()
    }

    fn on_close(&mut self) {
        self.take_notices();
        self.diary.write(self.now);
        if let Err(error) = self.file.flush() {
            tracing::error!("cannot write opportunities: {error}");
        }
    }

    fn report(&mut self, report: &mut Report) {
        if self.unwritten > 0 {
            report.failures.push(format!("{} opportunities were not written", self.unwritten));
        }
        let unbooked = self.diary.unwritten();
        if unbooked > 0 {
            report
                .failures
                .push(format!("{unbooked} connections or counts were not written to the ledger"));
        }
    }
}

/// Returns the number of a connection, with that of the line where it is not the first: `0.1`.
fn numbered(connection: usize, line: usize) -> String {
    if line == 0 { connection.to_string() } else { format!("{connection}.{line}") }
}

fn log(notice: &Notice, catalogue: &Catalogue) {
    match notice {
        Notice::Opened { venue, connection, line } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            tracing::info!(target: "feed", "{name} #{number}: connected");
        }
        Notice::Lost { venue, connection, line, why, retry_in } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            match retry_in / MILLI {
                0 => tracing::info!(target: "feed", "{name} #{number}: {why}"),
                ms => {
                    tracing::warn!(target: "feed", "{name} #{number}: {why}; next attempt in {ms} ms");
                }
            }
        }
        Notice::Health { venue, instrument, state: State::Live, .. } => {
            let name = &catalogue.venue(*venue).name;
            tracing::info!(target: "health", "{name} {instrument}: live again");
        }
        Notice::Health { venue, instrument, state, reason } => {
            let (name, remedy) = (&catalogue.venue(*venue).name, reason.remedy());
            tracing::warn!(target: "health", "{name} {instrument}: {state} ({reason}); {remedy}");
        }
        Notice::HeldUp { time } => {
            let (ms, remedy) = (time / MILLI, Reason::HeldUp.remedy());
            tracing::warn!(target: "health", "the feed's thread was held up for {ms} ms; {remedy}");
        }
        Notice::Replacing { venue, connection, why } => {
            let name = &catalogue.venue(*venue).name;
            tracing::info!(target: "feed", "{name} #{connection}: {why}; a new line is made first");
        }
        Notice::Rejected { venue, reason, sample } => {
            let name = &catalogue.venue(*venue).name;
            tracing::warn!(target: "feed", "{name}: frame rejected, {reason}: {}", sample.escape_ascii());
        }
        Notice::Refused { venue, symbol, sample } => {
            let name = &catalogue.venue(*venue).name;
            let symbol = symbol.as_deref().unwrap_or("a subscription");
            tracing::warn!(target: "feed", "{name}: {symbol} refused: {}", sample.escape_ascii());
        }
    }
}
