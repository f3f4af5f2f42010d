//! The seam: sessions of several venues behind one [`Gateway`].
//!
//! ```text
//!  trader --place, ask--> VenueGateway --outgoing--> transport --> venues
//!         <---answers----             <--incoming---           <--
//! ```

use crate::binance::Binance;
use crate::bybit::{Bybit, Category};
use crate::credentials::Keys;
use crate::okx::{Okx, Product, TradeMode};
use crate::protocol::{Account, Protocol};
use crate::session::Session;
use crate::signing::KeyError;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::VenueId;
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, Order, Reject};

/// The venues at which orders can be placed, as the configuration calls them.
pub const VENUES: [&str; 5] = ["binance", "bybit", "bybit-linear", "okx", "okx-swap"];
/// Longest time for which a request may be valid, ms: Binance takes no longer one.
pub const RECV_WINDOW_MAX: u64 = 60_000;

/// Reason why no orders can be placed at a venue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no gateway to it.
    #[error("no orders can be placed at {0}; the venues with order entry are {list}", list = VENUES.join(", "))]
    NoGateway(String),
    /// The keys are of no use there.
    #[error("{venue}: {reason}")]
    Keys {
        /// The venue.
        venue: String,
        /// Why.
        reason: KeyError,
    },
    /// The window is out of range.
    #[error("{venue}: recv_window is {value} ms; use 1 to {RECV_WINDOW_MAX} ms")]
    RecvWindow {
        /// The venue.
        venue: String,
        /// What it is.
        value: u64,
    },
    /// A market of OKX has no `instIdCode`, or a swap no contract value.
    #[error("{venue}: {symbol} has no {what}; take it from the venue's list of instruments")]
    Market {
        /// The venue.
        venue: String,
        /// The market.
        symbol: String,
        /// What is missing.
        what: &'static str,
    },
}

/// Returns the protocol of a venue.
///
/// # Errors
/// Everything that keeps orders from being placed there.
pub fn protocol(
    venue: &str,
    account: Account,
    keys: Keys,
    mode: TradeMode,
) -> Result<Box<dyn Protocol>, Vec<Unusable>> {
    let problems = problems(venue, &account, &keys);
    if !problems.is_empty() {
        return Err(problems);
    }
    let unfit = |reason| vec![Unusable::Keys { venue: venue.to_owned(), reason }];
    Ok(match venue {
        "binance" => Box::new(Binance::new(account, keys)),
        "bybit" => Box::new(Bybit::new(account, keys, Category::Spot).map_err(unfit)?),
        "bybit-linear" => Box::new(Bybit::new(account, keys, Category::Linear).map_err(unfit)?),
        "okx" => Box::new(Okx::new(account, keys, Product::Spot(mode)).map_err(unfit)?),
        _ => Box::new(Okx::new(account, keys, Product::Swap).map_err(unfit)?),
    })
}

fn problems(venue: &str, account: &Account, keys: &Keys) -> Vec<Unusable> {
    let name = || venue.to_owned();
    let mut problems = Vec::new();
    if !VENUES.contains(&venue) {
        problems.push(Unusable::NoGateway(name()));
    }
    let value = account.recv_window;
    if !(1..=RECV_WINDOW_MAX).contains(&value) {
        problems.push(Unusable::RecvWindow { venue: name(), value });
    }
    if keys.signer().is_ed25519() && VENUES.contains(&venue) && venue != "binance" {
        problems.push(Unusable::Keys { venue: name(), reason: KeyError::HmacOnly });
    }
    for terms in account.markets.all() {
        let is_okx = venue == "okx" || venue == "okx-swap";
        let no_code = (is_okx && terms.code == 0).then_some("instIdCode");
        let no_value = (venue == "okx-swap" && terms.contract.is_none()).then_some("ctVal");
        for what in [no_code, no_value].into_iter().flatten() {
            problems.push(Unusable::Market { venue: name(), symbol: terms.symbol.clone(), what });
        }
    }
    problems
}

/// A gateway to venues, or to a simulator that speaks as they do.
#[derive(Debug)]
pub struct VenueGateway {
    mode: Mode,
    sessions: Vec<Session>,
    now: Nanos,
    answers: Vec<Answer>,
}

impl VenueGateway {
    /// Returns a gateway of sessions, one for each venue.
    #[must_use]
    pub fn new(mode: Mode, sessions: Vec<Session>) -> VenueGateway {
        VenueGateway { mode, sessions, now: 0, answers: Vec::new() }
    }

    /// Returns the sessions, for the transport.
    pub fn sessions(&mut self) -> &mut [Session] {
        &mut self.sessions
    }

    /// Returns when [`poll`](Gateway::poll) is to be called at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.sessions.iter().filter_map(Session::next_deadline).min()
    }

    fn session(&mut self, venue: VenueId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.venue() == venue)
    }
}

/// Requests are dated by the last [`poll`](Gateway::poll), or by the decision if that is later.
impl Gateway for VenueGateway {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn place(&mut self, order: &Order) {
        let now = self.now.max(order.ts);
        match self.session(order.venue) {
            Some(session) => session.place(now, order),
            None => {
                let (id, why) = (order.id, Reject::NotSent);
                self.answers.push(Answer::Rejected { id, why, code: 0 });
            }
        }
    }

    fn cancel(&mut self, order: &Order) {
        let now = self.now;
        if let Some(session) = self.session(order.venue) {
            session.cancel(now, order);
        }
    }

    fn amend(&mut self, order: &Order, sz: i64) {
        let now = self.now;
        if let Some(session) = self.session(order.venue) {
            session.amend(now, order, sz);
        }
    }

    fn ask(&mut self, order: &Order) {
        let now = self.now;
        match self.session(order.venue) {
            Some(session) => session.ask(now, order),
            None => self.answers.push(Answer::Unknown { id: order.id }),
        }
    }

    fn reconcile(&mut self, venue: VenueId, since: Nanos) {
        let now = self.now;
        if let Some(session) = self.session(venue) {
            session.reconcile(now, since);
        }
    }

    fn poll(&mut self, now: Nanos, answers: &mut Vec<Answer>) {
        self.now = self.now.max(now);
        answers.append(&mut self.answers);
        for session in &mut self.sessions {
            session.on_time(self.now);
            session.answers(answers);
        }
    }
}
