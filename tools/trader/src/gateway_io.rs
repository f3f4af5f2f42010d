//! A gateway to venues over real connections: the sessions of `spreadwire_gateways`, which do no I/O, with
//! threads that do it.
//!
//! ```text
//!  driver --place, ask--> sessions --texts-----> outbox --> thread of a WebSocket --> venue
//!         <---answers----          --requests--> queue ---> thread of requests ----> venue
//!                                  <------------- what was heard ------------------
//! ```
//!
//! The driver's thread alone uses the sessions, and never waits: it hands texts and requests to the threads,
//! and takes what they have heard when it polls. Each WebSocket has a thread, and so have the requests to
//! each venue. A text is sent once, on the connection that it was written for, or told as not sent.

mod accounts;
mod heard;
mod key;
mod line;
mod outbox;
mod requests;

use self::heard::{Event, Teller};
use self::line::LineThread;
use self::outbox::{Generation, Outbox};
use self::requests::RequestThread;
use crate::plan::Plan;
use spreadwire_gateways::gateway::VenueGateway;
use spreadwire_gateways::protocol::{Line, Request};
use spreadwire_gateways::session::{Incoming, Options, Outgoing, Session};
use spreadwire_market::backoff::Backoff;
use spreadwire_market::clock::{Clock, Nanos, SECOND};
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::problem::Problem;
use spreadwire_output::err;
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, ClientId, Order};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// Most events that wait for the driver. Beyond, the threads wait, and so do the venues.
const HEARD_MAX: usize = 4_096;
/// Most events that are taken in one turn, so that a turn is short.
const TURN_MAX: usize = 256;

/// Why there is no gateway.
#[derive(Debug)]
pub enum Refusal {
    /// What is wrong with the configuration.
    Configuration(Vec<Problem>),
    /// What the system did not give.
    System(std::io::Error),
}

/// A gateway to venues, or to a simulator of them.
pub struct GatewayIo {
    mode: Mode,
    gateway: VenueGateway,
    venues: Vec<Venue>,
    heard: Receiver<(usize, Event)>,
    now: Nanos,
}

/// The transports of one session.
struct Venue {
    name: String,
    lines: Vec<Connection>,
    requests: Option<Sender<(u64, Request)>>,
    /// What was told last of requests that failed.
    trouble: String,
}

struct Connection {
    line: Line,
    outbox: Arc<Outbox>,
    /// The connection that the session knows; 0 for none.
    generation: Generation,
}

impl std::fmt::Debug for GatewayIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayIo").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl GatewayIo {
    /// Begins sessions with all venues at which the plan may trade. `file` is the configuration, for
    /// problems.
    ///
    /// # Errors
    /// Every problem of the configuration and its keys, or what the system did not give.
    pub fn open(mode: Mode, plan: &Plan, file: &Path, clock: &Clock) -> Result<GatewayIo, Refusal> {
        let accounts = accounts::prove(mode, plan, file).map_err(Refusal::Configuration)?;
        let (to, heard) = mpsc::sync_channel(HEARD_MAX);
        let now = clock.now();
        let options =
            Options { answer_timeout: plan.trading.settings.answer_timeout, ..Options::default() };
        // The driver's numbers begin later: see its `first_order`.
        let used = ClientId(((now / SECOND) << 20).saturating_sub(1));
        let (mut sessions, mut venues) = (Vec::new(), Vec::new());
        for account in accounts {
            let session = Session::new(account.protocol, options, Some(used), now);
            let teller = Teller { session: sessions.len(), to: to.clone() };
            let (id, name) = (session.venue(), account.name);
            let mut lines = Vec::new();
            for (line, server) in account.lines {
                let outbox = Arc::new(Outbox::new().map_err(Refusal::System)?);
                lines.push(Connection { line, outbox: Arc::clone(&outbox), generation: 0 });
                let (teller, clock) = (teller.clone(), clock.clone());
                let backoff = Backoff::new(now).fork(u64::from(id.0) * 2 + (line as u64));
                let thread = LineThread { line, server, outbox, teller, clock, backoff };
                spawn(format!("{name} {line:?}"), move || thread.run())?;
            }
            let requests = match account.rest {
                Some(base) => Some(begin_requests(&name, base, teller)?),
                None => None,
            };
            venues.push(Venue { name, lines, requests, trouble: String::new() });
            sessions.push(session);
        }
        Ok(GatewayIo { mode, gateway: VenueGateway::new(mode, sessions), venues, heard, now })
    }

    fn say(&self, session: usize, what: &str) {
        err!("{} {}: {}", self.mode.name(), self.venues[session].name, escape(what));
    }

    fn connection(&mut self, session: usize, line: Line) -> Option<&mut Connection> {
        self.venues[session].lines.iter_mut().find(|it| it.line == line)
    }

    /// Returns whether a connection is the one that the session knows.
    fn is_current(&mut self, session: usize, line: Line, generation: Generation) -> bool {
        self.connection(session, line).is_some_and(|it| it.generation == generation)
    }

    fn tell(&mut self, session: usize, incoming: Incoming<'_>) {
        let now = self.now;
        self.gateway.sessions()[session].incoming(now, incoming);
    }

    /// Tells a session that a connection is gone.
    fn lose(&mut self, session: usize, line: Line) {
        if let Some(connection) = self.connection(session, line) {
            connection.generation = 0;
        }
        self.tell(session, Incoming::Lost(line));
    }

    /// Takes what a thread has told.
    fn take(&mut self, session: usize, event: &Event) {
        match event {
            Event::Opened(line, generation) => {
                if let Some(connection) = self.connection(session, *line) {
                    connection.generation = *generation;
                }
                self.say(session, &format!("connected ({})", shown(*line)));
                self.tell(session, Incoming::Opened(*line));
            }
            Event::Text(line, generation, text) => {
                if self.is_current(session, *line, *generation) {
                    self.tell(session, Incoming::Text(*line, text));
                }
            }
            Event::NotSent(number) => self.tell(session, Incoming::NotSent(*number)),
            Event::Lost(line, generation, why) => {
                if let Some(why) = why {
                    self.say(session, &format!("connection lost ({}): {why}", shown(*line)));
                }
                if self.is_current(session, *line, *generation) {
                    self.lose(session, *line);
                }
            }
            Event::NotOpened(line, why) => {
                self.say(session, &format!("no connection ({}): {why}", shown(*line)));
            }
            Event::Answered(number, status, body) => {
                let (number, status) = (*number, *status);
                self.venues[session].trouble.clear();
                self.tell(session, Incoming::Http { number, status, body });
            }
            Event::Failed(number, why) => {
                if self.venues[session].trouble != *why {
                    self.say(session, &format!("a request failed: {why}"));
                    self.venues[session].trouble.clone_from(why);
                }
                self.tell(session, Incoming::Failed(*number));
            }
        }
    }

    /// Hands out what the sessions have to send.
    fn hand_out(&mut self) {
        for session in 0..self.venues.len() {
            while let Some(outgoing) = self.gateway.sessions()[session].outgoing() {
                self.hand_out_one(session, outgoing);
            }
            let until = self.gateway.sessions()[session].limited_until();
            self.venues[session].lines.iter().for_each(|it| it.outbox.not_before(until));
        }
    }

    fn hand_out_one(&mut self, session: usize, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Text { line, number, text } => {
                let connection = self.connection(session, line);
                let is_queued =
                    connection.is_some_and(|it| it.outbox.push(it.generation, (number, text)));
                if !is_queued {
                    self.tell(session, Incoming::NotSent(number));
                    // Before its thread has told so: or the session would ask again and again.
                    self.lose(session, line);
                }
            }
            Outgoing::Http { number, request } => {
                let requests = self.venues[session].requests.as_ref();
                if requests.is_none_or(|it| it.send((number, request)).is_err()) {
                    self.tell(session, Incoming::NotSent(number));
                }
            }
            Outgoing::Close { line } => {
                let Some(connection) = self.connection(session, line) else { return };
                let generation = std::mem::take(&mut connection.generation);
                let unsent = connection.outbox.close(generation);
                for number in unsent {
                    self.tell(session, Incoming::NotSent(number));
                }
                let refused = self.gateway.sessions()[session].take_refusal();
                let why = match refused {
                    Some(code) => format!("the venue refused the log-in (code {code})"),
                    None => "no sign of life, or no answer to the log-in".to_owned(),
                };
                self.say(session, &format!("connection closed ({}): {why}", shown(line)));
            }
        }
    }
}

fn shown(line: Line) -> &'static str {
    match line {
        Line::Orders => "orders",
        Line::Private => "private",
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<(), Refusal> {
    let thread = std::thread::Builder::new().name(name).spawn(run);
    thread.map(drop).map_err(Refusal::System)
}

fn begin_requests(
    name: &str,
    base: String,
    teller: Teller,
) -> Result<Sender<(u64, Request)>, Refusal> {
    let (sender, requests) = mpsc::channel();
    let thread = RequestThread { base, requests, teller };
    spawn(format!("{name} requests"), move || thread.run())?;
    Ok(sender)
}

impl Drop for GatewayIo {
    fn drop(&mut self) {
        self.venues.iter().flat_map(|venue| &venue.lines).for_each(|it| it.outbox.end());
    }
}

/// Nothing waits: what is to be sent is handed to the threads.
impl Gateway for GatewayIo {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn place(&mut self, order: &Order) {
        self.gateway.place(order);
        self.hand_out();
    }

    fn cancel(&mut self, order: &Order) {
        self.gateway.cancel(order);
        self.hand_out();
    }

    fn amend(&mut self, order: &Order, sz: i64) {
        self.gateway.amend(order, sz);
        self.hand_out();
    }

    fn ask(&mut self, order: &Order) {
        self.gateway.ask(order);
        self.hand_out();
    }

    fn reconcile(&mut self, venue: VenueId, since: Nanos) {
        self.gateway.reconcile(venue, since);
        self.hand_out();
    }

    fn poll(&mut self, now: Nanos, answers: &mut Vec<Answer>) {
        self.now = self.now.max(now);
        for _ in 0..TURN_MAX {
            let Ok((session, event)) = self.heard.try_recv() else { break };
            self.take(session, &event);
        }
        self.gateway.poll(self.now, answers);
        self.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use spreadwire_gateways::credentials::Keys;
    use spreadwire_gateways::gateway::protocol;
    use spreadwire_gateways::okx::TradeMode;
    use spreadwire_gateways::protocol::Account;
    use spreadwire_gateways::terms::{Markets, Terms};
    use spreadwire_market::instrument::InstrumentId;
    use spreadwire_trading::order::{AssetName, Owner, Purpose, Reject, Side};

    const START: Nanos = 1_700_000_000 * SECOND;

    /// A gateway to Binance whose connection has no thread: the test does its part.
    struct Rig {
        gateway: GatewayIo,
        outbox: Arc<Outbox>,
        tell: mpsc::SyncSender<(usize, Event)>,
        generation: Generation,
    }

    fn rig() -> Rig {
        let terms = Terms {
            instrument: InstrumentId(0),
            symbol: "BTCUSDT".to_owned(),
            code: 0,
            price_scale: 2,
            size_scale: 2,
            contract: None,
            base: AssetName::new("BTC").unwrap(),
            quote: AssetName::new("USDT").unwrap(),
        };
        let account = Account {
            venue: VenueId(0),
            owner: Owner::new("x").unwrap(),
            markets: Markets::new(vec![terms]),
            recv_window: 1_000,
        };
        let keys = Keys::hmac("key", "secret", "").unwrap();
        let protocol = protocol("binance", account, keys, TradeMode::Cash).unwrap();
        let session = Session::new(protocol, Options::default(), None, START);
        let outbox = Arc::new(Outbox::new().unwrap());
        let (tell, heard) = mpsc::sync_channel(HEARD_MAX);
        let lines =
            vec![Connection { line: Line::Orders, outbox: Arc::clone(&outbox), generation: 0 }];
        let (name, trouble) = ("binance".to_owned(), String::new());
        let venues = vec![Venue { name, lines, requests: None, trouble }];
        let gateway = VenueGateway::new(Mode::Sim, vec![session]);
        let gateway = GatewayIo { mode: Mode::Sim, gateway, venues, heard, now: START };
        Rig { gateway, outbox, tell, generation: 0 }
    }

    impl Rig {
        fn poll(&mut self) -> Vec<Answer> {
            let mut answers = Vec::new();
            self.gateway.poll(START, &mut answers);
            answers
        }

        /// Opens a connection, and answers its steps.
        fn open(&mut self) -> Vec<Answer> {
            self.generation = self.outbox.opened();
            let opened = Event::Opened(Line::Orders, self.generation);
            self.tell.send((0, opened)).unwrap();
            self.poll();
            for result in [json!({"serverTime": START / 1_000_000}), json!({"subscriptionId": 0})] {
                let texts = self.outbox.take(self.generation).unwrap();
                let sent: Value = serde_json::from_str(&texts[0].1).unwrap();
                let answer = json!({"id": sent["id"], "status": 200, "result": result});
                let text = Event::Text(Line::Orders, self.generation, answer.to_string());
                self.tell.send((0, text)).unwrap();
                let answers = self.poll();
                if !answers.is_empty() {
                    return answers;
                }
            }
            Vec::new()
        }
    }

    fn order(id: u64) -> Order {
        Order {
            id: ClientId(id),
            deal: 1,
            purpose: Purpose::Entry,
            instrument: InstrumentId(0),
            venue: VenueId(0),
            side: Side::Buy,
            px: 10_000,
            sz: 100,
            ts: START,
        }
    }

    #[test]
    fn what_is_asked_while_a_loss_is_not_told_yet_waits_for_the_next_connection() {
        let mut rig = rig();
        let venue = VenueId(0);
        assert_eq!(rig.open(), [Answer::Connection { venue, is_up: true }]);
        rig.gateway.place(&order(1));
        assert_eq!(rig.outbox.take(rig.generation).unwrap().len(), 1);
        let lost = rig.generation;
        assert!(rig.outbox.broken(lost).is_empty());
        // The thread has not told so yet.
        rig.gateway.ask(&order(1));
        rig.gateway.place(&order(2));
        let why = Reject::NotSent;
        let expected = [
            Answer::Unknown { id: ClientId(1) },
            Answer::Connection { venue, is_up: false },
            Answer::Rejected { id: ClientId(2), why, code: 0 },
        ];
        assert_eq!(rig.poll(), expected);
        rig.tell.send((0, Event::Lost(Line::Orders, lost, None))).unwrap();
        assert_eq!(rig.poll(), []);
        assert_eq!(rig.open(), [Answer::Connection { venue, is_up: true }]);
        let texts = rig.outbox.take(rig.generation).unwrap();
        assert!(texts.len() == 1 && texts[0].1.contains("order.status"), "{texts:?}");
    }

    #[test]
    fn texts_of_an_earlier_connection_are_not_heard() {
        let mut rig = rig();
        rig.open();
        let first = rig.generation;
        rig.outbox.broken(first);
        rig.tell.send((0, Event::Lost(Line::Orders, first, None))).unwrap();
        rig.poll();
        rig.open();
        rig.gateway.place(&order(1));
        let late = json!({"event": {"e": "eventStreamTerminated"}}).to_string();
        rig.tell.send((0, Event::Text(Line::Orders, first, late))).unwrap();
        assert_eq!(rig.poll(), []);
        assert_eq!(rig.outbox.take(rig.generation).unwrap().len(), 1, "it is open still");
    }
}
