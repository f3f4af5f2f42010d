//! What a venue's order protocol is: the trait, and the types that pass between a venue's file and the
//! desk.
//!
//! A gateway turns requests into [`Command`]s, and answers and events into text. It has no access to
//! sockets or clocks, and it changes no order itself.

use std::collections::HashSet;
use std::fmt::Debug;

use serde_json::Value;

use crate::orders::faults::Operation;
use crate::orders::keys::ApiKey;
use crate::orders::limits::Limits;
use crate::orders::matching::{Change, Matching, Named, Rules};
use crate::orders::order::{Event, NewOrder, Order, Refusal, Trade};
use crate::rest::{Request, Response};

/// One venue's order protocol.
pub(crate) trait Gateway: Debug + Sync {
    /// Returns the name of the venue.
    fn venue(&self) -> &'static str;

    /// Returns the paths of its WebSockets.
    fn paths(&self) -> &'static [&'static str];

    /// Returns what is special about its matching. Fees are those of the options.
    fn rules(&self, maker_fee: u32, taker_fee: u32) -> Rules;

    /// Answers one text message, or says what it asks for.
    fn on_text(&self, text: &str, session: &mut Session, context: &mut Context<'_>) -> Step;

    /// Returns the answer to a command, sent at `out_ns`.
    fn answer(&self, ticket: &Ticket, done: &Result<Done, Refusal>, out_ns: u64) -> String;

    /// Returns the messages about an event for a session, sent at `out_ns`.
    fn push(&self, event: &Event, session: &Session, out_ns: u64) -> Vec<String>;

    /// Answers a REST request, or returns `None` if there is no such path.
    fn rest(&self, request: &Request, context: &mut Context<'_>) -> Option<Response>;

    /// Returns whether orders are to be cancelled once no such session is left.
    fn is_guard(&self, _session: &Session) -> bool {
        false
    }
}

/// What a gateway may look at to answer.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) matching: &'a Matching,
    /// Keys of this venue.
    pub(crate) keys: &'a [ApiKey],
    pub(crate) limits: &'a mut Limits,
    pub(crate) guard: &'a mut Guard,
    pub(crate) now_ns: u64,
}

impl Context<'_> {
    /// Returns the API key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.key == name)
    }
}

/// When all orders are cancelled because the client is not there.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Time without a guarding session after which orders are cancelled.
    pub(crate) window_ns: u64,
    /// When they are cancelled, if nothing prevents it.
    pub(crate) deadline_ns: Option<u64>,
}

/// What the venue knows about one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The venue's id of the connection.
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) connected_ns: u64,
    /// The API key that the connection has logged in with, and when.
    pub(crate) key: Option<(String, u64)>,
    pub(crate) topics: Vec<Topic>,
    /// Number of subscriptions so far.
    pub(crate) subscriptions: u64,
    /// Ids of requests, where the venue allows each only once.
    pub(crate) seen: HashSet<String>,
}

/// A subscription of a private channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Topic {
    /// The venue's number of the subscription, if it has one.
    pub(crate) number: u64,
    pub(crate) channel: String,
    /// The subscription as the client asked for it, if the venue repeats it.
    pub(crate) arg: Value,
}

/// What a message asks for.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this reply.
    Say(String),
    /// Send these replies, of which some may be errors.
    SayAll(Vec<String>),
    /// Send this error reply.
    Fail(String),
    /// Send this answer to a heartbeat.
    Beat(String),
    /// Carry out a command, and answer it by its ticket.
    Do(Box<(Command, Ticket)>),
}

/// A request that changes orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Place(NewOrder),
    Cancel {
        named: Named,
        /// The client's id of the order from then on, if it changes.
        client_id: Option<String>,
    },
    /// Cancels the open orders of an instrument.
    CancelAll {
        instrument: usize,
    },
    Amend {
        named: Named,
        change: Change,
    },
}

impl Command {
    /// Returns the kind of the request, by which faults count it.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Command::Place(_) => Operation::Place,
            Command::Cancel { .. } | Command::CancelAll { .. } => Operation::Cancel,
            Command::Amend { .. } => Operation::Amend,
        }
    }
}

/// What a gateway needs to answer a command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticket {
    /// The client's id of the request.
    pub(crate) id: Value,
    /// The request's name in the venue's protocol.
    pub(crate) method: String,
    /// The request's parameters.
    pub(crate) params: Value,
    /// The venue's id of the connection.
    pub(crate) connection: String,
    /// When the request was received, in ns since 1970 UTC.
    pub(crate) in_ns: u64,
    /// What the answer says about rate limits, as the venue writes it.
    pub(crate) limits: Value,
}

/// What a command has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// The order after its first matching, and its trades.
    Placed(Order, Vec<Trade>),
    Cancelled(Vec<Order>),
    Amended(Order),
}

/// Returns a member of a JSON object as text. Numbers count as their text.
pub(crate) fn text_of(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
