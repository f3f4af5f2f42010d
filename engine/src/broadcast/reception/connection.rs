//! One connection from its first byte to its last.

use super::arrival::{Arrival, Outcome};
use super::desk::Desk;
use super::farewell::{Farewell, discard};
use super::upgrade::{Accepted, name_of};
use super::visitor::Visitor;
use crate::broadcast::audit::{Identity, What};
use crate::broadcast::link::{Link, Stage};
use crate::broadcast::network::Socket;
use crate::broadcast::order::Order;
use crate::broadcast::peer::Source;
use spreadwire_market::clock::Nanos;
use std::sync::Arc;

/// Where a connection stands.
#[derive(Debug)]
enum Phase {
    /// Its request for an upgrade is not whole yet.
    Arriving(Arrival),
    /// It is a client.
    Visiting(Box<Visitor>),
    /// It was told to go: the broadcast sends what is left.
    Leaving(Arc<Link>),
    /// All that is left is to let the other side read it.
    Parting(Farewell),
    /// It is to be forgotten.
    Over,
}

/// What kind of place a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its upgrade is not complete.
    Arriving,
    /// It is a client, or was one and is still sent something.
    Client,
    /// It may still read what it was sent.
    Parting,
    /// None any more.
    Over,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    socket: S,
    who: Identity,
    /// Whether it counts for the limits of its other side.
    is_counted: bool,
    /// Whether the socket may have something to read; it stands until the socket would block.
    readable: bool,
    phase: Phase,
    wasted: usize,
}

impl<S: Socket> Connection<S> {
    /// Begins with an accepted socket, which counts for its other side.
    pub(super) fn arriving(socket: S, who: Identity, now: Nanos) -> Connection<S> {
        let phase = Phase::Arriving(Arrival::new(now));
        Connection { socket, who, is_counted: true, readable: true, phase, wasted: 0 }
    }

    /// Begins with an accepted socket that is only told why it may not come in.
    pub(super) fn refused(socket: S, who: Identity, answer: Vec<u8>, now: Nanos) -> Connection<S> {
        let phase = Phase::Parting(Farewell::saying(answer, now));
        Connection { socket, who, is_counted: false, readable: true, phase, wasted: 0 }
    }

    /// Returns whose limits it counts for.
    pub(super) fn source(&self) -> Option<Source> {
        self.is_counted.then(|| self.who.peer.source())
    }

    /// Returns how the audit log names it.
    pub(super) fn who(&self) -> &Identity {
        &self.who
    }

    /// Returns what kind of place it takes.
    pub(super) fn kind(&self) -> Kind {
        match self.phase {
            Phase::Arriving(_) => Kind::Arriving,
            Phase::Visiting(_) | Phase::Leaving(_) => Kind::Client,
            Phase::Parting(_) => Kind::Parting,
            Phase::Over => Kind::Over,
        }
    }

    /// Notes that the poll says that there is something to read.
    pub(super) fn ready(&mut self) {
        self.readable = true;
    }

    /// Does what there is to do; returns how much that was.
    pub(super) fn serve(&mut self, place: usize, desk: &mut Desk<S>) -> usize {
        let Connection { socket, who, readable, phase, .. } = self;
        match phase {
            Phase::Arriving(arrival) => {
                if !desk.can_order() {
                    return 0;
                }
                let (read, outcome) = arrival.read(socket, readable, desk);
                match outcome {
                    Outcome::Waits => {}
                    Outcome::Upgrade(accepted) => self.admit(place, accepted, desk),
                    Outcome::Refuse(why, answer) => {
                        let (why, answer) = desk.judge(who, why, answer);
                        desk.dismiss(who, why);
                        *phase = Phase::Parting(Farewell::saying(answer, desk.now));
                        self.part(desk.now);
                    }
                    Outcome::Ends(why) => {
                        desk.dismiss(who, why);
                        *phase = Phase::Over;
                    }
                }
                read
            }
            Phase::Visiting(visitor) => {
                let is_quiet = visitor.is_quiet(*readable, desk);
                let work = if is_quiet { 0 } else { visitor.listen(socket, readable, who, desk) };
                if visitor.has_departed() {
                    desk.open -= 1;
                    desk.leaving += 1;
                    *phase = Phase::Leaving(Arc::clone(visitor.link()));
                }
                work
            }
            Phase::Leaving(link) => {
                match link.stage() {
                    Stage::InOrder | Stage::Behind | Stage::Leaving => self.discard(),
                    Stage::Finished => {
                        desk.auditor.tell(desk.now, who, || What::Left(link.why()));
                        desk.leaving -= 1;
                        *phase = Phase::Parting(Farewell::silent(desk.now));
                        self.part(desk.now);
                    }
                    Stage::Cut => {
                        desk.auditor.tell(desk.now, who, || What::Left(link.why()));
                        desk.leaving -= 1;
                        *phase = Phase::Over;
                    }
                }
                0
            }
            Phase::Parting(_) => {
                self.part(desk.now);
                0
            }
            Phase::Over => 0,
        }
    }

    fn admit(&mut self, place: usize, accepted: Accepted, desk: &mut Desk<S>) {
        let Accepted { response, consumed, protocol, token } = accepted;
        self.who.token = token;
        desk.auditor.tell(desk.now, &self.who, || What::Connected(name_of(protocol)));
        let Phase::Arriving(arrival) = &mut self.phase else { return };
        let rest = arrival.rest(consumed);
        let link = Arc::new(Link::new());
        let first = [&response, desk.hello(protocol)].concat();
        let (socket, given) = (self.socket.clone(), Arc::clone(&link));
        desk.order(Order::Admit { place, socket, link: given, protocol, first });
        desk.open += 1;
        self.phase = Phase::Visiting(Box::new(Visitor::new(place, link, rest, desk)));
    }

    fn part(&mut self, now: Nanos) {
        let Phase::Parting(farewell) = &mut self.phase else { return };
        if farewell.go_on(&mut self.socket, &mut self.readable, now) {
            self.phase = Phase::Over;
        }
    }

    /// Tells the audit log of the end of the process, if that is what ends a client.
    pub(super) fn end(&self, desk: &Desk<S>) {
        let link = match &self.phase {
            Phase::Visiting(visitor) => visitor.link(),
            Phase::Leaving(link) => link,
            Phase::Arriving(_) | Phase::Parting(_) | Phase::Over => return,
        };
        desk.auditor.tell(desk.now, &self.who, || What::Left(link.why()));
    }

    /// Reads a little and drops it.
    pub(super) fn discard(&mut self) {
        if !discard(&mut self.socket, &mut self.readable, &mut self.wasted) {
            self.readable = false;
        }
    }
}
