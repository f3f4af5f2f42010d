//! The chronicle: writes opportunities and connection events to log and files on the cold side.
//!
//! It receives the decision's records over an edge, notices from the feeds, and the calculator's
//! doubts. It writes opportunities to `<lake>/opportunities/<run>.jsonl`, one JSON object per line,
//! adds connections to the ledger, and logs both. It also keeps the process's clock right, and adds to
//! the ledger when it was not.

use crate::calculator::Doubt;
use crate::feed::{Next, Notice, Refused};
use crate::runtime::agent::{Agent, Report};
use crate::runtime::duration;
use crate::runtime::ring::Receiver;
use crate::socket::connect_error::escaped;
use spreadwire_lake::ledger::Book;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_lake::{files, folder};
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::opportunity::{line_of, told};
use spreadwire_market::state::{Reason, State};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

mod diary;
mod disbelief;
mod timekeeper;
use diary::Diary;
use disbelief::Disbelief;
use timekeeper::Timekeeper;

/// Maximum number of notices processed in one duty cycle.
const NOTICES_PER_CYCLE: usize = 256;

/// Number of times that the channels are drained at the end. Their ends are gone by then, and what is in
/// them takes fewer.
const LAST_DRAINS_MAX: usize = 16;

/// The chronicle agent.
#[derive(Debug)]
pub struct Chronicle {
    opportunities: Receiver,
    notices: crossbeam::channel::Receiver<Notice>,
    doubts: crossbeam::channel::Receiver<Doubt>,
    disbelief: Disbelief,
    catalogue: Arc<Catalogue>,
    file: BufWriter<File>,
    diary: Diary,
    timekeeper: Option<Timekeeper>,
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
        book: Book,
        counters: &Counters,
    ) -> io::Result<Chronicle> {
        let (lake, run) = (book.lake(), book.run());
        let folder = lake.join(spreadwire_lake::layout::OPPORTUNITIES);
        folder::create_in(lake, &folder)?;
        let file = files::create_new(&folder.join(format!("{run}.jsonl")))?;
        Ok(Chronicle {
            opportunities,
            notices,
            doubts: crossbeam::channel::never(),
            disbelief: Disbelief::default(),
            catalogue,
            file: BufWriter::new(file),
            diary: Diary::new(book, counters),
            timekeeper: None,
            now: 0,
            unwritten: 0,
            written: counters.register("chronicle.opportunities"),
            lost: counters.register("chronicle.lost"),
        })
    }

    /// Logs the calculator's doubts.
    #[must_use]
    pub fn hearing(mut self, doubts: crossbeam::channel::Receiver<Doubt>) -> Chronicle {
        self.doubts = doubts;
        self
    }

    /// Keeps the clock in step with `CLOCK_REALTIME`, and tells in the ledger when it was off by more than
    /// `max_error` ns.
    #[must_use]
    pub fn keeping_time(self, clock: Clock, max_error: Nanos, counters: &Counters) -> Chronicle {
        Chronicle { timekeeper: Some(Timekeeper::new(clock, max_error, counters)), ..self }
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

    fn keep_time(&mut self) -> usize {
        let entry = self.timekeeper.as_mut().and_then(|keeper| keeper.tend(self.now));
        entry.map_or(0, |entry| {
            self.diary.note(entry);
            1
        })
    }

    fn take_doubts(&mut self) -> usize {
        let Chronicle { doubts, disbelief, catalogue, now, .. } = self;
        let doubts = doubts.try_iter().take(NOTICES_PER_CYCLE);
        let told = doubts.map(|doubt| match (disbelief.line(&doubt, catalogue, *now), doubt.net) {
            (Some(line), Some(_)) => tracing::warn!(target: "spread", "{line}"),
            (Some(line), None) => tracing::info!(target: "spread", "{line}"),
            (None, _) => {}
        });
        told.count()
    }
}

impl Agent for Chronicle {
    fn role(&self) -> &'static str {
        "chronicle"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.now = now;
        let work = self.take_opportunities() + self.take_notices() + self.take_doubts();
        work + self.keep_time() + self.diary.tend(now)
    }

    fn is_finished(&self) -> bool {
        self.opportunities.is_finished()
    }

    fn on_close(&mut self) {
        // What the feeds said last may be more than a cycle takes.
        for _ in 0..LAST_DRAINS_MAX {
            let work = self.take_notices() + self.take_doubts();
            if work == 0 {
                break;
            }
        }
        let entry = self.timekeeper.as_mut().and_then(Timekeeper::end);
        entry.into_iter().for_each(|entry| self.diary.note(entry));
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
        Notice::Lost { venue, connection, line, why, next } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            match next {
                Next::Nothing => tracing::info!(target: "feed", "{name} #{number}: {why}"),
                Next::UnderWay => {
                    tracing::warn!(target: "feed", "{name} #{number}: {why}; its successor is being made");
                }
                Next::In(time) => {
                    let time = duration::in_words(*time);
                    tracing::warn!(target: "feed", "{name} #{number}: {why}; next attempt in {time}");
                }
            }
        }
        Notice::Health { venue, instrument, state: State::Live, .. } => {
            let name = &catalogue.venue(*venue).name;
            tracing::info!(target: "health", "{name} {instrument}: live again");
        }
        Notice::Health { venue, instrument, state, reason } => {
            let (name, state) = (&catalogue.venue(*venue).name, with_reason(*state, *reason));
            let remedy = reason.remedy();
            tracing::warn!(target: "health", "{name} {instrument}: {state}; {remedy}");
        }
        Notice::HeldUp { time } => {
            let (ms, remedy) = (time / MILLI, Reason::HeldUp.remedy());
            tracing::warn!(target: "health", "the feed's thread was held up for {ms} ms; {remedy}");
        }
        Notice::Replacing { venue, connection, line, why, wait } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            let when = match wait {
                0 => "a new line is made first".to_owned(),
                wait => format!("a new line is made in {}", duration::in_words(*wait)),
            };
            tracing::info!(target: "feed", "{name} #{number}: {why}; {when}");
        }
        Notice::Rejected { venue, reason, sample, misfit } => {
            let (name, sample) = (&catalogue.venue(*venue).name, shown(sample));
            let advice = misfit.as_ref().and_then(|misfit| misfit.advice());
            let advice = advice.map(|advice| format!("{advice}: ")).unwrap_or_default();
            tracing::warn!(target: "feed", "{name}: frame rejected, {reason}: {advice}{sample}");
        }
        Notice::Refused { venue, connection, line, refused, sample } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            let (what, sample) = (refusal(refused.as_ref()), shown(sample));
            tracing::warn!(target: "feed", "{name} #{number}: {what}: {sample}");
        }
        Notice::Unheard { venue, connection, line, instrument, is_over } => {
            let (name, number) = (&catalogue.venue(*venue).name, numbered(*connection, *line));
            if *is_over {
                tracing::info!(target: "feed", "{name} #{number}: {instrument} is quoted on this line again");
            } else {
                tracing::warn!(target: "feed", "{name} #{number}: {instrument} is not quoted on this line, but on another one; subscribes again");
            }
        }
    }
}

/// Returns a state, with its reason if that says more.
fn with_reason(state: State, reason: Reason) -> String {
    let (state, reason) = (state.to_string(), reason.to_string());
    if state == reason { state } else { format!("{state} ({reason})") }
}

/// Returns what was refused, and what is done about it.
fn refusal(refused: Option<&Refused>) -> String {
    let Some(Refused { symbol, instrument, retry_in }) = refused else {
        return "a subscription was refused, and is asked for again in parts".to_owned();
    };
    let (time, remedy) = (duration::in_words(*retry_in), Reason::Refused.remedy());
    format!("{instrument} ({symbol}) refused; next try in {time}; {remedy}")
}

/// Returns the bytes of a peer with whatever is not printable escaped.
fn shown(bytes: &[u8]) -> String {
    escaped(&String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring::{self, EdgeCounters};
    use spreadwire_kit::catalogue;
    use spreadwire_lake::ledger::{self, EntryKind};
    use spreadwire_lake::run::RunId;
    use spreadwire_market::instrument::{InstrumentId, VenueId};

    #[test]
    fn what_waits_at_the_end_is_told_and_comes_into_the_ledger_however_much_it_is() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(catalogue::of(["A/B"], ["x", "y"]).build());
        let (notices, notices_out) = crossbeam::channel::unbounded();
        let (doubts, doubts_out) = crossbeam::channel::unbounded();
        let (_opportunities, input) = ring::count(4, EdgeCounters::default());
        let (book, counters) =
            (Book::begin(home.path(), RunId::new("run").unwrap()), Counters::default());
        let chronicle = Chronicle::new(input, notices_out, catalogue, book, &counters).unwrap();
        let mut chronicle = chronicle.hearing(doubts_out);
        let most = 3 * NOTICES_PER_CYCLE + 1;
        let (buy_venue, sell_venue) = (VenueId(0), VenueId(1));
        for connection in 0..most {
            notices.send(Notice::Opened { venue: buy_venue, connection, line: 0 }).unwrap();
            let instrument = InstrumentId(0);
            doubts.send(Doubt { instrument, buy_venue, sell_venue, net: None }).unwrap();
        }
        chronicle.on_close();
        assert!(notices.is_empty() && doubts.is_empty());
        let (entries, _) = ledger::read(home.path());
        let connected = entries.iter().filter(|entry| entry.kind == EntryKind::Connected);
        assert_eq!((connected.count(), counters.expect("chronicle.booked")), (most, most as u64));
    }

    #[test]
    fn words_do_not_repeat_themselves_and_samples_are_escaped_once() {
        assert_eq!(with_reason(State::Crossed, Reason::Crossed), "crossed");
        assert_eq!(with_reason(State::OneSided, Reason::Empty), "one_sided (empty)");
        assert_eq!(shown(b"{\"u\": 1}\x1b[2J\n"), r#"{"u": 1}\u{1b}[2J\n"#);
        let refused = Refused {
            symbol: "K3-USDT".to_owned(),
            instrument: "K3/USDT".to_owned(),
            retry_in: 15_000_000_000,
        };
        assert_eq!(
            refusal(Some(&refused)),
            "K3/USDT (K3-USDT) refused; next try in 15 s; asks again, at most once an hour in the \
             end; is the symbol right?"
        );
    }
}
