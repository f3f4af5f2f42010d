//! What a protocol is: it writes calls to a venue as frames and requests, and reads what the venue says
//! as facts. It keeps no state of orders and decides nothing.

use crate::terms::{Markets, Terms};
use serde_json::Value;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{
    AssetName, ClientId, Ended, Fill, Order, Owner, Reject, VenueText,
};

/// A connection to a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// Orders are sent on it. Where there is no second connection, own fills come on it too.
    Orders,
    /// Own orders' states and fills come on it.
    Private,
}

/// Where a venue is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The connections, each with its default address.
    pub lines: &'static [(Line, &'static str)],
    /// Default address of the REST API; `None` if no request is made.
    pub rest: Option<&'static str>,
}

/// A request to a REST API.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, as signed: it must be sent as it is.
    pub path: String,
    /// Headers: the signature and, at OKX, the passphrase are among them.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub body: String,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// How a call leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composed {
    /// A text frame.
    Text(Line, String),
    /// A REST request.
    Http(Request),
}

/// A time by the venue's clock, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueTime(pub Nanos);

impl VenueTime {
    /// Returns whole milliseconds since 1970 UTC.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// Which part of an account is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inquiry {
    /// Open orders.
    OpenOrders,
    /// Orders of an instrument, to learn whose trades are whose.
    OrdersSince(InstrumentId, Nanos),
    /// Trades; of one instrument, or of all where that is `None`.
    TradesSince(Option<InstrumentId>, Nanos),
    /// Balances.
    Balances,
}

/// What a venue is called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A step after a connection was opened: log in, subscribe.
    Step(Line, usize),
    /// The venue's time.
    Time,
    /// A sign of life.
    Ping(Line),
    /// Place an order.
    Place(Order),
    /// Cancel an order.
    Cancel(InstrumentId, ClientId),
    /// Reduce an order to a size.
    Amend(Order, i64),
    /// What became of an order; where the venue keeps old orders elsewhere, `true` asks there.
    Status(Order, bool),
    /// The trades of an order, by the venue's id of it.
    TradesOf(Order, VenueText),
    /// A part of the account.
    Inquire(Inquiry),
    /// Cancel own orders if nothing is heard of us for a while.
    Guard,
}

/// What a venue said, in terms that hold for all.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A step of opening a connection succeeded.
    StepDone,
    /// It failed, with the venue's code.
    StepFailed(i64),
    /// The venue's time.
    Time(Nanos),
    /// The venue has an order; the latency is 0 if it does not say.
    Acked(ClientId, Option<VenueText>, Nanos),
    /// An order was not taken.
    Rejected(ClientId, Reject, i64),
    /// The venue does not know what became of an order, or said something about it that cannot be read.
    Doubtful(ClientId),
    /// An order is open, or has ended with so much filled in all.
    State(ClientId, Option<VenueText>, Option<(Ended, i64)>),
    /// A trade.
    Trade(Fill),
    /// There was a trade whose id only the list of trades since that time has.
    Unlisted(Nanos),
    /// There was a trade of an order that is not known. The orders must be asked for again before the
    /// trades.
    Nameless,
    /// An own order is open.
    Open(InstrumentId, ClientId),
    /// A balance.
    Balance(AssetName, Amount),
    /// There are more rows: the page to ask for next.
    More(String),
    /// There is no such order.
    NoSuchOrder,
    /// A call failed, with the venue's code.
    Failed(i64),
    /// Too many requests: nothing may be sent until then, by the venue's clock; `None` if it does not say.
    RateLimited(Option<Nanos>),
    /// The time of a request was refused.
    ClockOff,
    /// The connection is of no more use.
    Terminated,
    /// Something about orders of others.
    Foreign,
}

impl Fact {
    /// Returns the size of a trade of an order; 0 for everything else.
    pub(crate) fn size_of(&self, id: ClientId) -> i64 {
        if let Fact::Trade(fill) = self
            && fill.order == Some(id)
        {
            return fill.sz;
        }
        0
    }

    /// Returns the page to ask for next.
    pub(crate) fn page(&self) -> Option<String> {
        if let Fact::More(page) = self { Some(page.clone()) } else { None }
    }
}

/// A message that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A message, as far as it can be read without knowing what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The answer to a call, by the call's tag. Without a tag it answers the step of its connection.
    Reply(Option<String>, Value),
    /// News.
    News(Vec<Fact>),
}

/// A venue's protocol.
pub trait Protocol: std::fmt::Debug + Send {
    /// Returns whose orders these are, and where.
    fn account(&self) -> &Account;

    /// Returns where the venue is reached.
    fn endpoints(&self) -> Endpoints;

    /// Returns how many steps follow the opening of a connection.
    fn steps(&self, line: Line) -> usize;

    /// Returns what must be asked at a time, so that everything since another one is known: open
    /// orders are no part of it.
    fn inquiries(&self, since: Nanos, at: VenueTime) -> Vec<Inquiry>;

    /// Writes a call. `tag` has at most 32 letters and digits and is never used twice, and that of an
    /// order to be placed is its client id; `page` is from [`Fact::More`]. `None` if the call cannot be written: the market is not known, the size is no
    /// whole number of the venue's units, or the venue has no such call.
    fn compose(
        &self,
        call: &Call,
        tag: &str,
        page: Option<&str>,
        at: VenueTime,
    ) -> Option<Composed>;

    /// Reads a frame.
    ///
    /// # Errors
    /// If it is not what the venue's documentation says.
    fn read(&mut self, line: Line, text: &str) -> Result<Message, Malformed>;

    /// Reads the answer to a call; `status` is that of HTTP, 0 on a connection.
    ///
    /// # Errors
    /// If it is not what the venue's documentation says.
    fn reply(&mut self, call: &Call, status: u16, value: &Value) -> Result<Vec<Fact>, Malformed>;
}

/// What all protocols know.
#[derive(Clone, Debug)]
pub struct Account {
    /// The venue.
    pub venue: VenueId,
    /// Who places orders.
    pub owner: Owner,
    /// The venue's markets.
    pub markets: Markets,
    /// How long after its time stamp a request may arrive, ms.
    pub recv_window: u64,
}

impl Account {
    /// Returns the market of an instrument.
    #[must_use]
    pub fn terms(&self, instrument: InstrumentId) -> Option<&Terms> {
        self.markets.of(instrument)
    }

    /// Returns a balance; `total` is `None` if it cannot be read, which matters for assets of our
    /// markets.
    pub(crate) fn balance(&self, name: &str, total: Option<Amount>) -> Result<Fact, Malformed> {
        let asset = AssetName::new(name);
        if let (Some(asset), Some(total)) = (asset, total) {
            return Ok(Fact::Balance(asset, total));
        }
        let is_ours = |terms: &Terms| asset == Some(terms.base) || asset == Some(terms.quote);
        if self.markets.all().iter().any(is_ours) { Err(Malformed) } else { Ok(Fact::Foreign) }
    }

    /// Reads the list of a question for one order. `client` and `venue` are the fields of both ids, and `state`
    /// reads what a row says of an order, which is nothing while it is open.
    pub(crate) fn found(
        &self,
        order: &Order,
        rows: &[Value],
        [client, venue]: [&str; 2],
        state: impl Fn(&Terms, ClientId, &Value) -> Result<Vec<Fact>, Malformed>,
    ) -> Result<Vec<Fact>, Malformed> {
        let text = self.text(order.id);
        let row = rows.iter().find(|row| row.text(client).as_ref() == Some(&text));
        let Some(row) = row else { return Ok(vec![Fact::NoSuchOrder]) };
        let facts = state(or_malformed(self.terms(order.instrument))?, order.id, row)?;
        if facts.is_empty() {
            let venue_order = row.filled(venue).and_then(|text| VenueText::new(&text));
            return Ok(vec![Fact::State(order.id, venue_order, None)]);
        }
        Ok(facts)
    }

    /// Returns the text of a client id.
    #[must_use]
    pub fn text(&self, id: ClientId) -> String {
        self.owner.client_text(id)
    }
}

/// What an error says of an order that was to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was not taken.
    Rejected(Reject),
    /// It may have been.
    Doubtful,
}

/// Says that a call failed with a code. `is_missing` tells that the code means "no such order".
pub(crate) fn failure(call: &Call, code: i64, verdict: Verdict, is_missing: bool) -> Fact {
    match (call, verdict) {
        (Call::Place(order), Verdict::Rejected(why)) => Fact::Rejected(order.id, why, code),
        (Call::Place(order), Verdict::Doubtful) => Fact::Doubtful(order.id),
        (Call::Step(..), _) => Fact::StepFailed(code),
        (Call::Status(..), _) if is_missing => Fact::NoSuchOrder,
        (
            Call::Time
            | Call::Ping(_)
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Status(..)
            | Call::TradesOf(..)
            | Call::Inquire(_)
            | Call::Guard,
            _,
        ) => Fact::Failed(code),
    }
}

/// Reads the fields of a JSON object. Unknown fields are ignored.
pub(crate) trait Fields {
    /// Returns a field's text; a whole number is given as its digits. `None` if it is absent, null or a
    /// fraction written as a number, which JSON's readers do not keep exactly.
    fn text(&self, name: &str) -> Option<String>;
    /// Returns a field's text if it is there and not empty.
    fn filled(&self, name: &str) -> Option<String>;
    /// Returns a whole number, also if it is written as text.
    fn integer(&self, name: &str) -> Option<i64>;
    /// Returns the elements of an array.
    fn rows(&self, name: &str) -> Option<&Vec<Value>>;
}

impl Fields for Value {
    fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if !number.is_f64() => Some(number.to_string()),
            Value::Number(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn rows(&self, name: &str) -> Option<&Vec<Value>> {
        self.get(name)?.as_array()
    }
}

/// Reads milliseconds since 1970 UTC.
pub(crate) fn millis(value: &Value, name: &str) -> Option<Nanos> {
    u64::try_from(value.integer(name)?).ok()?.checked_mul(1_000_000)
}

/// Returns a result as `Err` if a field was missing.
pub(crate) fn or_malformed<T>(value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed)
}
