//! The judgement of a test's scene: rows against what the simulator wrote, broadcast and
//! opportunities against the naive account of the rows, and counts against each other.

use crate::pipeline::engine_under_test::{Ended, RUN};
use crate::pipeline::lake_rows::{self, Row, SNAPSHOT, Said};
use crate::pipeline::listener::{Heard, HeardStatus, Key};
use crate::pipeline::naive::{self, Event};
use exchange_sim::Written;
use serde_json::Value;
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use spreadwire_lake::stage::Stage;
use spreadwire_market::decimal;
use spreadwire_market::instrument::Catalogue;
use spreadwire_venues::venue::{Sizes, VenueSpec};
use spreadwire_venues::venues;
use std::collections::BTreeMap;

/// Everything that was written, received and recorded.
pub struct Outcome {
    pub simulated: exchange_sim::Outcome,
    pub ended: Ended,
    pub heard: Vec<Heard>,
    pub rows: Vec<Row>,
}

impl Outcome {
    /// Reads the lake that the engine left.
    pub fn of(simulated: exchange_sim::Outcome, ended: Ended, heard: Vec<Heard>) -> Outcome {
        let rows = lake_rows::read(&ended.plan.lake, &ended.plan.catalogue);
        Outcome { simulated, ended, heard, rows }
    }

    pub fn count(&self, name: &str) -> u64 {
        self.ended.summary.counters.expect(name)
    }

    /// Returns the sum of counters by prefix and suffix of their names.
    pub fn sum(&self, prefix: &str, suffix: &str) -> u64 {
        self.ended.summary.counters.sum(prefix, suffix)
    }

    pub fn names(&self) -> &Catalogue {
        &self.ended.plan.catalogue
    }

    /// Checks everything about a run in which nothing was lost.
    pub fn check(&self) {
        for (key, missing) in self.rows_missing() {
            assert_eq!(missing, 0, "rows missing of {key:?}");
        }
        self.check_what_was_made_of_the_rows();
    }

    /// Checks broadcast, opportunities and counts.
    pub fn check_what_was_made_of_the_rows(&self) {
        let events = naive::events(&self.rows, &self.statuses(), self.names());
        self.check_broadcast(&events, true);
        self.check_opportunities(&events);
        self.check_counts();
    }

    /// Returns the statuses received, in order.
    pub fn statuses(&self) -> Vec<HeardStatus> {
        let status = |heard: &Heard| match heard {
            Heard::Status(status) => Some(status.clone()),
            Heard::Spread(_) | Heard::Ended(_) | Heard::Other(_) => None,
        };
        self.heard.iter().filter_map(status).collect()
    }

    /// Returns the states sent, with their reasons, by market.
    pub fn stories(&self) -> BTreeMap<Key, Vec<(String, String)>> {
        let mut stories: BTreeMap<Key, Vec<(String, String)>> = BTreeMap::new();
        for status in self.statuses() {
            stories.entry(status.key).or_default().push((status.state, status.reason));
        }
        stories
    }

    /// Returns how many written quotes are not rows, by market. Every row must be a written quote,
    /// in order. Quotes may be missing only between two lives of their market: none after the last
    /// life began, and none before the first.
    pub fn rows_missing(&self) -> BTreeMap<Key, usize> {
        let written = self.written();
        let mut rows: BTreeMap<Key, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            rows.entry(row.key).or_default().push(row);
        }
        assert!(rows.keys().eq(written.keys()), "rows of {:?}", rows.keys());
        let missing = |(key, rows): (Key, Vec<&Row>)| {
            let missing = missing(&rows, &written[&key]);
            (key, missing.unwrap_or_else(|problem| panic!("{key:?}: {problem}")))
        };
        rows.into_iter().map(missing).collect()
    }

    /// Returns the written quotes that can be rows, in the form of a row, by market.
    pub fn written(&self) -> BTreeMap<Key, Vec<Said>> {
        let names = self.names();
        let mut written: BTreeMap<Key, Vec<Said>> = BTreeMap::new();
        for each in self.simulated.written.iter().filter(|each| !each.bid.starts_with('-')) {
            assert_eq!(each.receivers, 1, "one connection for each venue");
            written.entry(key_of(each, names)).or_default().push(said(each));
        }
        written
    }

    /// Checks that the client received exactly what follows from the rows; unless `to_the_end`, it
    /// may have been cut off.
    pub fn check_broadcast(&self, events: &[Event], to_the_end: bool) {
        let names = self.names();
        let mut seq = 0;
        for (place, (heard, event)) in self.heard.iter().zip(events).enumerate() {
            let is_right = match (heard, event) {
                (Heard::Spread(heard), Event::Spread(spread)) => {
                    seq += 1;
                    heard.seq == seq && spread.is(heard, names)
                }
                (Heard::Ended(heard), Event::Ended(end)) => heard == end,
                (Heard::Status(heard), Event::Status(status)) => heard == status,
                _ => false,
            };
            assert!(is_right, "message {place} is {heard:?}, not {event:?}");
        }
        if to_the_end {
            assert_eq!(self.heard.len(), events.len(), "messages heard, and what there was");
        }
    }

    pub fn check_opportunities(&self, events: &[Event]) {
        let rule = &self.ended.plan.decision;
        let mut expected = naive::opportunities(events, self.names(), rule);
        let mut told = self.opportunities();
        let opened = told.iter().filter(|line| line["event"] == "opened");
        let ids: Vec<_> = opened.map(|line| line["id"].as_u64().unwrap()).collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "ids in the order of opening");
        // Within one event, the order of closing is the engine's choice.
        let order = |line: &Value| (line["id"].as_u64(), line["event"] == "closed");
        expected.sort_by_key(order);
        told.sort_by_key(order);
        assert_eq!(told.len(), expected.len(), "lines of opportunities");
        told.iter().zip(&expected).for_each(|(told, expected)| assert_same(told, expected));
    }

    /// Returns the lines of the chronicle.
    pub fn opportunities(&self) -> Vec<Value> {
        let lake = &self.ended.plan.lake;
        let file = lake.join("opportunities").join(format!("{RUN}.jsonl"));
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks that nothing was dropped or failed, and that every quote was counted equally at each
    /// hop.
    pub fn check_counts(&self) {
        let summary = &self.ended.summary;
        let json = summary.to_json();
        let rows = self.rows.len() as u64;
        let statuses = self.statuses().len() as u64;
        for (name, wanted) in [
            ("quotes", rows),
            ("journalled", rows),
            ("rows", rows),
            ("journal_lost", 0),
            ("spreads", self.heard.iter().filter(|h| matches!(h, Heard::Spread(_))).count() as u64),
            ("statuses", statuses),
        ] {
            assert_eq!(json["totals"][name], wanted, "{name} of the summary: {json:#}");
        }
        self.check_counts_by_instrument();
        self.check_stages(statuses);
        self.check_nothing_was_dropped();
    }

    /// Each market's quotes are counted by its connection and its instrument.
    fn check_counts_by_instrument(&self) {
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        for (venue, instrument) in self.rows.iter().map(|row| row.key) {
            let names =
                (&self.names().venue(venue).name, &self.names().instrument(instrument).name);
            *rows
                .entry(format!("feed.{}.0.instrument.{}.passed", names.0, names.1))
                .or_default() += 1;
        }
        for (name, wanted) in rows {
            assert_eq!(self.count(&name), wanted, "{name}");
        }
        assert_eq!(self.sum("feed.", ".passed"), self.rows.len() as u64, "quotes passed on");
    }

    /// Checks that the ledger has the count of every stage, and of every listing where a stage
    /// counts by listing.
    fn check_stages(&self, statuses: u64) {
        let (entries, errors) = ledger::read(&self.ended.plan.lake);
        assert!(errors.is_empty(), "{errors:?}");
        let of_kind = |kind| entries.iter().filter(move |entry: &&Entry| entry.kind == kind);
        let booked = of_kind(EntryKind::Connected).chain(of_kind(EntryKind::Disconnected)).count();
        let quotes = self.rows.len() as u64;
        let mut wanted = BTreeMap::new();
        for stage in Stage::ALL {
            let count = match stage {
                Stage::Fed => quotes + statuses,
                Stage::NumberedQuotes | Stage::SealedQuotes => quotes,
                Stage::NumberedStatuses | Stage::SealedStatuses => statuses,
                Stage::Missed | Stage::Lost | Stage::Damaged | Stage::Unsealed => 0,
                Stage::Booked => booked as u64,
                Stage::Decoded | Stage::Passed | Stage::Journalled => {
                    for listing in &self.names().listings {
                        let key = (listing.venue, listing.instrument);
                        let rows = self.rows.iter().filter(|row| row.key == key).count() as u64;
                        let venue = self.names().venue(key.0).name.clone();
                        let instrument = self.names().instrument(key.1).name.clone();
                        wanted.insert((stage, Some(venue), Some(instrument)), rows);
                    }
                    continue;
                }
            };
            wanted.insert((stage, None, None), count);
        }
        let told = |entry: &Entry| {
            let Entry { venue, instrument, rows, .. } = entry.clone();
            ((Stage::of_entry(entry).unwrap(), venue, instrument), rows.unwrap())
        };
        let found: BTreeMap<_, _> = of_kind(EntryKind::Stage).map(told).collect();
        assert_eq!(found, wanted);
    }

    pub fn check_nothing_was_dropped(&self) {
        let summary = &self.ended.summary;
        let lines = self.opportunities().len() as u64;
        for (name, wanted) in [
            ("calculator.quotes", self.rows.len() as u64),
            ("journal.quotes", self.rows.len() as u64),
            ("journal.statuses", self.count("calculator.statuses")),
            ("journal.missed", 0),
            ("journal.opportunities", lines),
            ("journal.recording", 1),
            ("decision.spreads", self.count("calculator.spreads")),
            ("broadcast.spreads", self.count("calculator.spreads")),
            ("broadcast.statuses", self.count("calculator.statuses")),
            ("broadcast.gaps", 0),
            ("chronicle.opportunities", lines),
            ("chronicle.lost", 0),
        ] {
            assert_eq!(self.count(name), wanted, "{name}");
        }
        assert!(summary.drops().iter().all(|(_, count)| *count == 0), "{:?}", summary.drops());
        assert!(summary.report.failures.is_empty(), "{:?}", summary.report.failures);
        assert!(summary.is_complete(), "{}", summary.to_text());
    }
}

fn key_of(written: &Written, names: &Catalogue) -> Key {
    let venue = names.venue_named(written.venue).unwrap();
    let is_it = |l: &&spreadwire_market::instrument::Listing| {
        l.venue == venue && l.symbol == written.symbol
    };
    (venue, names.listings.iter().find(is_it).unwrap().instrument)
}

/// Returns a written quote in the form of a row: numbers are the doubles nearest to their texts.
fn said(written: &Written) -> Said {
    let spec = venues::named(written.venue).unwrap();
    let side = |px: &str, sz: &str| {
        let sz =
            if spec.sizes == Sizes::Contracts { in_base(spec, written, sz) } else { sz.to_owned() };
        let (px, sz): (f64, f64) = (px.parse().unwrap(), sz.parse().unwrap());
        (0.0 < sz).then_some((px, sz))
    };
    let event = match written.venue {
        "binance" => None,
        "binance-usdm" => Some(written.push_ns),
        _ => Some(written.event_ns),
    };
    let is_numbered = spec.about.numbering != "none";
    Said {
        bid: side(&written.bid, &written.bid_qty),
        ask: side(&written.ask, &written.ask_qty),
        event,
        sequence: is_numbered.then_some(written.sequence),
    }
}

/// Returns a number of contracts in base units; the simulator's contracts are of one lot.
fn in_base(spec: &VenueSpec, written: &Written, contracts: &str) -> String {
    let is_it = |instrument: &&exchange_sim::Instrument| {
        let (base, quote) = instrument.name.split_once('/').unwrap();
        (spec.symbol)(base, quote) == written.symbol
    };
    let instrument = exchange_sim::INSTRUMENTS.iter().find(is_it).unwrap();
    let decimals = u8::try_from(instrument.size_decimals).unwrap();
    decimal::to_text(contracts.parse().unwrap(), decimals)
}

/// Finds the rows of each life of a market, one after the other, in what was written.
fn missing(rows: &[&Row], written: &[Said]) -> Result<usize, String> {
    let mut lives: Vec<Vec<Said>> = Vec::new();
    for row in rows {
        if row.flags & SNAPSHOT != 0 {
            lives.push(Vec::new());
        }
        let life = lives.last_mut().ok_or("the first row is no full picture")?;
        life.push(row.said);
    }
    let (mut next, mut missing) = (0, 0);
    for (number, life) in lives.iter().enumerate() {
        let last = written.len().checked_sub(life.len()).ok_or("more rows than were written")?;
        let found = (next..=last).find(|at| written[*at..*at + life.len()] == life[..]);
        let at = found.ok_or_else(|| {
            let same = life.iter().zip(&written[next..]).take_while(|(a, b)| a == b).count();
            let (row, there) = (life.get(same), written.get(next + same));
            format!("life {number} was not written so: row {same} is {row:?}, not {there:?}")
        })?;
        if number == 0 && at != 0 {
            return Err(format!("the first {at} quotes are missing"));
        }
        missing += at - next;
        next = at + life.len();
    }
    let rest = written.len() - next;
    if rest == 0 { Ok(missing) } else { Err(format!("the last {rest} quotes are missing")) }
}

/// Compares a line of the chronicle with the expected one; prices are texts there.
fn assert_same(told: &Value, expected: &Value) {
    let fields = expected.as_object().unwrap();
    assert_eq!(told.as_object().unwrap().len(), fields.len(), "{told} and {expected}");
    for (name, wanted) in fields {
        let told = &told[name];
        if let Some(wanted) = wanted.as_f64().filter(|_| wanted.is_f64()) {
            let told = told.as_f64().or_else(|| told.as_str()?.parse().ok()).unwrap();
            let off = (told - wanted).abs();
            assert!(off <= 1e-9 * wanted.abs().max(1.0), "{name}: {told}, not {wanted}");
        } else {
            assert_eq!(told, wanted, "{name} of {expected}");
        }
    }
}
