//! What the audit log is told: who connected, from where and with which token, asked what, and was
//! cut or refused for what reason.
//!
//! The reception hands entries to a cold thread over a bounded queue. One that does not fit is
//! counted and dropped, because nobody waits for a log. A secret is in no entry: a token has a name,
//! and of a request only what was understood is told.

use super::directory::Directory;
use super::peer::Peer;
use super::request::Request;
use crossbeam::channel::{self, Receiver, Sender};
use serde_json::{Value, json};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use std::sync::Arc;

/// Entries that may wait for the thread that writes them.
const QUEUE: usize = 4096;
/// Names of one request that are told; of the others only the number is.
const NAMES_MAX: usize = 16;

/// A connection, as the log names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number in this run, from 1.
    pub number: u64,
    /// The other side.
    pub peer: Peer,
    /// The name of its token.
    pub token: Option<Arc<str>>,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It became a client that speaks this protocol.
    Connected(&'static str),
    /// It did not become one, for this reason.
    Refused(&'static str),
    /// It asked for something.
    Asked(Value),
    /// It was a client, and ended for this reason.
    Left(&'static str),
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it happened, ns since 1970 UTC.
    pub at: Nanos,
    /// Whom it happened to.
    pub who: Identity,
    /// What it was.
    pub what: What,
}

impl Entry {
    /// Returns the entry as a JSON object in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let (event, key, value) = match &self.what {
            What::Connected(protocol) => ("connected", "protocol", json!(protocol)),
            What::Refused(why) => ("refused", "why", json!(why)),
            What::Asked(request) => ("asked", "request", request.clone()),
            What::Left(why) => ("left", "why", json!(why)),
        };
        let Identity { number, peer, token } = &self.who;
        let (from, token) = (peer.to_string(), token.as_deref());
        json!({
            "ts": self.at, "event": event, "connection": number, "from": from, "token": token,
            key: value,
        })
        .to_string()
    }
}

/// Opens the queue.
#[must_use]
pub fn queue() -> (Sender<Entry>, Receiver<Entry>) {
    channel::bounded(QUEUE)
}

/// The reception's end of the queue, if there is a log.
#[derive(Debug)]
pub(super) struct Auditor {
    sender: Option<Sender<Entry>>,
    dropped: Counter,
}

impl Auditor {
    /// Begins without a log.
    pub(super) fn new(counters: &Counters) -> Auditor {
        Auditor { sender: None, dropped: counters.register("broadcast.audit_dropped") }
    }

    /// Tells this log from now on.
    pub(super) fn set(&mut self, sender: Sender<Entry>) {
        self.sender = Some(sender);
    }

    /// Tells the log, if there is one.
    pub(super) fn tell(&self, at: Nanos, who: &Identity, what: impl FnOnce() -> What) {
        let Some(sender) = &self.sender else { return };
        let entry = Entry { at, who: who.clone(), what: what() };
        if sender.try_send(entry).is_err() {
            self.dropped.add(1);
        }
    }
}

/// Returns what a request is told as; nothing of a ping, which keeps a connection alive.
pub(super) fn told(request: &Request, directory: &Directory) -> Option<Value> {
    match request {
        Request::Subscribe(wish) => {
            let instruments = wish.instruments.as_ref().map(|ids| {
                names(ids.len(), ids.iter().map(|id| directory.name_of_instrument(*id)))
            });
            let venues = wish
                .venues
                .as_ref()
                .map(|ids| names(ids.len(), ids.iter().map(|id| directory.name_of_venue(*id))));
            Some(json!({
                "op": "subscribe", "instruments": instruments, "venues": venues,
                "min_net_bps": wish.min_net_bps,
            }))
        }
        Request::Unsubscribe(_) => Some(json!({"op": "unsubscribe"})),
        Request::Ping(_) => None,
    }
}

fn names<'a>(count: usize, names: impl Iterator<Item = &'a str>) -> Value {
    let mut told: Vec<String> = names.take(NAMES_MAX).map(str::to_owned).collect();
    if told.len() < count {
        told.push(format!("and {} more", count - told.len()));
    }
    json!(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_whatever_is_in_it() {
        let who = Identity { number: 7, peer: Peer::Local(1000), token: Some("desk".into()) };
        let what = What::Asked(json!({"instruments": ["A\n\u{1b}[2J\u{7f}\"B"]}));
        let line = Entry { at: 5, who, what }.line();
        assert!(!line.contains(['\n', '\u{1b}']), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["request"]["instruments"][0], "A\n\u{1b}[2J\u{7f}\"B");
        let expected = json!([5, "asked", 7, "uid 1000", "desk"]);
        let fields = ["ts", "event", "connection", "from", "token"].map(|key| read[key].clone());
        assert_eq!(json!(fields), expected);
    }

    #[test]
    fn an_entry_that_does_not_fit_is_counted_and_nobody_waits() {
        let counters = Counters::default();
        let mut auditor = Auditor::new(&counters);
        let who = Identity { number: 1, peer: Peer::Local(0), token: None };
        auditor.tell(0, &who, || panic!("nobody listens"));
        let (sender, receiver) = channel::bounded(2);
        auditor.set(sender);
        for _ in 0..5 {
            auditor.tell(0, &who, || What::Left("left"));
        }
        assert_eq!((receiver.len(), counters.expect("broadcast.audit_dropped")), (2, 3));
    }

    #[test]
    fn of_many_names_so_many_are_told() {
        let all = names(20, std::iter::repeat_n("X", 20));
        let all = all.as_array().unwrap();
        assert_eq!((all.len(), all[NAMES_MAX].as_str()), (NAMES_MAX + 1, Some("and 4 more")));
    }
}
