//! A session with a venue: connections, what was asked and not yet answered, deadlines.
//!
//! The transport makes connections and requests, and hands over what happens as [`Incoming`], with the
//! time. What is to be sent comes from [`Session::outgoing`] and is sent at once. The rules:
//!
//! - An order is sent once. What is queued for a connection that was lost is not sent on the next one.
//! - An order that was handed out and not answered in time, or whose connection was lost, is unknown.
//! - A question is asked again when its connection is back. "No such order" counts only if it was asked
//!   after the last moment at which the order could have reached the books.
//! - After "too many requests" nothing is sent until the venue's time for it has passed.
//! - Only own orders are cancelled, one by one.

use crate::orders::Orders;
use crate::protocol::{
    Call, Composed, Endpoints, Fact, Inquiry, Line, Malformed, Message, Protocol, Request,
    VenueTime,
};
use crate::trades::Trades;
use serde_json::Value;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{Answer, AssetName, ClientId, Ended, Order, Reject, VenueText};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How long a step of opening a connection may take.
const STEP_TIMEOUT: Nanos = 10 * SECOND;
/// After how long without a message a ping is sent.
const IDLE: Nanos = 15 * SECOND;
/// After how long without a message a connection is given up.
const DEAD: Nanos = 25 * SECOND;
/// How long nothing is sent after "too many requests", if the venue does not say.
const LIMIT_PAUSE: Nanos = 5 * SECOND;
/// Longest ban that is believed: Binance bans for 3 days at most.
const LIMIT_MAX: Nanos = 3 * 86_400 * SECOND;
/// After how long a part of a reconciliation that failed is asked for again.
const RETRY: Nanos = SECOND;
/// How often the venue is told that we are there, where it cancels orders otherwise.
const GUARD_INTERVAL: Nanos = 10 * SECOND;

/// Times that a session is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long an order may be without an end before it is unknown, ns.
    pub answer_timeout: Nanos,
    /// How long a question may be without an answer, ns.
    pub question_timeout: Nanos,
    /// How long after its window an order that the venue has begun with may still reach the books, ns.
    pub margin: Nanos,
    /// What to add to our clock to have the venue's, ns; `None` to measure it at each connection.
    pub clock_offset: Option<i64>,
    /// Whether the venue shall cancel own orders when it does not hear of us, where it can do so
    /// without touching those of others.
    pub cancel_on_disconnect: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            answer_timeout: 3 * SECOND,
            question_timeout: 10 * SECOND,
            margin: 10 * SECOND,
            clock_offset: None,
            cancel_on_disconnect: true,
        }
    }
}

/// What the transport has to do. Numbers are never used twice.
#[derive(Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a text frame.
    Text {
        /// On which connection.
        line: Line,
        /// Number for [`Incoming::NotSent`].
        number: u64,
        /// The frame. It may hold a passphrase: it is not logged.
        text: String,
    },
    /// Make a request.
    Http {
        /// Number for the answer.
        number: u64,
        /// The request.
        request: Request,
    },
    /// Close a connection. [`Incoming::Lost`] need not be told; a new connection may be made.
    Close {
        /// Which one.
        line: Line,
    },
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outgoing::Text { line, number, text } => {
                write!(f, "Text({line:?}, {number}, {} bytes)", text.len())
            }
            Outgoing::Http { number, request } => write!(f, "Http({number}, {request:?})"),
            Outgoing::Close { line } => write!(f, "Close({line:?})"),
        }
    }
}

/// What happened at the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A connection is open.
    Opened(Line),
    /// A text frame came.
    Text(Line, &'a str),
    /// A connection is gone. What was handed out for it and not written was told before, as
    /// [`NotSent`](Incoming::NotSent).
    Lost(Line),
    /// Not a single byte of this left.
    NotSent(u64),
    /// A request was answered.
    Http {
        /// The request's number.
        number: u64,
        /// HTTP status.
        status: u16,
        /// Body.
        body: &'a str,
    },
    /// A request got no answer.
    Failed(u64),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages about an order of ours that could not be read, so that the order became unknown.
    pub doubtful: u64,
    /// Messages about orders or markets of others.
    pub foreign: u64,
    /// Trades that were told again.
    pub doubled_trades: u64,
    /// Messages that said again what was known of an order.
    pub repeated: u64,
    /// Messages that contradicted what was known of an order.
    pub contradictions: u64,
    /// Answers to nothing that was asked.
    pub unasked: u64,
    /// Orders that were to be placed a second time, and were not.
    pub placed_twice: u64,
    /// Times that the venue said "too many requests".
    pub limited: u64,
    /// Calls that failed: cancels, changes, questions.
    pub failed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    /// The venue's time is being asked for.
    Clock,
    Step(usize),
    Ready,
}

#[derive(Debug)]
struct Connection {
    line: Line,
    phase: Phase,
    heard: Nanos,
    is_pinged: bool,
}

#[derive(Debug)]
struct Pending {
    call: Call,
    tag: String,
    /// The connection that it left on; `None` for a request.
    line: Option<Line>,
    sent: Nanos,
    deadline: Nanos,
}

/// What became of an order is being asked for.
#[derive(Debug)]
struct Question {
    order: Order,
    deadline: Nanos,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be asked, among old orders if `true`.
    Waiting(bool),
    Asked,
    /// The end is known, and its trades are to be asked for.
    Short(Option<VenueText>, Ended, i64),
    /// They were asked for.
    Trades(Ended, i64),
}

/// A part of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    Inquire(Inquiry),
    /// Wait until the cancels were answered.
    Cancels,
    /// Say that it is complete.
    Complete,
}

/// A session with a venue.
#[derive(Debug)]
pub struct Session {
    protocol: Box<dyn Protocol>,
    options: Options,
    venue: VenueId,
    started: Nanos,
    clock_offset: i64,
    connections: Vec<Connection>,
    outgoing: VecDeque<Outgoing>,
    pending: BTreeMap<u64, Pending>,
    tags: HashMap<String, u64>,
    number: u64,
    orders: Orders,
    trades: Trades,
    questions: BTreeMap<ClientId, Question>,
    jobs: VecDeque<Job>,
    /// The call that the first job waits for.
    job_call: Option<u64>,
    job_retry: Nanos,
    page: Option<String>,
    /// Cancels of a reconciliation that were not answered yet.
    cancels: BTreeSet<u64>,
    /// Whether own open orders were found: they are looked for again.
    were_open: bool,
    assets_told: BTreeSet<AssetName>,
    reconciling_since: Option<Nanos>,
    blocked_until: Nanos,
    guard_at: Option<Nanos>,
    answers: Vec<Answer>,
    counts: Counts,
}

impl Session {
    /// Starts a session. `used_up_to` is the highest number of an order that an earlier process may have
    /// placed: nothing up to it is placed.
    #[must_use]
    pub fn new(
        protocol: Box<dyn Protocol>,
        options: Options,
        used_up_to: Option<ClientId>,
        now: Nanos,
    ) -> Session {
        let connection =
            |line| Connection { line, phase: Phase::Down, heard: now, is_pinged: false };
        let connections = protocol.endpoints().lines.iter().map(|(line, _)| connection(*line));
        let mut orders = Orders::default();
        if let Some(id) = used_up_to {
            orders.used_up_to(id);
        }
        Session {
            options,
            venue: protocol.account().venue,
            started: now,
            clock_offset: options.clock_offset.unwrap_or_default(),
            connections: connections.collect(),
            outgoing: VecDeque::new(),
            pending: BTreeMap::new(),
            tags: HashMap::new(),
            number: 0,
            orders,
            trades: Trades::default(),
            questions: BTreeMap::new(),
            jobs: VecDeque::new(),
            job_call: None,
            job_retry: 0,
            page: None,
            cancels: BTreeSet::new(),
            were_open: false,
            assets_told: BTreeSet::new(),
            reconciling_since: None,
            blocked_until: 0,
            guard_at: None,
            answers: Vec::new(),
            counts: Counts::default(),
            protocol,
        }
    }

    /// Returns the venue.
    #[must_use]
    pub fn venue(&self) -> VenueId {
        self.venue
    }

    /// Returns where the venue is reached.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.protocol.endpoints()
    }

    /// Returns whether orders can be placed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.connections.iter().all(|it| it.phase == Phase::Ready)
    }

    /// Returns until when nothing may be sent; a time that has passed if everything may.
    #[must_use]
    pub fn limited_until(&self) -> Nanos {
        self.blocked_until
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            repeated: self.orders.repeated,
            contradictions: self.orders.contradictions,
            ..self.counts
        }
    }

    /// Returns the next thing to do, in order.
    pub fn outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Moves what was heard to `answers`.
    pub fn answers(&mut self, answers: &mut Vec<Answer>) {
        answers.append(&mut self.answers);
    }

    /// Places an order, once.
    pub fn place(&mut self, now: Nanos, order: &Order) {
        let deadline = now + self.options.answer_timeout;
        if !self.orders.begin(order, deadline, now + self.window()) {
            self.counts.placed_twice += 1;
            return self.orders.doubt(order.id, &mut self.answers);
        }
        let why = if !self.is_up() {
            Some(Reject::NotSent)
        } else if now < self.blocked_until || self.orders.is_full() {
            Some(Reject::RateLimit)
        } else {
            let tag = self.protocol.account().text(order.id);
            let is_sent = self.call(now, Call::Place(*order), None, tag).is_some();
            (!is_sent).then_some(Reject::Filter)
        };
        if let Some(why) = why {
            self.orders.rejected(order.id, why, 0, &mut self.answers);
        }
    }

    /// Asks the venue to cancel an order. Nothing is said if that cannot be asked now.
    pub fn cancel(&mut self, now: Nanos, order: &Order) {
        self.send_if_up(now, Call::Cancel(order.instrument, order.id));
    }

    /// Asks the venue to reduce an order. Nothing is said if that cannot be asked now.
    pub fn amend(&mut self, now: Nanos, order: &Order, sz: i64) {
        self.send_if_up(now, Call::Amend(*order, sz));
    }

    /// Asks what became of an order. The answer is its trades and its end, or that it is unknown.
    pub fn ask(&mut self, now: Nanos, order: &Order) {
        let deadline = now + self.options.question_timeout;
        let question = Question { order: *order, deadline, stage: Stage::Waiting(false) };
        self.questions.entry(order.id).or_insert(question);
        self.go_on(now);
    }

    /// Cancels own open orders, asks for trades since a time and for all balances, and then says
    /// [`Reconciled`](Answer::Reconciled). Goes on until it has succeeded.
    pub fn reconcile(&mut self, now: Nanos, since: Nanos) {
        let since = self.reconciling_since.map_or(since, |running| running.min(since));
        self.reconciling_since = Some(since);
        self.jobs.clear();
        self.drop_job_call();
        self.jobs.extend([Job::Inquire(Inquiry::OpenOrders), Job::Cancels]);
        self.jobs.extend(self.protocol.inquiries(since).into_iter().map(Job::Inquire));
        self.jobs.push_back(Job::Complete);
        self.assets_told.clear();
        self.go_on(now);
    }

    /// Takes what happened at the transport.
    pub fn incoming(&mut self, now: Nanos, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Opened(line) => self.opened(now, line),
            Incoming::Text(line, text) => self.text(now, line, text),
            Incoming::Lost(line) => self.lost(now, line),
            Incoming::NotSent(number) => self.not_sent(number),
            Incoming::Http { number, status, body } => self.http(now, number, status, body),
            Incoming::Failed(number) => {
                if let Some(pending) = self.take(number) {
                    self.unanswered(now, number, &pending);
                }
            }
        }
        self.go_on(now);
    }

    /// Does what is due at a time.
    pub fn on_time(&mut self, now: Nanos) {
        let is_due = |(number, it): (&u64, &Pending)| (it.deadline <= now).then_some(*number);
        let due: Vec<u64> = self.pending.iter().filter_map(is_due).collect();
        for number in due {
            if let Some(pending) = self.take(number) {
                self.unanswered(now, number, &pending);
            }
        }
        self.orders.on_time(now, &mut self.answers);
        let is_late = |(id, it): (&ClientId, &Question)| (it.deadline <= now).then_some(*id);
        let late: Vec<ClientId> = self.questions.iter().filter_map(is_late).collect();
        for id in late {
            self.give_up(id);
        }
        self.look_after_connections(now);
        self.go_on(now);
    }

    /// Returns when [`on_time`](Session::on_time) is to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let pending = self.pending.values().map(|it| it.deadline).min();
        let questions = self.questions.values().map(|it| it.deadline).min();
        let ready = self.connections.iter().filter(|it| it.phase == Phase::Ready);
        let pings = ready.map(|it| it.heard + if it.is_pinged { DEAD } else { IDLE }).min();
        let is_startable = matches!(self.jobs.front(), Some(Job::Inquire(_)))
            && self.job_call.is_none()
            && self.is_up();
        let job = is_startable.then_some(self.job_retry.max(self.blocked_until));
        let waits = |it: &Question| matches!(it.stage, Stage::Waiting(_) | Stage::Short(..));
        let is_waiting = self.questions.values().any(waits) && self.can_ask_ever();
        let question = is_waiting.then_some(self.blocked_until);
        let orders = self.orders.deadline();
        let all = [pending, orders, questions, pings, job, question, self.guard_at];
        all.into_iter().flatten().min()
    }

    // ---- calls

    fn venue_time(&self, now: Nanos) -> VenueTime {
        VenueTime(now.saturating_add_signed(self.clock_offset))
    }

    /// How long after it was sent an order may reach the books.
    fn window(&self) -> Nanos {
        self.protocol.account().recv_window * MILLI + self.options.margin
    }

    /// Queues a call. `None` if it cannot be written.
    fn call(&mut self, now: Nanos, call: Call, page: Option<&str>, tag: String) -> Option<u64> {
        let composed = self.protocol.compose(&call, &tag, page, self.venue_time(now))?;
        self.number += 1;
        let number = self.number;
        let line = match composed {
            Composed::Text(line, text) => {
                self.outgoing.push_back(Outgoing::Text { line, number, text });
                Some(line)
            }
            Composed::Http(request) => {
                self.outgoing.push_back(Outgoing::Http { number, request });
                None
            }
        };
        let timeout = match call {
            Call::Step(..) | Call::Time => STEP_TIMEOUT,
            Call::Place(_) => self.options.answer_timeout,
            Call::Ping(_)
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Status(..)
            | Call::TradesOf(..)
            | Call::Inquire(_)
            | Call::Guard => self.options.question_timeout,
        };
        self.tags.insert(tag.clone(), number);
        let pending = Pending { call, tag, line, sent: now, deadline: now + timeout };
        self.pending.insert(number, pending);
        Some(number)
    }

    fn call_plain(&mut self, now: Nanos, call: Call, page: Option<&str>) -> Option<u64> {
        // Another session that began in another millisecond has other tags.
        let tag = format!("{:x}n{}", self.started / MILLI, self.number + 1);
        self.call(now, call, page, tag)
    }

    fn send_if_up(&mut self, now: Nanos, call: Call) {
        let is_possible = self.is_up() && self.blocked_until <= now;
        if !is_possible || self.call_plain(now, call, None).is_none() {
            self.counts.failed += 1;
        }
    }

    fn take(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.tags.remove(&pending.tag);
        Some(pending)
    }

    fn can_ask_ever(&self) -> bool {
        self.protocol.endpoints().rest.is_some() || self.is_up()
    }

    fn can_ask(&self, now: Nanos) -> bool {
        self.blocked_until <= now && self.can_ask_ever()
    }

    // ---- connections

    fn connection(&mut self, line: Line) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.line == line)
    }

    fn opened(&mut self, now: Nanos, line: Line) {
        self.lost(now, line);
        let is_measured = self.options.clock_offset.is_some();
        let Some(connection) = self.connection(line) else { return };
        connection.heard = now;
        connection.is_pinged = false;
        connection.phase = Phase::Clock;
        if is_measured || self.call_plain(now, Call::Time, None).is_none() {
            self.next_steps(now);
        }
    }

    /// Starts the steps of the connections that waited for the venue's time.
    fn next_steps(&mut self, now: Nanos) {
        let waits = |it: &&Connection| it.phase == Phase::Clock;
        let lines: Vec<Line> = self.connections.iter().filter(waits).map(|it| it.line).collect();
        for line in lines {
            self.step(now, line, 0);
        }
    }

    fn step(&mut self, now: Nanos, line: Line, step: usize) {
        let is_last = self.protocol.steps(line) <= step;
        let Some(connection) = self.connection(line) else { return };
        if !is_last {
            connection.phase = Phase::Step(step);
            if self.call_plain(now, Call::Step(line, step), None).is_none() {
                self.close(now, line);
            }
            return;
        }
        connection.phase = Phase::Ready;
        if self.is_up() {
            self.answers.push(Answer::Connection { venue: self.venue, is_up: true });
            self.guard_at = self.options.cancel_on_disconnect.then_some(now);
        }
    }

    fn close(&mut self, now: Nanos, line: Line) {
        self.lost(now, line);
        self.outgoing.push_back(Outgoing::Close { line });
    }

    fn lost(&mut self, now: Nanos, line: Line) {
        let was_up = self.is_up();
        let Some(connection) = self.connection(line) else { return };
        if connection.phase == Phase::Down {
            return;
        }
        connection.phase = Phase::Down;
        // What is still in our own queue has not left.
        let queued = |it: &Outgoing| match it {
            Outgoing::Text { line: on, number, .. } => (*on == line).then_some(*number),
            Outgoing::Http { .. } | Outgoing::Close { .. } => None,
        };
        let unsent: Vec<u64> = self.outgoing.iter().filter_map(queued).collect();
        self.outgoing.retain(|it| queued(it).is_none());
        for number in unsent {
            self.not_sent(number);
        }
        let gone = |(number, it): (&u64, &Pending)| (it.line == Some(line)).then_some(*number);
        let gone: Vec<u64> = self.pending.iter().filter_map(gone).collect();
        for number in gone {
            if let Some(pending) = self.take(number) {
                self.unanswered_on_lost_line(now, number, &pending);
            }
        }
        self.orders.lost(&mut self.answers);
        if was_up {
            self.guard_at = None;
            self.answers.push(Answer::Connection { venue: self.venue, is_up: false });
        }
    }

    fn look_after_connections(&mut self, now: Nanos) {
        for at in 0..self.connections.len() {
            let Connection { line, phase, heard, is_pinged } = self.connections[at];
            if phase != Phase::Ready {
                continue;
            }
            if heard + DEAD <= now {
                self.close(now, line);
            } else if heard + IDLE <= now && !is_pinged {
                self.connections[at].is_pinged = true;
                self.call_plain(now, Call::Ping(line), None);
            }
        }
        if self.guard_at.is_some_and(|at| at <= now) {
            let is_sent = self.call_plain(now, Call::Guard, None).is_some();
            self.guard_at = is_sent.then_some(now + GUARD_INTERVAL);
        }
    }

    // ---- what comes

    fn text(&mut self, now: Nanos, line: Line, text: &str) {
        let Some(connection) = self.connection(line) else { return };
        if connection.phase == Phase::Down {
            return;
        }
        connection.heard = now;
        connection.is_pinged = false;
        match self.protocol.read(line, text) {
            Ok(Message::News(facts)) => self.apply(now, line, facts),
            Ok(Message::Reply(tag, value)) => self.replied(now, line, tag.as_deref(), &value),
            Err(Malformed) => self.counts.malformed += 1,
        }
    }

    fn replied(&mut self, now: Nanos, line: Line, tag: Option<&str>, value: &Value) {
        let number = match tag {
            Some(tag) => self.tags.get(tag).copied(),
            None => self.step_call(line),
        };
        if let Some(number) = number {
            if let Some(pending) = self.take(number) {
                self.answered(now, number, &pending, 0, value);
            }
            return;
        }
        // A late or doubled answer to an order is still heard.
        let id = tag.and_then(|tag| self.protocol.account().owner.client_id(tag));
        match id.and_then(|id| self.orders.order(id)) {
            Some(order) => self.order_answered(now, line, &order, value),
            None => self.counts.unasked += 1,
        }
    }

    /// Returns the step that a connection is at.
    fn step_call(&self, line: Line) -> Option<u64> {
        let is_step = |it: &Pending| matches!(it.call, Call::Step(on, _) if on == line);
        self.pending.iter().find(|(_, it)| is_step(it)).map(|(number, _)| *number)
    }

    fn http(&mut self, now: Nanos, number: u64, status: u16, body: &str) {
        let Some(pending) = self.take(number) else {
            self.counts.unasked += 1;
            return;
        };
        match serde_json::from_str::<Value>(body) {
            Ok(value) => self.answered(now, number, &pending, status, &value),
            Err(_) if matches!(status, 403 | 418 | 429) => {
                self.limited(now, None);
                self.unanswered(now, number, &pending);
            }
            Err(_) => {
                self.counts.malformed += 1;
                self.unanswered(now, number, &pending);
            }
        }
    }

    fn order_answered(&mut self, now: Nanos, line: Line, order: &Order, value: &Value) {
        match self.protocol.reply(&Call::Place(*order), 0, value) {
            Ok(facts) => self.apply(now, line, facts),
            Err(Malformed) => {
                self.counts.doubtful += 1;
                self.orders.doubt(order.id, &mut self.answers);
            }
        }
    }

    fn answered(&mut self, now: Nanos, number: u64, pending: &Pending, status: u16, value: &Value) {
        let line = pending.line.unwrap_or(Line::Orders);
        if let Call::Place(order) = &pending.call {
            return self.order_answered(now, line, order, value);
        }
        let Ok(facts) = self.protocol.reply(&pending.call, status, value) else {
            self.counts.malformed += 1;
            return self.unanswered(now, number, pending);
        };
        match &pending.call {
            Call::Status(order, is_old) => {
                self.status_answered(now, pending.sent, order.id, *is_old, facts);
            }
            Call::TradesOf(order, _) => self.trades_answered(now, pending, order.id, facts),
            Call::Inquire(inquiry) => self.inquiry_answered(now, number, *inquiry, facts),
            Call::Time => self.time_answered(now, pending, facts),
            Call::Step(on, step) => {
                let is_done = facts.contains(&Fact::StepDone);
                self.apply(now, *on, facts);
                if is_done {
                    self.step(now, *on, step + 1);
                } else {
                    self.close(now, *on);
                }
            }
            Call::Cancel(..) => {
                self.cancels.remove(&number);
                self.apply(now, line, facts);
            }
            Call::Ping(_) | Call::Place(_) | Call::Amend(..) | Call::Guard => {
                self.apply(now, line, facts);
            }
        }
    }

    /// A call got no answer, or none that can be read.
    fn unanswered(&mut self, now: Nanos, number: u64, pending: &Pending) {
        match &pending.call {
            Call::Step(line, _) => self.close(now, *line),
            Call::Time => self.next_steps(now),
            Call::Place(_) | Call::Ping(_) | Call::Guard => {}
            Call::Cancel(..) | Call::Amend(..) => {
                self.counts.failed += 1;
                self.cancels.remove(&number);
            }
            Call::Status(order, _) | Call::TradesOf(order, _) => self.give_up(order.id),
            Call::Inquire(_) => self.job_failed(now, number),
        }
    }

    /// A connection was lost with a call: questions are asked again on the next one.
    fn unanswered_on_lost_line(&mut self, now: Nanos, number: u64, pending: &Pending) {
        match &pending.call {
            Call::Status(order, _) | Call::TradesOf(order, _) => {
                if let Some(question) = self.questions.get_mut(&order.id) {
                    question.stage = Stage::Waiting(false);
                }
            }
            Call::Step(..) | Call::Time => {}
            Call::Place(_)
            | Call::Ping(_)
            | Call::Guard
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Inquire(_) => self.unanswered(now, number, pending),
        }
    }

    fn not_sent(&mut self, number: u64) {
        let Some(pending) = self.take(number) else { return };
        match &pending.call {
            Call::Place(order) => {
                self.orders.rejected(order.id, Reject::NotSent, 0, &mut self.answers);
            }
            _ => self.unanswered_on_lost_line(pending.sent, number, &pending),
        }
    }

    // ---- facts

    fn apply(&mut self, now: Nanos, line: Line, facts: Vec<Fact>) {
        let mut is_terminated = false;
        for fact in facts {
            is_terminated |= fact == Fact::Terminated;
            self.note(now, fact);
        }
        if is_terminated {
            self.close(now, line);
        }
    }

    fn note(&mut self, now: Nanos, fact: Fact) {
        let deadline = now + self.options.answer_timeout;
        match fact {
            Fact::Acked(id, venue_order, latency) => {
                self.orders.acked(id, venue_order, latency, &mut self.answers);
            }
            Fact::Rejected(id, why, code) => {
                self.orders.rejected(id, why, code, &mut self.answers);
            }
            Fact::Doubtful(id) => {
                self.counts.doubtful += 1;
                self.orders.doubt(id, &mut self.answers);
            }
            Fact::State(id, _, Some(end)) => {
                self.orders.ended(id, end, deadline, &mut self.answers);
            }
            Fact::Trade(fill) if self.trades.is_new(&fill) => {
                self.orders.traded(fill, &mut self.answers);
            }
            Fact::Trade(_) => self.counts.doubled_trades += 1,
            Fact::Unlisted(since) => {
                self.jobs.push_back(Job::Inquire(Inquiry::TradesSince(None, since)));
            }
            Fact::Open(instrument, id) => {
                let call = self.call_plain(now, Call::Cancel(instrument, id), None);
                self.cancels.extend(call);
                self.were_open = true;
            }
            Fact::Balance(asset, total) => {
                self.assets_told.insert(asset);
                self.answers.push(Answer::Balance { venue: self.venue, asset, total });
            }
            Fact::RateLimited(until) => self.limited(now, until),
            Fact::ClockOff => {
                if self.options.clock_offset.is_none() {
                    self.call_plain(now, Call::Time, None);
                }
            }
            Fact::Failed(_) => self.counts.failed += 1,
            Fact::Foreign => self.counts.foreign += 1,
            Fact::State(_, _, None)
            | Fact::StepDone
            | Fact::StepFailed(_)
            | Fact::Time(_)
            | Fact::More(_)
            | Fact::NoSuchOrder
            | Fact::Terminated => {}
        }
    }

    fn limited(&mut self, now: Nanos, until: Option<Nanos>) {
        self.counts.limited += 1;
        let local =
            until.map(|until| until.saturating_add_signed(self.clock_offset.saturating_neg()));
        let until = match local {
            Some(until) => until.clamp(now + SECOND, now + LIMIT_MAX),
            None => now + LIMIT_PAUSE,
        };
        self.blocked_until = self.blocked_until.max(until);
    }

    fn time_answered(&mut self, now: Nanos, pending: &Pending, facts: Vec<Fact>) {
        for fact in facts {
            if let Fact::Time(theirs) = fact {
                // The venue's clock was read half-way, as far as we know.
                let ours = pending.sent + now.saturating_sub(pending.sent) / 2;
                self.clock_offset = signed_difference(theirs, ours);
            } else {
                self.note(now, fact);
            }
        }
        self.next_steps(now);
    }

    // ---- questions

    fn give_up(&mut self, id: ClientId) {
        if self.questions.remove(&id).is_some() {
            self.orders.doubt(id, &mut self.answers);
        }
    }

    fn end(&mut self, now: Nanos, id: ClientId, end: (Ended, i64)) {
        if self.questions.remove(&id).is_some() {
            // Whatever was said before, the question is answered.
            self.orders.reopen(id);
        }
        let deadline = now + self.options.answer_timeout;
        self.orders.ended(id, end, deadline, &mut self.answers);
    }

    fn status_answered(
        &mut self,
        now: Nanos,
        asked: Nanos,
        id: ClientId,
        is_old: bool,
        facts: Vec<Fact>,
    ) {
        for fact in facts {
            match fact {
                Fact::NoSuchOrder => self.not_found(now, asked, id, is_old),
                Fact::State(_, venue_order, Some(end)) => self.found(now, id, venue_order, end),
                Fact::State(_, _, None) | Fact::Failed(_) => self.give_up(id),
                Fact::Rejected(id, why, code) => {
                    if self.questions.remove(&id).is_some() {
                        self.orders.reopen(id);
                    }
                    self.orders.rejected(id, why, code, &mut self.answers);
                }
                other => self.note(now, other),
            }
        }
    }

    /// The venue has no such order: it never was there, if it could not be on its way any more when
    /// that was asked.
    fn not_found(&mut self, now: Nanos, asked: Nanos, id: ClientId, is_old: bool) {
        let has_history = self.protocol.endpoints().rest.is_some();
        if has_history && !is_old {
            if let Some(question) = self.questions.get_mut(&id) {
                question.stage = Stage::Waiting(true);
            }
            return;
        }
        let latest = self.orders.latest(id).unwrap_or(self.started + self.window());
        if latest < asked {
            self.end(now, id, (Ended::NeverThere, 0));
        } else {
            self.give_up(id);
        }
    }

    fn found(
        &mut self,
        now: Nanos,
        id: ClientId,
        venue_order: Option<VenueText>,
        (how, filled): (Ended, i64),
    ) {
        let known = self.orders.filled(id);
        if filled <= known {
            return self.end(now, id, (how, filled));
        }
        if let Some(question) = self.questions.get_mut(&id) {
            question.stage = Stage::Short(venue_order, how, filled);
        }
    }

    fn trades_answered(&mut self, now: Nanos, pending: &Pending, id: ClientId, facts: Vec<Fact>) {
        let is_failed = facts.iter().any(|fact| matches!(fact, Fact::Failed(_)));
        let more = facts.iter().find_map(page_of);
        self.apply(now, pending.line.unwrap_or(Line::Orders), facts);
        let Some(Question { stage: Stage::Trades(how, filled), .. }) = self.questions.get(&id)
        else {
            return;
        };
        let (how, filled) = (*how, *filled);
        if let (Some(page), false) = (more, is_failed) {
            if self.call_plain(now, pending.call.clone(), Some(&page)).is_none() {
                self.give_up(id);
            }
        } else if filled == self.orders.filled(id) && !is_failed {
            self.end(now, id, (how, filled));
        } else {
            // The list does not have them all yet.
            self.give_up(id);
        }
    }

    // ---- reconciliation

    fn drop_job_call(&mut self) {
        if let Some(number) = self.job_call.take() {
            self.take(number);
        }
        self.page = None;
        self.job_retry = 0;
    }

    fn job_failed(&mut self, now: Nanos, number: u64) {
        if self.job_call == Some(number) {
            self.drop_job_call();
            self.job_retry = now + RETRY;
        }
    }

    fn inquiry_answered(&mut self, now: Nanos, number: u64, inquiry: Inquiry, facts: Vec<Fact>) {
        if self.job_call != Some(number) {
            return;
        }
        let is_failed = facts.iter().any(|fact| matches!(fact, Fact::Failed(_)));
        let more = facts.iter().find_map(page_of);
        self.apply(now, Line::Orders, facts);
        if is_failed {
            return self.job_failed(now, number);
        }
        if self.job_call != Some(number) {
            return;
        }
        self.job_call = None;
        self.page = more;
        if self.page.is_none() {
            self.jobs.pop_front();
            if inquiry == Inquiry::Balances {
                self.tell_empty_balances();
            }
        }
    }

    /// Venues list the assets that there are. The others of our markets are at zero.
    fn tell_empty_balances(&mut self) {
        let markets = self.protocol.account().markets.all();
        let assets: BTreeSet<AssetName> =
            markets.iter().flat_map(|terms| [terms.base, terms.quote]).collect();
        for asset in assets {
            if !self.assets_told.contains(&asset) {
                let (venue, total) = (self.venue, Amount::ZERO);
                self.answers.push(Answer::Balance { venue, asset, total });
            }
        }
    }

    /// Sends what can be sent now of what waits.
    fn go_on(&mut self, now: Nanos) {
        while self.job(now) {}
        if !self.can_ask(now) {
            return;
        }
        let ids: Vec<ClientId> = self.questions.keys().copied().collect();
        for id in ids {
            self.question(now, id);
        }
    }

    /// Goes on with the first job. `false` if it has to wait.
    fn job(&mut self, now: Nanos) -> bool {
        match self.jobs.front() {
            None => false,
            Some(Job::Cancels) if !self.cancels.is_empty() => false,
            Some(Job::Cancels) if self.were_open => {
                // A cancel may have failed, or not be carried out yet.
                self.were_open = false;
                self.job_retry = now + RETRY;
                self.jobs.push_front(Job::Inquire(Inquiry::OpenOrders));
                false
            }
            Some(Job::Cancels) => self.jobs.pop_front().is_some(),
            Some(Job::Complete) => {
                self.reconciling_since = None;
                self.answers.push(Answer::Reconciled { venue: self.venue });
                self.jobs.pop_front().is_some()
            }
            Some(Job::Inquire(inquiry)) => {
                let inquiry = *inquiry;
                // Cancels need the connection.
                let can_start = self.is_up() && self.can_ask(now) && self.job_retry <= now;
                if self.job_call.is_some() || !can_start {
                    return false;
                }
                if inquiry == Inquiry::Balances {
                    self.assets_told.clear();
                }
                let page = self.page.take();
                self.job_call = self.call_plain(now, Call::Inquire(inquiry), page.as_deref());
                // What a venue has no question for is not asked.
                self.job_call.is_none() && self.jobs.pop_front().is_some()
            }
        }
    }

    fn question(&mut self, now: Nanos, id: ClientId) {
        let Some(question) = self.questions.get(&id) else { return };
        let order = question.order;
        let (call, next) = match question.stage {
            Stage::Asked | Stage::Trades(..) => return,
            Stage::Waiting(is_old) => (Some(Call::Status(order, is_old)), Stage::Asked),
            Stage::Short(venue_order, how, filled) => {
                (venue_order.map(|it| Call::TradesOf(order, it)), Stage::Trades(how, filled))
            }
        };
        if call.is_none_or(|call| self.call_plain(now, call, None).is_none()) {
            return self.give_up(id);
        }
        if let Some(question) = self.questions.get_mut(&id) {
            question.stage = next;
        }
    }
}

fn page_of(fact: &Fact) -> Option<String> {
    match fact {
        Fact::More(page) => Some(page.clone()),
        _ => None,
    }
}

/// Returns `a - b`, as far as it fits.
fn signed_difference(a: Nanos, b: Nanos) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
