//! The order side of one venue: its connections, its matching, and its scripted faults.
//!
//! A desk is pure. Connections are numbers that the caller chooses, times are ns since 1970 UTC and are
//! handed in, and what is to be sent comes out of [`Desk::poll`] when it is due. A request goes through
//! the venue's gateway, which says what it asks for; the desk carries that out and sends the answer and then
//! the messages about what happened, unless a fault treats them differently.

use std::collections::{BTreeMap, HashMap};

use crate::duration::nanos;
use crate::error::SimError;
use crate::orders::account::{Account, Balance};
use crate::orders::amount::Amount;
use crate::orders::faults::{Armed, Operation, OrderFaultKind};
use crate::orders::gateway::{Command, Context, Done, Gateway, Guard, Session, Step, Ticket};
use crate::orders::gateways;
use crate::orders::keys::ApiKey;
use crate::orders::limits::Limits;
use crate::orders::matching::{Matching, Named};
use crate::orders::options::OrdersOptions;
use crate::orders::order::{Cause, Event, NewOrder, Order, Refusal, Status, Tradable};
use crate::rest::{Request, Response, RestInstrument};
use crate::venue::Texts;
use crate::venues;

/// Time without a guarding connection after which orders are cancelled, if the client sets none.
const GUARD_WINDOW_NS: u64 = 10_000_000_000;

/// Something that a desk wants to do to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a text.
    Send {
        /// The connection.
        connection: usize,
        /// The text.
        text: String,
    },
    /// End the connection by a TCP reset.
    Reset {
        /// The connection.
        connection: usize,
    },
}

/// Counters of a desk since they were last taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeskCounts {
    /// Requests about orders that were signed and well-formed.
    pub orders: u64,
    /// Trades.
    pub fills: u64,
    /// Requests that were refused.
    pub errors: u64,
    /// Heartbeats answered.
    pub heartbeats: u64,
    /// Scripted faults that happened.
    pub faults: u64,
}

/// What faults do to a request and its order.
#[derive(Debug, Clone, Default)]
struct Treatment {
    late_ns: u64,
    late_fills_ns: u64,
    doubles_ack: bool,
    doubles_fills: bool,
    fills_first: bool,
    fills_after_cancel: bool,
    filled_twice: bool,
    is_silent: bool,
    is_lost: bool,
    disconnects: bool,
    refusal: Option<Refusal>,
}

/// The order side of one venue.
#[derive(Debug)]
pub struct Desk {
    gateway: &'static dyn Gateway,
    matching: Matching,
    keys: Vec<ApiKey>,
    limits: Limits,
    guard: Guard,
    armed: Vec<Armed>,
    sessions: BTreeMap<usize, Session>,
    /// What is to be sent, by time and then in the order in which it was decided.
    outbox: BTreeMap<(u64, u64), Outgoing>,
    decided: u64,
    /// Number of requests so far, by operation.
    asked: HashMap<Operation, u64>,
    /// Orders whose later messages a fault treats differently.
    marked: HashMap<u64, Treatment>,
    /// When the source began to play.
    begun_ns: Option<u64>,
    counts: DeskCounts,
}

impl Desk {
    /// Opens the order side of a venue with these instruments: canonical names, and the numbers of
    /// digits after the point of their prices and sizes.
    ///
    /// # Errors
    ///
    /// If the venue takes no orders, or an option makes no sense.
    pub fn new(
        venue: &str,
        options: &OrdersOptions,
        instruments: &[(&str, usize, usize)],
    ) -> Result<Desk, SimError> {
        options.check()?;
        let row = |(index, (name, price_places, size_places)): (usize, &(&str, usize, usize))| {
            let symbol = venues::venue_symbol(venue, name).unwrap_or_default();
            RestInstrument::of(name, &symbol, (*price_places, *size_places)).numbered(index)
        };
        let rows: Vec<RestInstrument> = instruments.iter().enumerate().map(row).collect();
        Desk::listing(venue, options, &rows).ok_or_else(|| {
            SimError::Option(format!("venue {venue:?} takes no orders in this simulator"))
        })
    }

    /// Opens the order side of a venue with the instruments of its list. Returns `None` if it takes no
    /// orders.
    pub(crate) fn listing(
        venue: &str,
        options: &OrdersOptions,
        rows: &[RestInstrument],
    ) -> Option<Desk> {
        let gateway = gateways::by_venue(venue)?;
        let rules = gateway.rules(options.maker_fee, options.taker_fee);
        let tradable = |row| Tradable::of(row, rules.has_min_notional);
        let tradables: Vec<Tradable> = rows.iter().map(tradable).collect();
        let assets = tradables.iter().flat_map(|it| [it.base.clone(), it.quote.clone()]);
        let mut balances: BTreeMap<String, Amount> =
            assets.map(|asset| (asset, options.default_balance)).collect();
        let here = |named: &str| named == venue;
        let starting = options.balances.iter();
        let starting = starting.filter(|it| it.venue.as_deref().is_none_or(here));
        balances.extend(starting.map(|it| (it.asset.clone(), it.amount)));
        Some(Desk {
            gateway,
            matching: Matching::new(rules, tradables, Account::new(balances)),
            keys: options.keys.iter().filter(|key| here(&key.venue)).cloned().collect(),
            limits: Limits::default(),
            guard: Guard { window_ns: GUARD_WINDOW_NS, deadline_ns: None },
            armed: options.faults.iter().filter(|it| here(&it.venue)).map(Armed::new).collect(),
            sessions: BTreeMap::new(),
            outbox: BTreeMap::new(),
            decided: 0,
            asked: HashMap::new(),
            marked: HashMap::new(),
            begun_ns: None,
            counts: DeskCounts::default(),
        })
    }

    /// Starts the clock of the faults that happen at a time. Later calls change nothing.
    pub fn begin(&mut self, now_ns: u64) {
        self.begun_ns.get_or_insert(now_ns);
    }

    /// Returns whether a path is one of the venue's WebSockets for orders.
    #[must_use]
    pub fn has_path(&self, path: &str) -> bool {
        self.gateway.paths().contains(&path)
    }

    /// Opens a connection on `path?query`. `id` is the venue's id of it.
    pub fn connect(&mut self, connection: usize, id: &str, path: &str, query: &str, now_ns: u64) {
        let session = Session {
            id: id.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            connected_ns: now_ns,
            ..Session::default()
        };
        self.sessions.insert(connection, session);
    }

    /// Notes that a connection has ended. What was to be sent to it is forgotten.
    pub fn disconnect(&mut self, connection: usize, now_ns: u64) {
        let Some(gone) = self.sessions.remove(&connection) else { return };
        self.outbox.retain(|_, it| {
            let (Outgoing::Send { connection: to, .. } | Outgoing::Reset { connection: to }) = it;
            *to != connection
        });
        let guards = |session: &Session| self.gateway.is_guard(session);
        if guards(&gone) && !self.sessions.values().any(guards) {
            self.guard.deadline_ns = Some(now_ns.saturating_add(self.guard.window_ns));
        }
    }

    /// Answers one text message of a connection.
    pub fn on_text(&mut self, connection: usize, text: &str, now_ns: u64) {
        let Some(mut session) = self.sessions.remove(&connection) else { return };
        let gateway = self.gateway;
        let step = gateway.on_text(text, &mut session, &mut self.context(now_ns));
        self.sessions.insert(connection, session);
        match step {
            Step::Say(reply) => self.send(connection, reply, now_ns),
            Step::SayAll(replies) => {
                replies.into_iter().for_each(|reply| self.send(connection, reply, now_ns));
            }
            Step::Fail(reply) => {
                self.counts.errors += 1;
                self.send(connection, reply, now_ns);
            }
            Step::Beat(reply) => {
                self.counts.heartbeats += 1;
                self.send(connection, reply, now_ns);
            }
            Step::Do(asked) => self.execute(connection, &asked.0, &asked.1, now_ns),
        }
    }

    /// Answers a REST request for `path?query`, as its status and its body. Returns `None` if there is no
    /// such path.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
        now_ns: u64,
    ) -> Option<(u16, String)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |(name, value): &(&str, &str)| (name.to_lowercase(), (*value).to_owned());
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(header).collect(),
            body: body.to_owned(),
        };
        self.rest(&request, now_ns).map(|response| (response.status, response.body))
    }

    /// Answers a REST request, or returns `None` if there is no such path.
    pub(crate) fn rest(&mut self, request: &Request, now_ns: u64) -> Option<Response> {
        let gateway = self.gateway;
        gateway.rest(request, &mut self.context(now_ns))
    }

    /// Takes a quote of an instrument, which `name` gives as `BASE/QUOTE`. What is no number is a side
    /// that is not there.
    pub fn on_quote(&mut self, name: &str, texts: &Texts, now_ns: u64) {
        let Some(instrument) = self.matching.instrument(|it| it.name == name) else { return };
        let numbers = [&texts.bid, &texts.bid_qty, &texts.ask, &texts.ask_qty];
        let quote = numbers.map(|text| Amount::parse(text).unwrap_or_default());
        let events = self.matching.quote(instrument, quote, now_ns);
        self.tell(events, &Treatment::default(), now_ns);
    }

    /// Does what is due by now: scripted changes of the account, and cancels for a client that is gone.
    pub fn tick(&mut self, now_ns: u64) {
        if let Some(begun_ns) = self.begun_ns {
            let elapsed_ns = now_ns.saturating_sub(begun_ns);
            while let Some(kind) = self.armed.iter_mut().find_map(|it| it.at_time(elapsed_ns)) {
                self.counts.faults += 1;
                self.strike_account(&kind, now_ns);
            }
        }
        if self.guard.deadline_ns.is_some_and(|deadline_ns| deadline_ns <= now_ns) {
            self.guard.deadline_ns = None;
            let open: Vec<u64> = self.matching.open_orders().map(|it| it.id).collect();
            for id in open {
                let cancelled = self.matching.cancel(id, None, Cause::Disconnect, now_ns);
                self.tell(cancelled.unwrap_or_default(), &Treatment::default(), now_ns);
            }
        }
    }

    /// Returns the next thing that is due, if anything is. Things that are due at the same time come in
    /// the order in which they were decided. A connection that is reset counts as ended.
    pub fn poll(&mut self, now_ns: u64) -> Option<Outgoing> {
        let entry = self.outbox.first_entry().filter(|entry| entry.key().0 <= now_ns)?;
        let outgoing = entry.remove();
        if let Outgoing::Reset { connection } = outgoing {
            self.disconnect(connection, now_ns);
        }
        Some(outgoing)
    }

    /// Returns when [`poll`](Self::poll) or [`tick`](Self::tick) has something to do next, if that is
    /// known. Faults that happen at a time are not counted.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        let sending = self.outbox.first_key_value().map(|((due_ns, _), _)| *due_ns);
        sending.into_iter().chain(self.guard.deadline_ns).min()
    }

    /// Returns the balance of an asset, as the venue has it.
    #[must_use]
    pub fn balance(&self, asset: &str) -> Balance {
        self.matching.account().balance(asset)
    }

    /// Returns the number of open orders.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.matching.open_orders().count()
    }

    /// Returns the counters since the last call.
    pub fn take_counts(&mut self) -> DeskCounts {
        std::mem::take(&mut self.counts)
    }

    fn context(&mut self, now_ns: u64) -> Context<'_> {
        Context {
            matching: &self.matching,
            keys: &self.keys,
            limits: &mut self.limits,
            guard: &mut self.guard,
            now_ns,
        }
    }

    /// Carries out a command, and sends the answer and the messages about it as the faults want it.
    fn execute(&mut self, connection: usize, command: &Command, ticket: &Ticket, now_ns: u64) {
        self.counts.orders += 1;
        let (treatment, strikes) = self.treatment(command.operation(), now_ns);
        if !treatment.is_lost {
            let done = match &treatment.refusal {
                Some(refusal) => Err(refusal.clone()),
                None => self.carry_out(command, &treatment, now_ns),
            };
            self.report(connection, ticket, done, &treatment, now_ns);
        }
        for kind in strikes {
            self.strike_account(&kind, now_ns);
        }
    }

    /// Returns what the faults of this request do to it, and those that happen to the account with it.
    fn treatment(&mut self, operation: Operation, now_ns: u64) -> (Treatment, Vec<OrderFaultKind>) {
        let count = self.asked.entry(operation).or_default();
        *count += 1;
        let (count, elapsed_ns) = (*count, self.begun_ns.map(|begun| now_ns.saturating_sub(begun)));
        let kinds = self.armed.iter_mut();
        let kinds: Vec<OrderFaultKind> =
            kinds.filter_map(|it| it.at_request(operation, count, elapsed_ns)).collect();
        let mut treatment = Treatment::default();
        self.counts.faults += kinds.len() as u64;
        let strikes = kinds.into_iter().filter(|kind| !treatment.add(kind, now_ns)).collect();
        (treatment, strikes)
    }

    fn carry_out(
        &mut self,
        command: &Command,
        treatment: &Treatment,
        now_ns: u64,
    ) -> Result<(Done, Vec<Event>), Refusal> {
        match command {
            Command::Place(new) => self.place(new, treatment, now_ns),
            Command::Cancel { named, client_id } => {
                self.cancel(named, client_id.as_deref(), now_ns)
            }
            Command::CancelAll { instrument } => self.cancel_all(*instrument, now_ns),
            Command::Amend { named, change } => {
                let id = self.matching.find(named).ok_or(Refusal::UnknownOrder)?.id;
                let events = self.matching.amend(id, change, now_ns)?;
                Ok((Done::Amended(self.order(id)?), events))
            }
        }
    }

    fn place(
        &mut self,
        new: &NewOrder,
        treatment: &Treatment,
        now_ns: u64,
    ) -> Result<(Done, Vec<Event>), Refusal> {
        let (id, events) = self.matching.place(new, now_ns)?;
        if treatment.lasts() {
            self.marked.insert(id, treatment.clone());
        }
        let trades = events.iter().filter_map(|event| match event {
            Event::Traded(_, trade) => Some(trade.clone()),
            Event::New(_)
            | Event::Cancelled(_)
            | Event::Expired(_)
            | Event::Amended(_)
            | Event::CancelFailed(..)
            | Event::Balances(_) => None,
        });
        Ok((Done::Placed(self.order(id)?, trades.collect()), events))
    }

    fn cancel(
        &mut self,
        named: &Named,
        client_id: Option<&str>,
        now_ns: u64,
    ) -> Result<(Done, Vec<Event>), Refusal> {
        let order = self.matching.find(named).ok_or(Refusal::UnknownOrder)?.clone();
        let is_contradicted = self.marked.get(&order.id).is_some_and(|it| it.fills_after_cancel);
        if is_contradicted && order.status.is_open() {
            let said = Order {
                status: Status::Cancelled,
                cause: Some(Cause::User),
                updated_ns: now_ns,
                former_client_id: order.client_id.clone(),
                ..order.clone()
            };
            return Ok((Done::Cancelled(vec![said]), self.matching.fill_rest(order.id, now_ns)?));
        }
        let events = self.matching.cancel(order.id, client_id, Cause::User, now_ns)?;
        Ok((Done::Cancelled(vec![self.order(order.id)?]), events))
    }

    fn cancel_all(
        &mut self,
        instrument: usize,
        now_ns: u64,
    ) -> Result<(Done, Vec<Event>), Refusal> {
        let open = self.matching.open_orders().filter(|it| it.instrument == instrument);
        let open: Vec<u64> = open.map(|it| it.id).collect();
        if open.is_empty() {
            return Err(Refusal::UnknownOrder);
        }
        let (mut orders, mut events) = (Vec::new(), Vec::new());
        for id in open {
            events.extend(self.matching.cancel(id, None, Cause::User, now_ns)?);
            orders.push(self.order(id)?);
        }
        Ok((Done::Cancelled(orders), events))
    }

    fn order(&self, id: u64) -> Result<Order, Refusal> {
        self.matching.find(&Named::ById(id)).cloned().ok_or(Refusal::UnknownOrder)
    }

    /// Sends the answer to a command and the messages about it.
    fn report(
        &mut self,
        connection: usize,
        ticket: &Ticket,
        done: Result<(Done, Vec<Event>), Refusal>,
        treatment: &Treatment,
        now_ns: u64,
    ) {
        let out_ns = now_ns.saturating_add(treatment.late_ns);
        let (done, events) = match done {
            Ok((done, events)) => (Ok(done), events),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        self.counts.errors += u64::from(done.is_err());
        let answer = self.gateway.answer(ticket, &done, out_ns);
        if treatment.disconnects {
            self.decide(now_ns, Outgoing::Reset { connection });
        }
        if treatment.fills_first {
            self.tell(events, treatment, out_ns);
            self.acknowledge(connection, &answer, treatment, out_ns);
        } else {
            self.acknowledge(connection, &answer, treatment, out_ns);
            self.tell(events, treatment, out_ns);
        }
    }

    fn acknowledge(&mut self, connection: usize, answer: &str, treatment: &Treatment, out_ns: u64) {
        let times = match (treatment.is_silent || treatment.disconnects, treatment.doubles_ack) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..times {
            self.send(connection, answer.to_owned(), out_ns);
        }
    }

    /// Sends the messages about events to the sessions that have subscribed them.
    fn tell(&mut self, events: Vec<Event>, treatment: &Treatment, out_ns: u64) {
        for event in events {
            self.counts.fills += u64::from(matches!(event, Event::Traded(..)));
            if treatment.is_silent {
                continue;
            }
            let marked = event.order_id().and_then(|id| self.marked.get(&id)).cloned();
            let own = marked.unwrap_or_default();
            let late_ns = if event.is_trade() { own.late_fills_ns } else { 0 };
            let again = event.is_trade() && own.doubles_fills;
            let out_ns = out_ns.saturating_add(late_ns);
            self.push(&event, out_ns);
            if again {
                self.push(&event, out_ns);
            }
            if let Event::Traded(order, trade) = event
                && own.filled_twice
                && order.status == Status::Filled
            {
                self.push(&Event::CancelFailed(order, trade), out_ns);
            }
        }
    }

    fn push(&mut self, event: &Event, out_ns: u64) {
        let gateway = self.gateway;
        let texts: Vec<(usize, String)> = self
            .sessions
            .iter()
            .flat_map(|(connection, session)| {
                let texts = gateway.push(event, session, out_ns);
                texts.into_iter().map(|text| (*connection, text))
            })
            .collect();
        for (connection, text) in texts {
            self.send(connection, text, out_ns);
        }
    }

    fn strike_account(&mut self, kind: &OrderFaultKind, now_ns: u64) {
        match kind {
            OrderFaultKind::Balance { asset, difference } => {
                self.matching.adjust(asset, *difference);
            }
            OrderFaultKind::Forced { forced, symbol, side, size } => {
                let instrument = self.matching.instrument(|it| it.symbol == *symbol);
                let Some(instrument) = instrument else { return };
                let events = self.matching.force(instrument, *side, *size, *forced, now_ns);
                self.tell(events, &Treatment::default(), now_ns);
            }
            OrderFaultKind::Late(_)
            | OrderFaultKind::LateFills(_)
            | OrderFaultKind::DoubleAck
            | OrderFaultKind::DoubleFills
            | OrderFaultKind::FillsFirst
            | OrderFaultKind::FillAfterCancel
            | OrderFaultKind::FilledTwice
            | OrderFaultKind::Silent
            | OrderFaultKind::Lost
            | OrderFaultKind::Reject { .. }
            | OrderFaultKind::RateLimit(_)
            | OrderFaultKind::Disconnect => {}
        }
    }

    fn send(&mut self, connection: usize, text: String, due_ns: u64) {
        self.decide(due_ns, Outgoing::Send { connection, text });
    }

    fn decide(&mut self, due_ns: u64, outgoing: Outgoing) {
        self.decided += 1;
        self.outbox.insert((due_ns, self.decided), outgoing);
    }
}

impl Treatment {
    /// Adds a fault of a request. Returns false if it is a fault of the account.
    fn add(&mut self, kind: &OrderFaultKind, now_ns: u64) -> bool {
        match kind {
            OrderFaultKind::Late(time) => self.late_ns += nanos(*time),
            OrderFaultKind::LateFills(time) => self.late_fills_ns += nanos(*time),
            OrderFaultKind::DoubleAck => self.doubles_ack = true,
            OrderFaultKind::DoubleFills => self.doubles_fills = true,
            OrderFaultKind::FillsFirst => self.fills_first = true,
            OrderFaultKind::FillAfterCancel => self.fills_after_cancel = true,
            OrderFaultKind::FilledTwice => self.filled_twice = true,
            OrderFaultKind::Silent => self.is_silent = true,
            OrderFaultKind::Lost => self.is_lost = true,
            OrderFaultKind::Disconnect => self.disconnects = true,
            OrderFaultKind::Reject { code, message } => {
                self.refusal = Some(Refusal::Scripted { code: *code, message: message.clone() });
            }
            OrderFaultKind::RateLimit(time) => {
                let until_ns = now_ns.saturating_add(nanos(*time));
                self.refusal = Some(Refusal::RateLimited { until_ns });
            }
            OrderFaultKind::Balance { .. } | OrderFaultKind::Forced { .. } => return false,
        }
        true
    }

    /// Returns whether it concerns later messages about the order.
    fn lasts(&self) -> bool {
        self.doubles_fills || self.fills_after_cancel || self.filled_twice || 0 < self.late_fills_ns
    }
}
