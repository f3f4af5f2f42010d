//! Drives the decision code of `spreadwire-trading`: records go in, entries go to the journal, and only then
//! do orders go to the gateway.
//!
//! One turn is one duty cycle: the kill switch is looked at first, then records, answers and times are
//! taken, then what was decided is written and sent. The switch is looked at again before each order. If
//! the journal cannot be written, the turn fails and nothing of it is sent.

use crate::killing::{Cause, Killing};
use crate::plan::Plan;
use crate::translation::Translation;
use spreadwire_catalogue::trading::TradingPlan;
use spreadwire_lake::decisions::{Decisions, DecisionsError, FILE_NAME, Found, Head};
use spreadwire_market::approved::Expiries;
use spreadwire_market::client::Heard;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::decimal;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Gap, Record, Spread};
use spreadwire_trading::entry::{Entry, Event, Halt};
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::{Answer, Order, Reject};
use spreadwire_trading::paper_trader::{PaperTrader, Restoring};
use spreadwire_trading::trader::{Out, Trader};
use spreadwire_trading::why::{Why, WhyNot};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Interval at which entries reach the disk for which no order waits.
const SYNC_EVERY: Nanos = 100 * MILLI;
/// A gateway is asked for trades from this long before they were last seen: clocks differ.
const OVERLAP: Nanos = 60 * SECOND;
/// Pause before a venue is asked again whose books differed while orders were in flight.
const ASK_AGAIN: Nanos = SECOND;

/// Who executes.
enum Execution {
    /// The books that were seen, on the clock of the records.
    Paper(Box<PaperTrader>),
    /// Venues, or a simulator of them.
    Gateway { trader: Box<Trader>, gateway: Box<dyn Gateway> },
}

/// What is known of a venue's trades.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Until when all trades were seen, ns since 1970 UTC.
    until: Nanos,
    /// Whether they are seen as they happen.
    is_live: bool,
    /// Whether a reconciliation is under way.
    is_asked: bool,
    /// When it may be asked for, ns since 1970 UTC.
    ask_at: Nanos,
}

/// An ordered pair of venues of an instrument.
pub type Pair = (InstrumentId, VenueId, VenueId);

/// What happened in turns, for whoever tells it.
#[derive(Debug, Default)]
pub struct Said {
    /// Opportunities that opened and closed.
    pub records: Vec<Record>,
    /// Entries of the journal.
    pub entries: Vec<Entry>,
    /// Remarks, a line each.
    pub remarks: Vec<String>,
}

/// The driver of one trader.
pub struct Driver {
    plan: Plan,
    mode: Mode,
    execution: Execution,
    journal: Decisions,
    killing: Killing,
    kill: KillSwitch,
    translation: Translation,
    /// By venue.
    seen: Vec<Seen>,
    out: Out,
    said: Said,
    /// Time of the last record, ns since 1970 UTC.
    last_ts: Nanos,
    sync_at: Nanos,
    /// When the approvals expire; `None` if there are none to go by.
    expiries: Option<Expiries>,
    is_in_step: bool,
    /// Reasons as counted when the last spread was above its threshold.
    why: WhyNot,
    why_by_pair: BTreeMap<Pair, BTreeMap<Why, u64>>,
    /// Age of what was last decided on by our clock, ns, and the highest.
    acted_age: [Nanos; 2],
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Driver {
    /// Opens the journal, restores what it has, and begins or goes on at `now`, ns since 1970 UTC. Without a
    /// gateway, orders are executed on paper. `signal` is the flag that a signal sets to kill.
    ///
    /// # Errors
    /// If the journal cannot be used.
    pub fn open(
        plan: Plan,
        gateway: Option<Box<dyn Gateway>>,
        signal: Arc<AtomicBool>,
        max_age: Nanos,
        now: Nanos,
    ) -> Result<Driver, DecisionsError> {
        let mode = gateway.as_ref().map_or(Mode::Paper, |gateway| gateway.mode());
        let kill = KillSwitch::default();
        let settings = &plan.trading.settings;
        // On paper, numbers count from 1, so that a run can be repeated. Venues remember numbers that a
        // lost journal has forgotten.
        let first_order = if mode == Mode::Paper { 1 } else { (now / SECOND) << 20 };
        let (thresholds, catalogue) = (plan.thresholds.clone(), &plan.catalogue);
        let trader =
            Trader::new(catalogue, thresholds, settings.clone(), kill.clone(), first_order);
        let mut restoring = Restoring::new(trader.acting_within(max_age));
        let head = Head::new(mode, &plan.trading.owner, now, catalogue, settings);
        let path = plan.places.folder.join(FILE_NAME);
        let mut last = None;
        let names = (catalogue, &settings.assets);
        let (journal, found) = Decisions::open(&path, &head, names, |entry| {
            restoring.entry(entry);
            last = Some(entry.ts);
        })?;
        let mut out = Out::default();
        let execution = match gateway {
            Some(gateway) => {
                Execution::Gateway { trader: Box::new(restoring.into_trader()), gateway }
            }
            None => {
                let TradingPlan { balances, paper, .. } = &plan.trading;
                let both = restoring.on_paper(balances, paper.clone(), now, &mut out);
                Execution::Paper(Box::new(both))
            }
        };
        let until = last.unwrap_or(now);
        let seen = Seen { until, is_live: false, is_asked: false, ask_at: 0 };
        let seen = vec![seen; plan.catalogue.venues.len()];
        let killing = Killing::new(kill.clone(), signal, plan.places.kill_file.clone());
        let expiries = plan.expiries.clone();
        let mut driver = Driver {
            why: WhyNot::default(),
            plan,
            mode,
            execution,
            journal,
            killing,
            kill,
            translation: Translation::default(),
            seen,
            out,
            said: Said::default(),
            last_ts: 0,
            sync_at: 0,
            expiries,
            is_in_step: false,
            why_by_pair: BTreeMap::new(),
            acted_age: [0; 2],
        };
        driver.restored(&found, now)?;
        Ok(driver)
    }

    fn restored(&mut self, found: &Found, now: Nanos) -> Result<(), DecisionsError> {
        self.remark_found(found);
        match &mut self.execution {
            Execution::Paper(both) => both.restored(now, &mut self.out),
            Execution::Gateway { trader, .. } => trader.restored(now, &mut self.out),
        }
        self.flush(now)?;
        self.journal.sync()
    }

    /// Notes what a restart found, for people.
    fn remark_found(&mut self, found: &Found) {
        let desk = self.trader().desk();
        let mut remarks = Vec::new();
        if let Some(torn) = &found.torn {
            remarks.push(format!(
                "{}: line {} had no end ({} bytes) and was cut off; nothing was sent for it",
                self.journal.path().display(),
                torn.line,
                torn.bytes
            ));
        }
        if 0 < found.runs {
            remarks.push(format!(
                "restored {} entries of {} runs: {} deals not over, {} orders in flight",
                found.entries,
                found.runs,
                desk.deals().len(),
                desk.orders().len()
            ));
        }
        for deal in desk.deals().iter().filter(|deal| deal.residual() != 0) {
            let of = self.plan.catalogue.instrument(deal.decided.instrument);
            remarks.push(format!(
                "deal #{} is {}, with a residual of {} {}",
                deal.decided.deal,
                deal.stage.name(),
                decimal::to_text(deal.residual(), of.size_scale),
                of.name
            ));
        }
        let halts: Vec<&str> = desk.halts().map(Halt::name).collect();
        if !halts.is_empty() {
            remarks.push(format!(
                "HALTED by an earlier run: {}; look, then run `trader resume` or `trader adopt`",
                halts.join(", ")
            ));
        }
        self.said.remarks.append(&mut remarks);
    }

    /// Begins a connection with a server's catalogue; nothing opens until the client is in step. Returns
    /// what the server has otherwise than the configuration.
    pub fn connected(&mut self, server: &Catalogue) -> Vec<String> {
        let (translation, differences) = Translation::new(server, &self.plan.catalogue);
        self.translation = translation;
        self.record(&Gap::new(self.last_ts, 0).into(), 0);
        differences
    }

    /// Does one duty cycle at `now`, ns since 1970 UTC, with what a listener heard.
    ///
    /// # Errors
    /// If the journal cannot be written: nothing was sent then, and the trader must end.
    pub fn turn(
        &mut self,
        heard: Option<Heard>,
        records: &[Record],
        now: Nanos,
    ) -> Result<(), DecisionsError> {
        self.look_at_switch(now);
        self.expire(now);
        self.trader_mut().at(now);
        match heard {
            Some(Heard::InStep) => {
                self.is_in_step = true;
                self.trader_mut().caught_up();
            }
            Some(Heard::CatchingUp | Heard::Hello) => self.is_in_step = false,
            Some(Heard::Other) | None => {}
        }
        for record in records {
            if let Some(record) = self.translation.record(record) {
                self.record(&record, now);
            }
        }
        self.hear(now);
        self.flush(now)
    }

    fn look_at_switch(&mut self, now: Nanos) {
        if let Some(cause) = self.killing.look(now) {
            let what = match cause {
                Cause::File => format!("{} is there", self.killing.file().display()),
                Cause::Signal => "SIGUSR1".to_owned(),
            };
            self.said.remarks.push(format!("KILLED: {what}; no order is sent any more"));
        }
        if self.kill.is_on() {
            let mut out = std::mem::take(&mut self.out);
            self.trader_mut().halt(now, &mut out);
            self.out = out;
        }
    }

    /// Ends the opening of pairs whose approval has expired by our clock.
    fn expire(&mut self, now: Nanos) {
        let told = self.expiries.as_mut().map(|expiries| expiries.pass(now)).unwrap_or_default();
        if !told.is_empty() {
            self.trader_mut().maker_mut().expire(now);
            self.said.remarks.extend(told);
        }
    }

    fn record(&mut self, record: &Record, now: Nanos) {
        self.last_ts = self.last_ts.max(record.ts_recv());
        let (entries, above) = (self.out.entries.len(), self.trader().above_and_acted());
        match &mut self.execution {
            Execution::Paper(both) => both.on_record(record, &mut self.out),
            Execution::Gateway { trader, .. } => trader.on_record(record, &mut self.out),
        }
        if above.0 != self.trader().above_and_acted().0
            && let Some(spread) = record.get::<Spread>()
        {
            self.count(spread);
        }
        let is_decided = |entry: &Entry| matches!(entry.event, Event::Decided(_));
        if self.out.entries[entries..].iter().any(is_decided) {
            let age = now.saturating_sub(record.ts_recv());
            self.acted_age = [age, self.acted_age[1].max(age)];
        }
    }

    /// Counts the reason that a spread was not acted on by its pair.
    fn count(&mut self, spread: &Spread) {
        let why = self.trader().why_not().clone();
        let new = Why::ALL.into_iter().find(|it| why.of(*it) != self.why.of(*it));
        if let Some(new) = new {
            let pair = (spread.instrument, spread.buy_venue, spread.sell_venue);
            *self.why_by_pair.entry(pair).or_default().entry(new).or_default() += 1;
            self.why = why;
        }
    }

    /// Takes the answers of the gateway, and does what is due.
    fn hear(&mut self, now: Nanos) {
        let Execution::Gateway { trader, gateway } = &mut self.execution else { return };
        let mut answers = Vec::new();
        gateway.poll(now, &mut answers);
        for answer in &answers {
            trader.on_answer(answer, now, &mut self.out);
            note(answer, now, &mut self.seen);
        }
        if trader.next_due() <= now {
            trader.on_time(now, &mut self.out);
        }
        let waiting: Vec<VenueId> = trader.to_reconcile().collect();
        for venue in waiting {
            let seen = &mut self.seen[venue.index()];
            if !seen.is_asked && seen.ask_at <= now {
                seen.is_asked = true;
                gateway.reconcile(venue, seen.until.saturating_sub(OVERLAP));
            }
        }
        for seen in self.seen.iter_mut().filter(|seen| seen.is_live) {
            seen.until = now;
        }
    }

    /// Writes the entries, then sends the orders.
    fn flush(&mut self, now: Nanos) -> Result<(), DecisionsError> {
        loop {
            let orders = std::mem::take(&mut self.out.orders);
            let asks = std::mem::take(&mut self.out.asks);
            self.journal.append(&self.out.entries)?;
            self.said.entries.append(&mut self.out.entries);
            self.said.records.append(&mut self.out.records);
            let has_orders = !orders.is_empty() && self.mode != Mode::Paper;
            if has_orders || self.sync_at <= now {
                self.journal.sync()?;
                self.sync_at = now.saturating_add(SYNC_EVERY);
            }
            if !self.send(&orders, &asks, now) {
                return Ok(());
            }
        }
    }

    /// Sends orders and questions; returns whether that led to more entries.
    fn send(&mut self, orders: &[Order], asks: &[Order], now: Nanos) -> bool {
        let Execution::Gateway { trader, gateway } = &mut self.execution else { return false };
        let mut has_refused = false;
        for order in orders {
            if self.kill.is_on() {
                has_refused = true;
                let (id, why) = (order.id, Reject::NotSent);
                trader.on_answer(&Answer::Rejected { id, why, code: 0 }, now, &mut self.out);
            } else {
                gateway.place(order);
            }
        }
        for order in asks {
            gateway.ask(order);
        }
        has_refused
    }

    /// Goes by another plan from now on, which has no [obstacles](Plan::obstacles).
    pub fn retune(&mut self, plan: Plan) {
        let (thresholds, settings) = (plan.thresholds.clone(), plan.trading.settings.clone());
        self.trader_mut().retune(thresholds, settings);
        self.expiries.clone_from(&plan.expiries);
        self.plan = plan;
    }

    /// Ends all halts at `now`: a person has looked.
    ///
    /// # Errors
    /// While the kill file is there, in words; or if the journal cannot be written.
    pub fn resume(&mut self, now: Nanos) -> Result<Result<(), String>, DecisionsError> {
        if let Err(why) = self.killing.release() {
            return Ok(Err(why));
        }
        let mut out = std::mem::take(&mut self.out);
        self.trader_mut().resume(now, &mut out);
        self.out = out;
        self.flush(now)?;
        self.journal.sync().map(Ok)
    }

    /// Adopts what the venues say at `now`: a person has looked. The kill switch stays as it is.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn adopt(&mut self, now: Nanos) -> Result<(), DecisionsError> {
        let mut out = std::mem::take(&mut self.out);
        self.trader_mut().adopt(now, &mut out);
        self.out = out;
        self.look_at_switch(now);
        self.flush(now)?;
        self.journal.sync()
    }

    /// Sends nothing any more.
    pub fn stop_sending(&mut self) {
        self.trader_mut().stop_sending();
    }

    /// Returns whether orders are in flight at venues.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.mode != Mode::Paper && !self.trader().desk().orders().is_empty()
    }

    /// Ends the run at `now`: opportunities close; what is still in flight is asked for by the next run.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn stop(&mut self, now: Nanos) -> Result<(), DecisionsError> {
        match &mut self.execution {
            Execution::Paper(both) => both.stop(now.max(self.last_ts), &mut self.out),
            Execution::Gateway { trader, .. } => {
                trader.stop_sending();
                trader.stop(now, &mut self.out);
            }
        }
        self.flush(now)?;
        self.journal.sync()
    }

    /// Returns what happened since the last call.
    pub fn take_said(&mut self) -> Said {
        std::mem::take(&mut self.said)
    }

    /// Returns the trader.
    #[must_use]
    pub fn trader(&self) -> &Trader {
        match &self.execution {
            Execution::Paper(both) => &both.trader,
            Execution::Gateway { trader, .. } => trader,
        }
    }

    fn trader_mut(&mut self) -> &mut Trader {
        match &mut self.execution {
            Execution::Paper(both) => &mut both.trader,
            Execution::Gateway { trader, .. } => trader,
        }
    }

    /// Returns what it goes by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns whether orders are real.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the journal.
    #[must_use]
    pub fn journal(&self) -> &Decisions {
        &self.journal
    }

    /// Returns the kill switch.
    #[must_use]
    pub fn kill(&self) -> &KillSwitch {
        &self.kill
    }

    /// Returns the time of the last record, ns since 1970 UTC; 0 before the first.
    #[must_use]
    pub fn last_ts(&self) -> Nanos {
        self.last_ts
    }

    /// Returns whether the client is in step with the server.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.is_in_step
    }

    /// Returns whether it goes by approved pairs, and none is left that has not expired.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.expiries.as_ref().is_some_and(Expiries::is_over)
    }

    /// Returns why spreads above their thresholds were not acted on, by pair.
    #[must_use]
    pub fn why_by_pair(&self) -> &BTreeMap<Pair, BTreeMap<Why, u64>> {
        &self.why_by_pair
    }

    /// Returns the age of what was last decided on by our clock, ns, and the highest so far.
    #[must_use]
    pub fn acted_age(&self) -> [Nanos; 2] {
        self.acted_age
    }
}

/// Notes what an answer says of a venue's trades.
fn note(answer: &Answer, now: Nanos, all: &mut [Seen]) {
    if let Answer::Connection { venue, .. } = answer {
        let seen = &mut all[venue.index()];
        (seen.is_live, seen.is_asked, seen.ask_at) = (false, false, now);
    }
    if let Answer::Reconciled { venue } = answer {
        let seen = &mut all[venue.index()];
        (seen.is_live, seen.is_asked) = (true, false);
        seen.ask_at = now.saturating_add(ASK_AGAIN);
    }
}
