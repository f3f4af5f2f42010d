//! All clients by their place, and how an event reaches those that want it.
//!
//! An event is encoded once per protocol if anyone wants it. Clients that want everything follow
//! the log; the others are asked about each event.

use super::client::Client;
use super::departure::Departure;
use super::event::Event;
use super::log::Protocol;
use super::network::Socket;
use super::shared::{EFFORT_PER_CYCLE, Room, Shared};
use super::stream::Manner;

/// The clients.
#[derive(Debug)]
pub(super) struct Clients<S> {
    places: Vec<Option<Client<S>>>,
    /// Number of clients that follow the log, by protocol.
    followers: [usize; 2],
    /// Places of the clients that are asked about each event.
    pickers: Vec<usize>,
    /// The place that is served first in the next cycle: where this one's effort ended.
    next: usize,
}

impl<S: Socket> Clients<S> {
    /// Begins with nobody.
    pub(super) fn new() -> Clients<S> {
        Clients { places: Vec::new(), followers: [0; 2], pickers: Vec::new(), next: 0 }
    }

    /// Puts a client at the place that the reception gave it.
    pub(super) fn insert(&mut self, place: usize, client: Client<S>) {
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.places[place] = Some(client);
    }

    /// Returns the client at a place.
    pub(super) fn at(&mut self, place: usize) -> Option<&mut Client<S>> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Forgets every client, because the engine stops.
    pub(super) fn clear(&mut self, shared: &mut Shared) {
        // Those that have not taken everything by now are counted like those that have.
        for client in self.places.iter_mut().flatten() {
            client.depart(Departure::Shutdown, &[], shared);
        }
        self.places.clear();
    }

    /// Returns whether bytes wait for any socket that took no more.
    pub(super) fn is_any_waiting(&self) -> bool {
        self.places.iter().flatten().any(Client::is_waiting)
    }

    /// Gives an event to everyone who wants it; returns whether anyone got it now.
    #[inline]
    pub(super) fn give(&mut self, event: Option<&Event>, shared: &mut Shared) -> bool {
        let Some(event) = event else {
            shared.tally.unknown.add(1);
            return false;
        };
        if shared.manners_changed {
            self.assign_manners(shared);
        }
        if !shared.has_room() {
            self.make_room(shared);
        }
        let mut queued = false;
        for protocol in Protocol::ALL {
            if self.followers[protocol as usize] > 0 {
                shared.stage(event, protocol);
                queued = true;
            }
        }
        for place in &self.pickers {
            let Some(client) = &mut self.places[*place] else { continue };
            if client.wants(event) {
                queued |= client.give(event, shared);
            }
        }
        if queued {
            let bytes = shared.log.commit(event);
            shared.room.spend(bytes);
        }
        queued
    }

    /// Finds out who follows the log and who is to be asked.
    #[cold]
    fn assign_manners(&mut self, shared: &mut Shared) {
        shared.manners_changed = false;
        self.followers = [0; 2];
        self.pickers.clear();
        for (place, client) in self.places.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            match client.take_manner(shared) {
                Manner::Follows(protocol) => self.followers[protocol as usize] += 1,
                Manner::Picks => self.pickers.push(place),
                Manner::Idles => {}
            }
        }
    }

    /// Offers everything to the sockets; a client that then has no room for one message is behind.
    #[cold]
    fn make_room(&mut self, shared: &mut Shared) {
        self.flush(shared);
        if shared.has_room() {
            return;
        }
        let bound = shared.encoder.event_bytes_max();
        let tail = shared.log.tail_with(bound);
        for client in self.places.iter_mut().flatten() {
            client.make_room(bound, tail, shared);
        }
        self.assign_manners(shared);
        let mut room = Room::new(&shared.log);
        self.places.iter().flatten().for_each(|client| room.see(client.room()));
        shared.room = room;
    }

    /// Offers what waits to every socket.
    pub(super) fn flush(&mut self, shared: &mut Shared) {
        let mut room = Room::new(&shared.log);
        for client in self.places.iter_mut().flatten() {
            client.flush(shared);
            room.see(client.room());
        }
        shared.room = room;
    }

    /// Serves every client once; returns how much was done.
    pub(super) fn serve(&mut self, shared: &mut Shared) -> usize {
        let mut work = 0;
        shared.effort = EFFORT_PER_CYCLE;
        let count = self.places.len();
        let first = std::mem::take(&mut self.next);
        let mut room = Room::new(&shared.log);
        for step in 0..count {
            let place = (first + step) % count;
            let Some(client) = &mut self.places[place] else { continue };
            if client.is_quiet(shared) {
                continue;
            }
            work += client.serve(shared);
            room.see(client.room());
            if client.is_gone() {
                self.places[place] = None;
            }
            if shared.effort == 0 && self.next == 0 {
                self.next = place + 1;
            }
        }
        shared.room = room;
        work
    }

    /// Sends what is left at the end of the process; returns whether everything is with the kernel.
    pub(super) fn settle(&mut self, shared: &mut Shared) -> bool {
        shared.effort = usize::MAX;
        let clients = self.places.iter_mut().flatten();
        // Every client is tried, whatever the others say.
        clients.map(|client| client.settle(shared)).fold(true, |all, settled| all & settled)
    }
}
