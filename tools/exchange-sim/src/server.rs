//! The event loop on the simulator's one thread.
//!
//! The thread sleeps in the poll until the next item is due, a socket is ready or timers have to be
//! checked; it never spins. Each cycle accepts and reads clients, checks the timers, plays the
//! items that are due, flushes the sockets and publishes the counters. The time is read in this
//! file and handed in to the files below.

mod clients;
mod fault_effects;
mod hub;
mod listeners;
mod order_entry;
mod player;
mod timers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll};

use crate::clock::Clock;
use crate::connection::Connection;
use crate::duration::nanos;
use crate::feed::Feed;
use crate::market::Market;
use crate::options::Options;
use crate::server::hub::Hub;
use crate::server::listeners::Ready;
use crate::server::player::Player;
use crate::shared::Shared;
use crate::stats::Written;

pub(crate) use crate::server::listeners::{Listeners, WAKE};

/// How often the timers are checked: heartbeats, repeats, stalls, and idle and stuck clients.
const TICK: Duration = Duration::from_millis(20);

/// Everything that the thread owns.
pub(crate) struct Server {
    poll: Poll,
    listeners: Listeners,
    clock: Clock,
    hub: Hub,
    player: Player,
    shared: Arc<Shared>,
    /// Time after which a client is cut off if its socket is full and it reads nothing.
    stuck_after: Duration,
    /// Number of connections accepted so far.
    accepted: u64,
    /// When the timers are checked next.
    next_tick_ns: u64,
}

impl Server {
    pub(crate) fn new(
        poll: Poll,
        listeners: Listeners,
        markets: Vec<Market>,
        feed: Feed,
        options: &Options,
        shared: Arc<Shared>,
    ) -> Server {
        Server {
            poll,
            listeners,
            clock: Clock::start(),
            hub: Hub::new(markets, options.record),
            player: Player::new(feed, options),
            shared,
            stuck_after: options.stuck_after,
            accepted: 0,
            next_tick_ns: 0,
        }
    }

    /// Runs until the handle says stop. Returns the quotes written, if the options ask for them.
    pub(crate) fn run(mut self) -> Vec<Written> {
        let mut events = Events::with_capacity(1024);
        while !self.shared.is_stopping() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => self.cycle(&events),
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => {
                    self.shared.fail(&format!("waiting for the sockets failed: {problem}"));
                    break;
                }
            }
        }
        self.hub.close_all(self.clock.now_ns());
        self.publish();
        self.hub.into_written()
    }

    /// Returns for how long the poll may sleep.
    fn timeout(&mut self) -> Duration {
        let now_ns = self.clock.now_ns();
        let playing = self.player.wait_ns(&self.hub, now_ns);
        let wait_ns = playing.into_iter().chain(order_entry::wait_ns(&self.hub, now_ns)).min();
        wait_ns.map_or(TICK, |ns| Duration::from_nanos(ns).min(TICK))
    }

    fn cycle(&mut self, events: &Events) {
        for event in events {
            self.on_event(event);
        }
        if self.shared.is_released() {
            self.player.begin_if_ready(&mut self.hub, self.clock.now_ns());
        }
        self.tick();
        self.player.play(&mut self.hub, self.clock.now_ns());
        order_entry::work(&mut self.hub, self.clock.now_ns());
        self.flush();
        self.publish();
    }

    fn on_event(&mut self, event: &Event) {
        match self.listeners.ready(event.token()) {
            Ready::Wake => {}
            Ready::Listener(market) => self.accept(market),
            Ready::Connection(slot) => {
                let now_ns = self.clock.now_ns();
                if let Some((connection, _)) = self.hub.client(slot)
                    && event.is_writable()
                    && connection.is_blocked()
                {
                    connection.flush(now_ns);
                }
                clients::read(&mut self.hub, slot, now_ns);
            }
        }
    }

    /// Accepts all clients that wait at a market's listener.
    fn accept(&mut self, market: usize) {
        while let Some(stream) = self.listeners.accept(market) {
            let slot = self.hub.free_slot();
            let entry = &mut self.hub.markets[market];
            let Ok(transport) = self.listeners.open(stream, slot, self.poll.registry()) else {
                entry.stats.turned_away += 1;
                continue;
            };
            self.accepted += 1;
            let id = format!("{:08x}", 0x5eed_0000 + self.accepted);
            let now_ns = self.clock.now_ns();
            let connection =
                Connection::new(transport, market, entry.venue, entry.order_paths(), id, now_ns);
            self.hub.connections[slot] = Some(connection);
            clients::read(&mut self.hub, slot, now_ns);
        }
    }

    /// Checks the timers and the faults that happen at a time, at most once a tick.
    fn tick(&mut self) {
        let now_ns = self.clock.now_ns();
        if now_ns < self.next_tick_ns {
            return;
        }
        self.next_tick_ns = now_ns + nanos(TICK);
        timers::check(&mut self.hub, self.stuck_after, now_ns);
        self.player.fire_due(&mut self.hub, now_ns);
    }

    /// Flushes what was written, and reads what was left unread while a socket was full.
    fn flush(&mut self) {
        let now_ns = self.clock.now_ns();
        for slot in 0..self.hub.connections.len() {
            let Some((connection, _)) = self.hub.client(slot) else { continue };
            if connection.is_dirty() && !connection.is_blocked() {
                connection.flush(now_ns);
            }
            if !connection.is_blocked() && connection.is_unread {
                clients::read(&mut self.hub, slot, now_ns);
            }
            self.hub.remove_if_gone(slot, now_ns);
        }
    }

    fn publish(&mut self) {
        let progress = self.player.progress(self.hub.is_drained());
        self.shared.publish(self.hub.markets.iter().map(|market| market.stats), &progress);
    }
}

#[cfg(test)]
mod tests;
