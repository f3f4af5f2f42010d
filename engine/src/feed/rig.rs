//! What the tests of a line, a desk and a connection share: a socket whose far end the test holds, and
//! a venue with a plain protocol and round figures.

use super::line::Socket;
use crate::socket::web_socket::Taken;
use spreadwire_market::clock::{Clock, MILLI, Nanos, SECOND};
use spreadwire_market::instrument::InstrumentId;
use spreadwire_market::record::{Quote, Record, Status};
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::health::Bounds;
use spreadwire_venues::venue::{
    Answer, Contract, EventTime, Heartbeat, Message, Ping, Protocol, QuoteMessage, Reject,
    Rejected, Request, SequenceRule, Side, Symbol, Symbols, VenueSpec,
};
use spreadwire_venues::venues;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::rc::Rc;
use tungstenite::{Error, Message as Frame};

/// Time between two pings.
pub(super) const PING: Nanos = 10 * SECOND;
/// Longest time without a frame.
pub(super) const DEAD: Nanos = 25 * SECOND;
/// Shortest time between two messages.
pub(super) const PACE: Nanos = 300 * MILLI;
/// Longest time without a quote.
pub(super) const STALL: Nanos = 100 * SECOND;

/// The names of the instruments, by id; the symbols are their first letters.
pub(super) const INSTRUMENTS: [&str; 3] = ["A/USDT", "B/USDT", "C/USDT"];

/// The venue that tests talk to: two symbols a message, and the limits above.
pub(super) fn spec() -> VenueSpec {
    VenueSpec {
        name: "test",
        symbols_per_message: 2,
        message_interval: PACE,
        heartbeat: Heartbeat { ping: Ping::Text("ping"), interval: PING, dead_after: DEAD },
        sequence: SequenceRule::Increasing,
        repeats_within: Some(STALL),
        protocol: || Box::new(Plain),
        ..*venues::named("okx").unwrap()
    }
}

/// Bounds that nothing exceeds but the age, after two seconds.
pub(super) fn bounds() -> Bounds {
    Bounds {
        max_age: 2 * SECOND,
        max_lag: Nanos::MAX,
        max_jump: f64::INFINITY,
        first_quote: Nanos::MAX,
        repeats_within: Some(STALL),
    }
}

pub(super) fn symbols() -> Symbols {
    first_symbols(INSTRUMENTS.len())
}

pub(super) fn first_symbols(count: usize) -> Symbols {
    let symbol = |(name, id): (&&str, u32)| Symbol {
        text: name[..1].to_owned(),
        instrument: InstrumentId(id),
        price_scale: 2,
        size_scale: 2,
        contract: Contract::ONE,
    };
    Symbols::new(INSTRUMENTS[..count].iter().zip(0..).map(symbol).collect())
}

/// A protocol of words. A frame holds messages separated by `;`: `quote A 5`, `change A 6`,
/// `restart A 1`, `refused A`, `refused 1` (the request), `refused`, `closing`, `other`, `accepted` or
/// `pong`. The quick decoder claims frames that begin with `fast`.
struct Plain;

impl Protocol for Plain {
    fn subscribe(&mut self, _: Request, symbols: &[&str]) -> String {
        format!("subscribe {}", symbols.join(","))
    }

    fn unsubscribe(&mut self, _: Request, symbols: &[&str]) -> String {
        format!("unsubscribe {}", symbols.join(","))
    }

    fn pong(&mut self) -> String {
        "pong of ours".to_owned()
    }

    fn positional(&mut self, text: &[u8], symbols: &Symbols, out: &mut Vec<Message>) -> Option<()> {
        let text = text.strip_prefix(b"fast ")?;
        self.general(text, symbols, out).ok()
    }

    fn general(
        &mut self,
        text: &[u8],
        symbols: &Symbols,
        out: &mut Vec<Message>,
    ) -> Result<(), Rejected> {
        let text = std::str::from_utf8(text).map_err(|_| Reject::Malformed)?;
        for message in text.split(';') {
            let words: Vec<&str> = message.split(' ').collect();
            out.push(match words[..] {
                [kind @ ("quote" | "change" | "restart"), symbol, ref fields @ ..] => {
                    let place = symbols.find(symbol.as_bytes())?;
                    let message = quote(place, fields).map_err(Rejected::of(place))?;
                    let (snapshot, restarted) = (kind != "change", kind == "restart");
                    Message::Quote(QuoteMessage { snapshot, restarted, ..message })
                }
                ["refused", symbol] => Message::Refused(answer(symbol, symbols)?),
                ["refused"] => Message::Refused(Answer::default()),
                ["closing"] => Message::Closing,
                ["other"] => Message::Other,
                ["accepted"] => Message::Accepted(Answer::default()),
                ["accepted", symbol] => Message::Accepted(answer(symbol, symbols)?),
                ["pong"] => Message::Pong,
                ["ping"] => Message::Ping,
                ["welcome", seconds] => {
                    let seconds: Nanos = seconds.parse().map_err(|_| Reject::BadNumber)?;
                    Message::Welcome(Some(seconds * SECOND))
                }
                _ => return Err(Reject::UnknownMessage.into()),
            });
        }
        Ok(())
    }
}

fn answer(symbol: &str, symbols: &Symbols) -> Result<Answer, Reject> {
    // A number is that of the request.
    Ok(match symbol.parse() {
        Ok(request) => Answer { request: Some(request), symbol: None },
        Err(_) => Answer { request: None, symbol: Some(symbols.find(symbol.as_bytes())?) },
    })
}

/// A quote: its number, or `-` for none, then `bid=`, `ask=` and `at=` (the event time, ns) where they differ from 100,
/// 101 and none. A price of 0 is an absent side. The number `fine` has more decimals than the scales.
fn quote(symbol: usize, fields: &[&str]) -> Result<QuoteMessage, Reject> {
    let (sequence, fields) = fields.split_first().ok_or(Reject::MissingField)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| Reject::BadNumber);
    let (mut bid, mut ask, mut ts_event) = (100, 101, None);
    for field in fields {
        match field.split_once('=').ok_or(Reject::UnknownMessage)? {
            ("bid", value) => bid = number(value)?,
            ("ask", value) => ask = number(value)?,
            ("at", value) => ts_event = Some(EventTime::new(number(value)?.unsigned_abs())?),
            _ => return Err(Reject::UnknownMessage),
        }
    }
    let sequence = match *sequence {
        "-" => None,
        "fine" => return Err(Reject::BeyondScale),
        number => Some(number.parse().map_err(|_| Reject::BadNumber)?),
    };
    Ok(QuoteMessage {
        symbol,
        bid: Side::of(bid, 1),
        ask: Side::of(ask, 1),
        ts_event,
        sequence,
        snapshot: true,
        restarted: false,
    })
}

/// A record in words: `A quote 5`, `A quote at 100` without a number, `B down silent`.
pub(super) fn in_words(record: &Record) -> String {
    let symbol = |id: InstrumentId| &INSTRUMENTS[usize::try_from(id.0).unwrap()][..1];
    if let Some(quote) = record.get::<Quote>() {
        let symbol = symbol(quote.instrument);
        return match quote.sequence {
            0 => format!("{symbol} quote at {}", quote.bid_px),
            number => format!("{symbol} quote {number}"),
        };
    }
    let status: &Status = record.get().unwrap();
    let state = State::of_code(status.state).unwrap();
    let reason = Reason::of_code(status.reason).unwrap();
    format!("{} {state} {reason}", symbol(status.instrument))
}

/// Something that the far end sends.
pub(super) enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Control,
    /// So many bytes of a message that does not end with them.
    Part(usize),
    /// A close with this code and reason.
    Close(Option<(u16, &'static str)>),
    /// The connection ends with this error.
    End(Error),
}

/// The far end of a socket.
#[derive(Clone, Default)]
pub(super) struct Peer(Rc<RefCell<Far>>);

#[derive(Default)]
struct Far {
    sent: VecDeque<Sent>,
    received: Vec<String>,
    bytes: u64,
    /// Whether the socket takes no more.
    is_broken: bool,
    flushes: usize,
    /// What was told by [`Socket::rearm`].
    rearmed: Vec<bool>,
    acknowledged: usize,
    stamp: Option<Nanos>,
    /// Whether a message has begun and not ended.
    is_unfinished: bool,
}

impl Peer {
    pub(super) fn text(&self, text: &str) {
        self.send(Sent::Text(text.to_owned()));
    }

    pub(super) fn send(&self, sent: Sent) {
        self.0.borrow_mut().sent.push_back(sent);
    }

    /// Takes what the near end has sent: texts, `<ping>` and `<close>`.
    pub(super) fn received(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().received)
    }

    /// Makes every write from now on fail.
    pub(super) fn break_off(&self) {
        self.0.borrow_mut().is_broken = true;
    }

    pub(super) fn flushes(&self) -> usize {
        self.0.borrow().flushes
    }

    pub(super) fn rearmed(&self) -> Vec<bool> {
        std::mem::take(&mut self.0.borrow_mut().rearmed)
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.0.borrow().acknowledged
    }

    /// Has the kernel stamp the next read.
    pub(super) fn stamp(&self, stamp: Nanos) {
        self.0.borrow_mut().stamp = Some(stamp);
    }
}

/// The near end: what it reads was read now.
pub(super) struct FakeSocket {
    peer: Peer,
    clock: Clock,
    message: Vec<u8>,
}

impl FakeSocket {
    pub(super) fn new(peer: &Peer, clock: &Clock) -> Box<FakeSocket> {
        Box::new(FakeSocket { peer: peer.clone(), clock: clock.clone(), message: Vec::new() })
    }

    fn write(&self, what: String) -> Result<(), Error> {
        let mut far = self.peer.0.borrow_mut();
        if far.is_broken {
            return Err(Error::ConnectionClosed);
        }
        far.received.push(what);
        Ok(())
    }
}

impl Socket for FakeSocket {
    fn take(&mut self) -> Result<(Taken<'_>, Nanos), Error> {
        let now = self.clock.now();
        let mut far = self.peer.0.borrow_mut();
        let Some(sent) = far.sent.pop_front() else { return Ok((Taken::Nothing, 0)) };
        let (bytes, is_text) = match sent {
            Sent::Part(bytes) => {
                far.bytes += bytes as u64;
                far.is_unfinished = true;
                return Ok((Taken::Part(bytes), now));
            }
            Sent::Text(text) => (text.into_bytes(), true),
            Sent::Binary(bytes) => (bytes, false),
            Sent::Control => {
                far.bytes += 2;
                return Ok((Taken::Control, now));
            }
            Sent::Close(close) => {
                far.bytes += 2;
                return Ok((Taken::Close(close), now));
            }
            Sent::End(error) => return Err(error),
        };
        far.bytes += bytes.len() as u64;
        far.is_unfinished = false;
        self.message = bytes;
        let taken = if is_text { Taken::Text(&self.message) } else { Taken::Binary(&self.message) };
        Ok((taken, now))
    }

    fn send(&mut self, message: Frame) -> Result<(), Error> {
        self.write(match message {
            Frame::Text(text) => text.to_string(),
            Frame::Ping(_) => "<ping>".to_owned(),
            other @ (Frame::Binary(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_)) => {
                panic!("a line sends no {other:?}")
            }
        })
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.peer.0.borrow_mut().flushes += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.write("<close>".to_owned())
    }

    fn rearm(&mut self, ending: bool) {
        self.peer.0.borrow_mut().rearmed.push(ending);
    }

    fn acknowledge(&self) {
        self.peer.0.borrow_mut().acknowledged += 1;
    }

    fn bytes_read(&self) -> u64 {
        self.peer.0.borrow().bytes
    }

    fn is_unfinished(&self) -> bool {
        self.peer.0.borrow().is_unfinished
    }

    fn take_kernel_stamp(&mut self) -> Option<(Nanos, Nanos)> {
        let stamp = self.peer.0.borrow_mut().stamp.take()?;
        Some((stamp, self.clock.now()))
    }

    fn fd(&self) -> RawFd {
        -1
    }
}
