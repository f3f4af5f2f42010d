//! The reference client of the broadcast: its state machine as seen from outside.
//!
//! [`Client`] takes the texts of one connection (`docs/broadcast.md`) and the time at which each
//! came, and returns the engine's records. It holds no socket and reads no clock. A record that it
//! returns can be acted on, if the message left the client in step with the stream:
//!
//! - The numbers of spreads increase. Without a filter, one that is missing was told in a gap.
//! - Nothing is decided before all parts of a snapshot have come, nor until what follows a gap has.
//! - A leg is live only if the server has said so. A state that this version does not know is not.
//! - A spread ends with its leg, with its own end, and with a gap of the engine.
//! - A spread that is too old, or whose time is ahead of the client's clock or steps back, or whose
//!   net is beyond belief, is not acted on; the record of its end takes its place.
//!
//! What a correct server never sends is a [`Fault`]: it ends the connection, because nothing else
//! that this server says can be relied on. [`Reconnect`] says when to try again.

mod decoder;
mod fault;
mod hello;
mod message;
mod order;
mod reconnect;
mod table;
#[cfg(test)]
mod tests;

pub use fault::{Doubt, Doubts, Fault};
pub use reconnect::{PAUSE_MIN, PAUSE_MIN_CAP, PROOF, Reconnect};

use crate::clock::{MILLI, Nanos, SECOND};
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::record::{Ended, Gap, Record, Spread};
use crate::spread::{self, MAX_NET_BPS};
use crate::state::{EndReason, State};
use decoder::Decoder;
use hello::Directory;
use message::{EndedFields, GapFields, Hello, Message, SnapshotFields, SpreadFields, StateFields};
use order::{Numbers, Times};
use table::{Pair, Table, pair_of};

/// Supported version of the protocol.
pub const PROTOCOL: &str = "spreadwire.v1";
/// The filter that every connection begins with.
const DEFAULT_FILTER: &str = "default";
/// Maximum number of filters of a connection.
const FILTERS_MAX: usize = 64;

/// Bounds of what a client acts on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A spread whose receive time is further in the past is not acted on, ns. This includes the
    /// difference between the clocks of the two hosts. Default 1 s: a message takes milliseconds,
    /// so a client that is this late does not keep up.
    pub max_age: Nanos,
    /// A time further ahead of the client's clock cannot be right, ns. Default 1 s.
    pub ahead_max: Nanos,
    /// A time further behind an earlier one of the stream cannot be right, ns. Threads of the
    /// engine stamp their quotes independently, so small steps back are normal. Default 200 ms.
    pub behind_max: Nanos,
    /// The first snapshot, and each that follows `subscribed`, must be complete within this time,
    /// ns. Default 10 s.
    pub snapshot_max: Nanos,
    /// A net further from zero than this is taken for a mistake, a fraction; `f64::INFINITY` for
    /// no limit. Default [`MAX_NET_BPS`], as in the engine.
    pub max_net: f64,
    /// Whether the application sets filters, which leave holes in the numbers. Default `false`:
    /// then nothing is asked of the server, and it may confirm nothing.
    pub filtered: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_age: SECOND,
            ahead_max: SECOND,
            behind_max: 200 * MILLI,
            snapshot_max: 10 * SECOND,
            max_net: spread::max_net(MAX_NET_BPS),
            filtered: false,
        }
    }
}

impl Limits {
    /// Returns limits that judge nothing by its time, for streams that were recorded.
    #[must_use]
    pub fn timeless() -> Limits {
        let [max_age, ahead_max, behind_max, snapshot_max] = [Nanos::MAX; 4];
        Limits { max_age, ahead_max, behind_max, snapshot_max, ..Limits::default() }
    }

    fn is_old(&self, ts: Nanos, now: Nanos) -> bool {
        ts.saturating_add(self.max_age) < now
    }

    /// Returns what is wrong with the net of a spread.
    fn doubt(&self, spread: &Spread) -> Option<Doubt> {
        (self.max_net < spread.net.abs()).then_some(Doubt::Implausible)
    }

    fn is_ahead(&self, ts: Nanos, now: Nanos) -> bool {
        now.saturating_add(self.ahead_max) < ts
    }
}

/// Meaning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The connection begins; its catalogue is known now.
    Hello,
    /// A message of the stream in order, or the end of a snapshot: the client is up to date.
    InStep,
    /// A message before that: a gap, the latest values after it, or a snapshot with more to come.
    CatchingUp,
    /// A message outside the stream: an answer, or a change of the engine's recording.
    Other,
}

/// The client of one connection. Each connection needs a new one.
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    decoder: Option<Decoder>,
    table: Table,
    numbers: Numbers,
    times: Times,
    doubts: Doubts,
    /// Filters whose snapshot is not complete.
    pending: Vec<String>,
    /// When the snapshots must be complete.
    due: Nanos,
    /// Whether there was a gap, and since then no message in order.
    behind: bool,
    /// Whether the broadcast itself has missed records, among them perhaps statuses.
    lossy: bool,
    /// Whether a fault has ended the connection.
    over: bool,
}

impl Client {
    /// Creates the client of a connection that is made at `now`, ns since 1970 UTC.
    #[must_use]
    pub fn new(limits: Limits, now: Nanos) -> Client {
        Client {
            limits,
            decoder: None,
            table: Table::default(),
            numbers: Numbers::default(),
            times: Times::default(),
            doubts: Doubts::default(),
            pending: vec![DEFAULT_FILTER.to_owned()],
            due: now.saturating_add(limits.snapshot_max),
            behind: false,
            lossy: false,
            over: false,
        }
    }

    /// Returns the catalogue, once `hello` was received. The server does not say how old a quote
    /// may be, so `max_age` of its venues has no meaning.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.decoder.as_ref().map(|decoder| decoder.directory().catalogue())
    }

    /// Returns the time of something that is noticed at `now` and has no time of its own, ns since
    /// 1970 UTC: not before the newest time of the stream.
    #[must_use]
    pub fn latest(&self, now: Nanos) -> Nanos {
        self.times.newest().max(now)
    }

    /// Returns whether all snapshots are complete and everything since has come in order.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.decoder.is_some() && self.pending.is_empty() && !self.behind && !self.over
    }

    /// Returns whether the server has said that the leg is live and nothing to the contrary since.
    #[must_use]
    pub fn is_live(&self, instrument: InstrumentId, venue: VenueId) -> bool {
        !self.over && self.table.is_live(instrument, venue)
    }

    /// Returns whether a pair can be traded on at `now`, ns since 1970 UTC: the client is in step,
    /// both legs are live, and the pair has a spread that has not ended and is not too old.
    #[must_use]
    pub fn is_tradable(
        &self,
        instrument: InstrumentId,
        buy: VenueId,
        sell: VenueId,
        now: Nanos,
    ) -> bool {
        let legs = self.is_live(instrument, buy) && self.is_live(instrument, sell);
        let fresh = |ts| !self.limits.is_old(ts, now);
        let spread = self.table.spread((instrument, buy, sell));
        self.is_in_step() && legs && spread.is_some_and(fresh)
    }

    /// Returns how often each doubt arose on this connection.
    #[must_use]
    pub fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    /// Returns a doubt that arose for the first time on this connection. Each is returned once.
    pub fn new_doubt(&mut self) -> Option<Doubt> {
        self.doubts.news()
    }

    /// Checks the deadline of the snapshot at `now`, ns since 1970 UTC. Call it regularly, because
    /// a server may send nothing at all.
    ///
    /// # Errors
    /// [`Fault::SnapshotLate`]; the connection must be closed.
    pub fn check(&mut self, now: Nanos) -> Result<(), Fault> {
        if self.pending.is_empty() || now < self.due {
            return Ok(());
        }
        self.over = true;
        Err(Fault::SnapshotLate(self.limits.snapshot_max))
    }

    /// Takes a text that came at `now`, ns since 1970 UTC, and appends its records to `out`: what
    /// the server said, an [`Ended`] in place of each doubtful spread of a pair that had one, and a
    /// [`Gap`] where nothing said before still holds.
    ///
    /// # Errors
    /// [`Fault`]. Then nothing of the message is used, nothing is tradable any more, and the
    /// connection must be closed.
    pub fn take(&mut self, text: &str, now: Nanos, out: &mut Vec<Record>) -> Result<Heard, Fault> {
        let before = out.len();
        let heard = self.hear(text, now, out);
        if heard.is_err() {
            out.truncate(before);
            self.over = true;
        }
        heard
    }

    fn hear(&mut self, text: &str, now: Nanos, out: &mut Vec<Record>) -> Result<Heard, Fault> {
        if self.over {
            return Err(Fault::Over);
        }
        self.check(now)?;
        let message = message::read(text)?;
        if self.decoder.is_none() && !matches!(message, Message::Hello(_) | Message::Unknown) {
            return Err(Fault::NoHello);
        }
        match message {
            Message::Hello(hello) => self.hello(hello),
            Message::Snapshot(fields) => self.snapshot(&fields, now, out),
            Message::Spread(fields) => self.spread(&fields, now, out),
            Message::Ended(fields) => self.ended(&fields, now, out),
            Message::Status(fields) => self.status(&fields, now, out),
            Message::Gap(fields) => self.gap(&fields, now, out),
            Message::Recording(fields) => {
                out.extend(decoder::recording(&fields).map(Record::from));
                Ok(Heard::Other)
            }
            Message::Subscribed { id } => self.subscribed(id, now, out),
            Message::Unsubscribed { ids } => self.unsubscribed(&ids, now, out),
            Message::Pong {} | Message::Error {} | Message::Unknown => Ok(Heard::Other),
        }
    }

    fn decoder(&self) -> Result<&Decoder, Fault> {
        self.decoder.as_ref().ok_or(Fault::NoHello)
    }

    fn hello(&mut self, hello: Hello) -> Result<Heard, Fault> {
        if self.decoder.is_some() {
            return Err(Fault::HelloTwice);
        }
        let directory = Directory::learn(hello)?;
        self.table = Table::new(directory.catalogue());
        self.decoder = Some(Decoder::new(directory));
        Ok(Heard::Hello)
    }

    fn snapshot(
        &mut self,
        fields: &SnapshotFields,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        let Some(filter) = self.pending.iter().position(|id| *id == fields.id) else {
            return Err(Fault::SnapshotUnasked(fields.id.clone()));
        };
        self.numbers.up_to(fields.seq, false)?;
        for state in &fields.states {
            // The state may have begun long ago, but not in the future.
            let ahead = self.limits.is_ahead(state.ts_recv, now);
            self.state(state, if ahead { now } else { state.ts_recv }, out)?;
        }
        for spread in &fields.spreads {
            self.spread_of_snapshot(spread, fields.seq, now, out)?;
        }
        if fields.last {
            self.pending.swap_remove(filter);
            self.behind &= !self.pending.is_empty();
        }
        Ok(self.step())
    }

    fn spread_of_snapshot(
        &mut self,
        fields: &SpreadFields,
        seq: u64,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<(), Fault> {
        if fields.seq == 0 || seq < fields.seq {
            return Err(Fault::SnapshotAhead { seq, spread: fields.seq });
        }
        let spread = self.decoder()?.spread(fields)?;
        let unproven = self.prove(&spread, fields.seq)?;
        // A pair that has not changed for a while is old, and its leg may still be live.
        let Limits { max_age, ahead_max, .. } = self.limits;
        let limits = Limits { max_age, ahead_max, behind_max: Nanos::MAX, ..self.limits };
        let doubt = unproven
            .or_else(|| self.times.judge(spread.ts_recv, now, &limits))
            .or(self.limits.doubt(&spread));
        match doubt {
            None => self.stand(&spread, out),
            Some(Doubt::Old) => self.end(&spread, Doubt::Old, now, out),
            Some(doubt) => self.doubt(&spread, doubt, now, out),
        }
        Ok(())
    }

    fn spread(
        &mut self,
        fields: &SpreadFields,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        let spread = self.decoder()?.spread(fields)?;
        self.numbers.spread(fields.seq, self.is_strict(fields.conflated))?;
        let unproven = self.prove(&spread, fields.seq)?;
        let heard = self.in_order(fields.conflated);
        let judged = self.times.judge(spread.ts_recv, now, &self.limits);
        match unproven.or(judged).or(self.limits.doubt(&spread)) {
            None => self.stand(&spread, out),
            Some(doubt) => self.doubt(&spread, doubt, now, out),
        }
        Ok(heard)
    }

    fn ended(
        &mut self,
        fields: &EndedFields,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        let mut ended = self.decoder()?.ended(fields)?;
        self.numbers.up_to(fields.seq, self.is_strict(fields.conflated))?;
        ended.ts_recv = self.plausible(ended.ts_recv, now);
        self.table.set_spread((ended.instrument, ended.buy_venue, ended.sell_venue), None);
        out.push(ended.into());
        Ok(self.in_order(fields.conflated))
    }

    fn status(
        &mut self,
        fields: &StateFields,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        let ts = self.plausible(fields.ts_recv, now);
        self.state(fields, ts, out)?;
        Ok(self.in_order(fields.conflated))
    }

    /// Keeps a state, as of `ts`.
    fn state(
        &mut self,
        fields: &StateFields,
        ts: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<(), Fault> {
        let (mut status, known) = self.decoder()?.status(fields)?;
        if !known {
            self.doubts.add(Doubt::UnknownState);
        }
        status.ts_recv = ts;
        let live = status.state == State::Live.code();
        self.table.set_live(status.instrument, status.venue, live);
        out.push(status.into());
        Ok(())
    }

    /// Notes what is missing. Only for a slow client do the spreads that did not change still
    /// stand; every other reason, also one of a later version, may concern all of them.
    fn gap(
        &mut self,
        fields: &GapFields,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        if let (Some(from), Some(to)) = (fields.from_seq, fields.to_seq) {
            self.numbers.gap(from, to, fields.missed)?;
        }
        if fields.reason != "slow_client" {
            self.table.end_spreads();
            self.lossy = true;
        }
        self.behind = true;
        let ts = fields.ts_recv.map_or(self.latest(now), |ts| self.plausible(ts, now));
        out.push(Gap::new(ts, fields.missed).into());
        Ok(Heard::CatchingUp)
    }

    /// Waits for the snapshot of another filter. Pairs that only the replaced filter covered get no
    /// messages any more, so every spread ends.
    fn subscribed(
        &mut self,
        id: String,
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        self.asked("subscribed")?;
        self.pending.retain(|other| *other != DEFAULT_FILTER && *other != id);
        if FILTERS_MAX <= self.pending.len() {
            return Err(Fault::TooManyFilters(FILTERS_MAX));
        }
        hello::check_length(&id)?;
        self.pending.push(id);
        self.due = now.saturating_add(self.limits.snapshot_max);
        self.forget(now, out);
        Ok(Heard::Other)
    }

    /// Pairs that no filter covers any more get no messages, so every spread ends.
    fn unsubscribed(
        &mut self,
        ids: &[String],
        now: Nanos,
        out: &mut Vec<Record>,
    ) -> Result<Heard, Fault> {
        self.asked("unsubscribed")?;
        self.pending.retain(|id| !ids.contains(id));
        self.behind = true;
        self.forget(now, out);
        Ok(Heard::Other)
    }

    /// Refuses an answer to a request that an application without filters does not make.
    fn asked(&self, answer: &'static str) -> Result<(), Fault> {
        if self.limits.filtered { Ok(()) } else { Err(Fault::Unasked(answer)) }
    }

    fn forget(&mut self, now: Nanos, out: &mut Vec<Record>) {
        self.table.end_spreads();
        out.push(Gap::new(self.latest(now), 0).into());
    }

    /// Notes that a message of the stream came, and returns what it means for the client.
    fn in_order(&mut self, conflated: bool) -> Heard {
        self.behind &= conflated;
        if conflated { Heard::CatchingUp } else { self.step() }
    }

    fn step(&self) -> Heard {
        if self.is_in_step() { Heard::InStep } else { Heard::CatchingUp }
    }

    /// Returns whether no number may be missing before a message. Between the parts of a snapshot,
    /// pairs that it has not covered yet are left out.
    fn is_strict(&self, conflated: bool) -> bool {
        !self.limits.filtered && self.pending.is_empty() && !(conflated && self.behind)
    }

    /// Checks that both legs of a spread are live. After the broadcast has missed records, one that
    /// is not may have become so without a word.
    fn prove(&self, spread: &Spread, seq: u64) -> Result<Option<Doubt>, Fault> {
        let legs = [spread.buy_venue, spread.sell_venue];
        let dead = legs.into_iter().find(|leg| !self.table.is_live(spread.instrument, *leg));
        let Some(venue) = dead else { return Ok(None) };
        if self.lossy {
            return Ok(Some(Doubt::Unproven));
        }
        let catalogue = self.decoder()?.directory().catalogue();
        Err(Fault::LegNotLive {
            seq,
            instrument: catalogue.instrument(spread.instrument).name.clone(),
            venue: catalogue.venue(venue).name.clone(),
        })
    }

    fn plausible(&mut self, ts: Nanos, now: Nanos) -> Nanos {
        if self.limits.is_ahead(ts, now) {
            self.doubts.add(Doubt::Ahead);
        }
        self.times.plausible(ts, now, &self.limits)
    }

    fn stand(&mut self, spread: &Spread, out: &mut Vec<Record>) {
        self.table.set_spread(pair_of(spread), Some(spread.ts_recv));
        out.push((*spread).into());
    }

    fn doubt(&mut self, spread: &Spread, doubt: Doubt, now: Nanos, out: &mut Vec<Record>) {
        self.doubts.add(doubt);
        self.end(spread, doubt, now, out);
    }

    /// Ends the pair of a spread that is not acted on, if it had one.
    fn end(&mut self, spread: &Spread, doubt: Doubt, now: Nanos, out: &mut Vec<Record>) {
        let pair = pair_of(spread);
        if self.table.set_spread(pair, None) {
            out.push(self.end_of(pair, spread.sequence, doubt, now).into());
        }
    }

    fn end_of(&self, pair: Pair, sequence: u64, doubt: Doubt, now: Nanos) -> Ended {
        let (instrument, buy_venue, sell_venue) = pair;
        let reason = match doubt {
            Doubt::Old => EndReason::LegOld,
            Doubt::Unproven | Doubt::UnknownState => EndReason::LegNotLive,
            Doubt::Ahead | Doubt::Behind | Doubt::Implausible => EndReason::Implausible,
        };
        let ts_recv = self.times.newest().min(now);
        let flags = reason.code();
        Ended { ts_recv, sequence, instrument, buy_venue, sell_venue, flags, ..Ended::default() }
    }
}
