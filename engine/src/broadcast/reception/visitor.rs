//! What a client says, from the first frame to the last: read within budgets, parsed, ordered.

use super::desk::Desk;
use super::message_reader::{Fault, Item, MessageReader};
use super::rate::Rate;
use super::wishes::Wishes;
use crate::broadcast::audit::{self, Identity, What};
use crate::broadcast::departure::Departure;
use crate::broadcast::frame::{close_echo, pong_frame};
use crate::broadcast::link::{Link, Stage};
use crate::broadcast::network::Socket;
use crate::broadcast::order::{Change, Order, Request};
use crate::broadcast::request::{self, Refusal, Rejection};
use serde_json::json;
use spreadwire_market::clock::Nanos;
use std::io::ErrorKind;
use std::sync::Arc;

/// Most frames of one client that are read in one cycle.
const FRAMES_PER_CYCLE: usize = 16;
/// Most bytes of one client that are read in one cycle, give or take one read.
const BYTES_PER_CYCLE: usize = 16 * 1024;

/// A client as the reception knows it.
#[derive(Debug)]
pub(super) struct Visitor {
    reader: MessageReader,
    /// Bytes that were read from the socket, and how many of them the reader has taken.
    input: Vec<u8>,
    taken: usize,
    conversation: Conversation,
}

/// What a client has said, and how far it was answered.
#[derive(Debug)]
struct Conversation {
    place: usize,
    link: Arc<Link>,
    wishes: Wishes,
    rate: Rate,
    /// Number of requests that were ordered.
    asked: u64,
    /// When the client last sent a frame.
    seen_at: Nanos,
    pinged_at: Nanos,
    has_departed: bool,
}

impl Visitor {
    /// Begins at a place with what came behind the upgrade.
    pub(super) fn new<S>(place: usize, link: Arc<Link>, input: Vec<u8>, desk: &Desk<S>) -> Visitor {
        let now = desk.now;
        Visitor {
            reader: MessageReader::new(desk.settings.request_bytes_max),
            input,
            taken: 0,
            conversation: Conversation {
                place,
                link,
                wishes: Wishes::new(),
                rate: Rate::new(now),
                asked: 0,
                seen_at: now,
                pinged_at: now,
                has_departed: false,
            },
        }
    }

    /// Returns what the broadcast tells about the client.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.conversation.link
    }

    /// Returns whether the client was told to go, by either half.
    pub(super) fn has_departed(&self) -> bool {
        let is_served = matches!(self.link().stage(), Stage::InOrder | Stage::Behind);
        self.conversation.has_departed || !is_served
    }

    /// Returns whether there is nothing to do: it says nothing, nothing waits, no timer is due.
    pub(super) fn is_quiet(&self, readable: bool, desk: &Desk<impl Sized>) -> bool {
        !readable && self.taken == self.input.len() && !self.conversation.is_due(desk)
    }

    /// Reads what the client says, as long as it is heard and its budgets last; returns how many
    /// frames and reads that were.
    pub(super) fn listen<S: Socket>(
        &mut self,
        socket: &mut S,
        readable: &mut bool,
        who: &Identity,
        desk: &mut Desk<S>,
    ) -> usize {
        let (mut frames, mut bytes, mut reads) = (0, 0, 0);
        while frames < FRAMES_PER_CYCLE && self.conversation.is_heard(desk) {
            if self.take_frame(who, desk) {
                frames += 1;
                continue;
            }
            if self.conversation.has_departed || BYTES_PER_CYCLE <= bytes || !*readable {
                break;
            }
            reads += 1;
            bytes += self.read(socket, readable, desk);
        }
        self.conversation.keep_alive(desk);
        frames + reads
    }

    /// Hears the next frame of what was read; returns whether there was a whole one.
    fn take_frame<S>(&mut self, who: &Identity, desk: &mut Desk<S>) -> bool {
        let mut rest = &self.input[self.taken..];
        let before = rest.len();
        let next = self.reader.next(&mut rest);
        let bytes = before - rest.len();
        self.taken += bytes;
        let conversation = &mut self.conversation;
        conversation.rate.count(u32::from(matches!(next, Ok(Some(_)))), bytes, desk.now);
        let limits = &desk.settings;
        let is_within = conversation
            .rate
            .is_within(limits.requests_per_second, limits.request_bytes_per_second);
        match next {
            _ if !is_within => conversation.depart(Departure::TooFast, desk),
            Ok(None) => {}
            Ok(Some(item)) => {
                conversation.hear(item, who, desk);
                return true;
            }
            Err(fault) => conversation.depart(departure_of(fault), desk),
        }
        false
    }

    fn read<S: Socket>(
        &mut self,
        socket: &mut S,
        readable: &mut bool,
        desk: &mut Desk<S>,
    ) -> usize {
        self.input.clear();
        self.taken = 0;
        match socket.read(&mut desk.scratch[..]) {
            Ok(0) => self.conversation.depart(Departure::Left, desk),
            Ok(count) => self.input.extend(&desk.scratch[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => *readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.conversation.depart(Departure::Reset, desk),
        }
        self.input.len()
    }
}

impl Conversation {
    /// A client that is behind, or was not answered yet, is not heard: the answers would only make
    /// its queue longer.
    fn is_heard<S>(&self, desk: &Desk<S>) -> bool {
        !self.has_departed
            && self.link.answered() == self.asked
            && self.link.stage() == Stage::InOrder
            && desk.can_order()
    }

    fn hear<S>(&mut self, item: Item<'_>, who: &Identity, desk: &mut Desk<S>) {
        desk.tally.requests.add(1);
        self.seen_at = desk.now;
        match item {
            Item::Text(text) => match request::parse(text, &desk.directory) {
                Ok(request) => {
                    if let Some(told) = audit::told(&request, &desk.directory) {
                        desk.auditor.tell(desk.now, who, || What::Asked(told));
                    }
                    self.follow(request, desk);
                }
                Err(Rejection::NotJson) => self.depart(Departure::NotJson, desk),
                Err(Rejection::Refused(refusal)) => {
                    let told = json!({"error": refusal.code});
                    desk.auditor.tell(desk.now, who, || What::Asked(told));
                    self.refuse(&refusal, desk);
                }
            },
            Item::Binary(_) => self.depart(Departure::Binary, desk),
            Item::Ping(payload) => self.ask(Change::Nothing, pong_frame(payload), desk),
            Item::Part | Item::Pong => {}
            Item::Close(code) => self.leave(Departure::Left, close_echo(code), desk),
        }
    }

    fn follow<S>(&mut self, request: request::Request, desk: &mut Desk<S>) {
        let change = match request {
            request::Request::Subscribe(wish) => {
                self.wishes.add(wish, desk.settings.filters_max).map(|(filter, begins)| {
                    desk.encoder.subscribed(&filter);
                    if begins { Change::Begin(filter) } else { Change::Add(filter) }
                })
            }
            request::Request::Unsubscribe(id) => self.wishes.remove(id).map(|gone| {
                desk.encoder.unsubscribed(&gone);
                Change::Remove(gone)
            }),
            request::Request::Ping(id) => {
                desk.encoder.pong(id.as_deref(), desk.now);
                Ok(Change::Nothing)
            }
        };
        match change {
            Ok(change) => {
                let answer = desk.encoder.frame().to_vec();
                self.ask(change, answer, desk);
            }
            Err(refusal) => self.refuse(&refusal, desk),
        }
    }

    fn refuse<S>(&mut self, refusal: &Refusal, desk: &mut Desk<S>) {
        desk.tally.errors.add(1);
        desk.encoder.error(refusal);
        let answer = desk.encoder.frame().to_vec();
        self.ask(Change::Nothing, answer, desk);
    }

    fn ask<S>(&mut self, change: Change, answer: Vec<u8>, desk: &mut Desk<S>) {
        self.asked += 1;
        let request = Request { change, answer };
        desk.order(Order::Ask { place: self.place, request });
    }

    fn is_due<S>(&self, desk: &Desk<S>) -> bool {
        let (now, settings) = (desk.now, &desk.settings);
        self.seen_at.max(self.link.seen_at()) + settings.silent_timeout <= now
            || self.pinged_at + settings.ping_interval <= now
    }

    fn keep_alive<S>(&mut self, desk: &mut Desk<S>) {
        let (now, settings) = (desk.now, &desk.settings);
        if self.has_departed || !desk.can_order() {
            return;
        }
        if self.seen_at.max(self.link.seen_at()) + settings.silent_timeout <= now {
            self.depart(Departure::Silent, desk);
        } else if self.pinged_at + settings.ping_interval <= now {
            self.pinged_at = now;
            desk.order(Order::Ping { place: self.place });
        }
    }

    fn depart<S>(&mut self, departure: Departure, desk: &mut Desk<S>) {
        self.leave(departure, Vec::new(), desk);
    }

    fn leave<S>(&mut self, departure: Departure, last: Vec<u8>, desk: &mut Desk<S>) {
        if !self.has_departed {
            self.has_departed = true;
            desk.order(Order::Depart { place: self.place, departure, last });
        }
    }
}

fn departure_of(fault: Fault) -> Departure {
    match fault {
        Fault::Protocol => Departure::Protocol,
        Fault::NotUtf8 => Departure::NotUtf8,
        Fault::TooLong => Departure::TooLarge,
        Fault::Endless => Departure::Endless,
    }
}
