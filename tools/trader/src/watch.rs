//! Watching: reports when opportunities open and close, and places no orders.

use crate::listener::{News, SpreadListener};
use crate::trader::{Rule, Trader, told, told_of_recording};
use spreadwire_market::client::Heard;
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::opportunity;
use spreadwire_market::record::{Kind, Record};
use spreadwire_output::{err, out};
use std::sync::atomic::{AtomicBool, Ordering};

/// Reason for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// The server speaks another version of the protocol.
    OtherProtocol,
}

/// When a run ends.
#[derive(Debug)]
pub struct End<'a> {
    /// Set when it shall end.
    pub stop: &'a AtomicBool,
    /// When it ends by itself, ns since 1970 UTC.
    pub at: Option<Nanos>,
}

impl End<'_> {
    /// Returns whether the run is over at `now`, ns since 1970 UTC.
    #[must_use]
    pub fn is_now(&self, now: Nanos) -> bool {
        self.stop.load(Ordering::Relaxed)
            || spreadwire_output::has_reader_left()
            || self.at.is_some_and(|at| at <= now)
    }
}

/// Counts for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Spreads.
    pub spreads: u64,
    /// Opportunities that opened.
    pub opened: u64,
    /// Opportunities that closed.
    pub closed: u64,
    /// Gaps.
    pub gaps: u64,
    /// Connections.
    pub connections: u64,
    /// Connections that were ended because of what the server sent.
    pub refused: u64,
}

impl Tally {
    /// Counts records by their kind.
    pub fn count(&mut self, records: &[Record]) {
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

    /// Returns the summary.
    #[must_use]
    pub fn told(&self, doubted: u64) -> String {
        let Tally { spreads, opened, closed, gaps, connections, refused } = self;
        format!(
            "{spreads} spreads, {opened} opened, {closed} closed, {gaps} gaps, {connections} \
             connections, {refused} refused, {doubted} messages not acted on"
        )
    }
}

/// Watches until the end. `url` is the server's address as it was given.
pub fn watch(
    listener: &mut SpreadListener,
    rule: Rule,
    url: &str,
    json: bool,
    end: &End<'_>,
    clock: &Clock,
) -> Ended {
    let mut session = Session::new(rule, json);
    let mut ended = Ended::Stopped;
    while ended == Ended::Stopped && !end.is_now(clock.now()) {
        session.trader.expire(clock.now()).iter().for_each(|line| err!("{line}"));
        session.records.clear();
        let news = listener.listen(&mut session.records);
        if matches!(news, News::OtherProtocol { .. }) {
            ended = Ended::OtherProtocol;
        }
        session.take(news, url);
        while let Some(doubt) = listener.new_doubt() {
            err!("{}", doubt.advice());
        }
    }
    session.end(listener.doubted(), clock.now());
    ended
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
    fn take(&mut self, news: News, url: &str) {
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
        self.print();
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
    fn end(&mut self, doubted: u64, now: Nanos) {
        self.trader.stop(now, &mut self.events);
        self.print();
        err!("{}", self.tally.told(doubted));
    }

    /// Counts and prints the opportunities that opened and closed.
    fn print(&mut self) {
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
    }
}
