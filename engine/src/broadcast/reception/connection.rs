//! One connection from its first byte to its last.

use super::arrival::{Arrival, Outcome};
use super::desk::Desk;
use super::farewell::{Farewell, discard};
use super::upgrade::Accepted;
use super::visitor::Visitor;
use crate::broadcast::link::{Link, Stage};
use crate::broadcast::network::Socket;
use crate::broadcast::order::Order;
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

/// A connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    socket: S,
    /// Whether the socket may have something to read; it stands until the socket would block.
    readable: bool,
    phase: Phase,
    wasted: usize,
}

impl<S: Socket> Connection<S> {
    /// Begins with an accepted socket.
    pub(super) fn new(socket: S, now: Nanos) -> Connection<S> {
        let phase = Phase::Arriving(Arrival::new(now));
        Connection { socket, readable: true, phase, wasted: 0 }
    }

    /// Notes that the poll says that there is something to read.
    pub(super) fn ready(&mut self) {
        self.readable = true;
    }

    /// Returns whether its place is free again.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Does what there is to do; returns how much that was.
    pub(super) fn serve(&mut self, place: usize, desk: &mut Desk<S>) -> usize {
        let Connection { socket, readable, phase, .. } = self;
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
                        desk.tally.dismissed(why);
                        *phase = Phase::Parting(Farewell::saying(answer, desk.now));
                        self.part(desk.now);
                    }
                    Outcome::Ends(why) => {
                        desk.tally.dismissed(why);
                        *phase = Phase::Over;
                    }
                }
                read
            }
            Phase::Visiting(visitor) => {
                let work = visitor.listen(socket, readable, desk);
                if visitor.has_departed() {
                    desk.open -= 1;
                    *phase = Phase::Leaving(Arc::clone(visitor.link()));
                }
                work
            }
            Phase::Leaving(link) => {
                match link.stage() {
                    Stage::InOrder | Stage::Behind | Stage::Leaving => self.discard(),
                    Stage::Finished => {
                        *phase = Phase::Parting(Farewell::silent(desk.now));
                        self.part(desk.now);
                    }
                    Stage::Cut => *phase = Phase::Over,
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
        let Accepted { response, consumed, protocol } = accepted;
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

    /// Reads a little and drops it.
    pub(super) fn discard(&mut self) {
        if !discard(&mut self.socket, &mut self.readable, &mut self.wasted) {
            self.readable = false;
        }
    }
}
