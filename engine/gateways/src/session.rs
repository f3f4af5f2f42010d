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
use crate::protocol::{Call, Composed, Endpoints, Inquiry, Line, Protocol, Request, VenueTime};
use crate::trades::Trades;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_trading::order::{Answer, AssetName, ClientId, Ended, Order, Reject, VenueText};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How long a step of opening a connection may take.
const STEP_TIMEOUT: Nanos = 10 * SECOND;
mod connections;
mod questions;
mod receiving;
mod reconciliation;

/// After how long a part of a reconciliation that failed is asked for again.
const RETRY: Nanos = SECOND;

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
    /// They were asked for, and so much is in what was listed.
    Trades(Ended, i64, i64),
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
    /// The venue's code for the step that it refused last.
    refusal: Option<i64>,
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
            refusal: None,
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

    /// Returns until when nothing may be sent; a time that has passed if everything may. The transport
    /// makes no connections until then.
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

    /// Returns the venue's code if it has refused a step of opening a connection since the last call: a
    /// log-in or a subscription.
    pub fn take_refusal(&mut self) -> Option<i64> {
        self.refusal.take()
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

    /// Asks what became of an order. The answer is its trades and its end, or that it is unknown. An
    /// order that the venue does not have is unknown until its window and the margin have passed, so
    /// the caller waits a while before it asks again.
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
        let inquiries = self.protocol.inquiries(since, self.venue_time(now));
        self.jobs.extend(inquiries.into_iter().map(Job::Inquire));
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
            Incoming::NotSent(number) => self.not_sent(now, number),
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
        let pings = self.next_look();
        let is_startable = matches!(self.jobs.front(), Some(Job::Inquire(_)))
            && self.job_call.is_none()
            && self.is_up();
        let job = is_startable.then_some(self.job_retry.max(self.blocked_until));
        let waits = |it: &Question| matches!(it.stage, Stage::Waiting(_) | Stage::Short(..));
        let is_waiting = self.questions.values().any(waits) && self.can_ask_ever();
        let question = is_waiting.then_some(self.blocked_until);
        let orders = self.orders.deadline();
        let all = [pending, orders, questions, pings, job, question];
        all.into_iter().flatten().min()
    }

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
}
