//! The markets, the connections to them, and the subscriptions.
//!
//! A connection is named by its slot. Every new quote leaves through [`Hub::deliver`], which leaves
//! out connections that are stalled, closing or ending.

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, Utf8Bytes};

use crate::connection::Connection;
use crate::market::Market;
use crate::stats::{Occasion, Written};

/// Nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// The markets and the connections to them.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Venues served, in the order of the options.
    pub(crate) markets: Vec<Market>,
    /// Connections by slot.
    pub(crate) connections: Vec<Option<Connection>>,
    /// Quotes written so far, if the options ask for them.
    written: Option<Vec<Written>>,
}

/// A frame in the two forms in which it can be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The frame without its stream's name.
    pub(crate) bare: &'a str,
    /// The frame as a combined stream carries it. The venue wraps the bare frame if this is `None`.
    pub(crate) wrapped: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// Returns a frame that the venue wraps for combined streams.
    pub(crate) fn bare(bare: &'a str) -> Frame<'a> {
        Frame { bare, wrapped: None }
    }
}

impl Hub {
    /// Returns a hub without connections. `record` says whether written quotes are remembered.
    pub(crate) fn new(markets: Vec<Market>, record: bool) -> Hub {
        Hub { markets, connections: Vec::new(), written: record.then(Vec::new) }
    }

    /// Returns a connection and its market.
    pub(crate) fn client(&mut self, slot: usize) -> Option<(&mut Connection, &mut Market)> {
        let connection = self.connections.get_mut(slot)?.as_mut()?;
        let market = &mut self.markets[connection.market];
        Some((connection, market))
    }

    /// Returns a slot that has no connection.
    pub(crate) fn free_slot(&mut self) -> usize {
        let free = self.connections.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    /// Returns whether the socket of any client is full.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connections.iter().flatten().any(Connection::is_blocked)
    }

    /// Returns whether the sockets have taken everything that was written.
    pub(crate) fn is_drained(&self) -> bool {
        !self.connections.iter().flatten().any(Connection::is_dirty)
    }

    /// Returns the number of (connection, topic) subscriptions of all markets.
    pub(crate) fn subscriptions(&self) -> u64 {
        self.markets.iter().map(|market| market.stats.subscriptions).sum()
    }

    /// Frees the slot if its connection is gone.
    pub(crate) fn remove_if_gone(&mut self, slot: usize, now_ns: u64) {
        let Some((connection, market)) = self.client(slot) else { return };
        if !connection.is_gone() {
            return;
        }
        if connection.was_open() {
            market.stats.connections -= 1;
        }
        self.unsubscribe_all(slot);
        self.leave_orders(slot, now_ns);
        self.connections[slot] = None;
    }

    /// Tells the order side that a connection is gone.
    fn leave_orders(&mut self, slot: usize, now_ns: u64) {
        let Some((_, market)) = self.client(slot) else { return };
        if let Some(desk) = &mut market.desk {
            desk.disconnect(slot, now_ns);
        }
    }

    /// Drops a connection without telling the client.
    pub(crate) fn abandon(&mut self, slot: usize, now_ns: u64) {
        if let Some((connection, _)) = self.client(slot) {
            connection.abandon();
        }
        self.remove_if_gone(slot, now_ns);
    }

    /// Closes the connection of a client that broke a rule of the venue.
    pub(crate) fn expel(&mut self, slot: usize, reason: &str, now_ns: u64) {
        let Some((connection, market)) = self.client(slot) else { return };
        if !connection.is_live() {
            return;
        }
        connection.close(CloseCode::Policy, reason, now_ns);
        market.stats.expelled += 1;
        self.unsubscribe_all(slot);
    }

    /// Subscribes a connection to a topic. Sends the last quote if the venue does so.
    pub(crate) fn subscribe(&mut self, slot: usize, name: &str, now_ns: u64) {
        let Some((connection, market)) = self.client(slot) else { return };
        if connection.session.topics.iter().any(|topic| topic == name) {
            return;
        }
        connection.session.topics.push(name.to_owned());
        let topic = market.topic(name);
        market.topics[topic].subscribers.push(slot);
        market.stats.subscriptions += 1;
        if market.rules.snapshot {
            self.send_snapshot(slot, topic, now_ns);
        }
    }

    fn send_snapshot(&mut self, slot: usize, topic: usize, now_ns: u64) {
        let Some((connection, market)) = self.client(slot) else { return };
        let push_ms = now_ns / NS_PER_MS;
        if market.topics[topic].is_dead {
            return;
        }
        let Some(frame) = market.snapshot(topic, push_ms) else { return };
        market.stats.snapshots += 1;
        market.stats.frames += 1;
        market.stats.frame_len += frame.len() as u64;
        connection.send(Message::text(frame), now_ns);
        let index = connection.market;
        self.remember(index, topic, Occasion::Snapshot, Some(push_ms), 1);
    }

    /// Ends a connection's subscription of a topic, if there is one.
    pub(crate) fn unsubscribe(&mut self, slot: usize, name: &str) {
        let Some((connection, market)) = self.client(slot) else { return };
        let topics = &mut connection.session.topics;
        let Some(position) = topics.iter().position(|topic| topic == name) else { return };
        topics.remove(position);
        market.remove_subscriber(name, slot);
    }

    fn unsubscribe_all(&mut self, slot: usize) {
        let Some((connection, market)) = self.client(slot) else { return };
        for topic in std::mem::take(&mut connection.session.topics) {
            market.remove_subscriber(&topic, slot);
        }
    }

    /// Sends a frame to the subscribers of a topic. Returns the number of those that take data.
    pub(crate) fn deliver(
        &mut self,
        market: usize,
        topic: usize,
        frame: Frame<'_>,
        now_ns: u64,
    ) -> u32 {
        let market = &mut self.markets[market];
        let entry = &mut market.topics[topic];
        let mut texts: [Option<Utf8Bytes>; 2] = [None, None];
        let mut receivers = 0;
        if entry.is_dead {
            return receivers;
        }
        for slot in &entry.subscribers {
            let Some(Some(connection)) = self.connections.get_mut(*slot) else { continue };
            if !connection.is_live() || connection.stalled_until_ns.is_some() {
                continue;
            }
            let is_combined = connection.session.combined;
            let text = texts[usize::from(is_combined)].get_or_insert_with(|| {
                if !is_combined {
                    return frame.bare.into();
                }
                let wrap = || market.venue.combined(&entry.name, frame.bare).map(Utf8Bytes::from);
                frame
                    .wrapped
                    .map(Utf8Bytes::from)
                    .or_else(wrap)
                    .unwrap_or_else(|| frame.bare.into())
            });
            market.stats.frames += 1;
            market.stats.frame_len += text.len() as u64;
            connection.send(Message::Text(text.clone()), now_ns);
            receivers += 1;
        }
        entry.sent_ns = now_ns;
        receivers
    }

    /// Remembers the topic's last quote as written, if the options ask for it.
    pub(crate) fn remember(
        &mut self,
        market: usize,
        topic: usize,
        occasion: Occasion,
        push_ms: Option<u64>,
        receivers: u32,
    ) {
        if let Some(written) = &mut self.written {
            written.extend(self.markets[market].written(topic, occasion, push_ms, receivers));
        }
    }

    /// Calls `act` on each connection of a market that takes data.
    pub(crate) fn each_live(&mut self, market: usize, act: impl FnMut(&mut Connection)) {
        let connections = self.connections.iter_mut().flatten();
        connections.filter(|it| it.market == market && it.is_live()).for_each(act);
    }

    /// Sends a text to each connection of a market that is not stalled.
    pub(crate) fn send_to_all(&mut self, market: usize, text: &str, now_ns: u64) {
        self.each_live(market, |connection| {
            if connection.stalled_until_ns.is_none() {
                connection.send(Message::text(text), now_ns);
            }
        });
    }

    /// Flushes and closes all connections.
    pub(crate) fn close_all(&mut self, now_ns: u64) {
        for connection in self.connections.iter_mut().flatten().filter(|it| it.is_live()) {
            connection.flush(now_ns);
            connection.close(CloseCode::Away, "the simulator stops", now_ns);
        }
    }

    /// Returns the quotes that were remembered.
    pub(crate) fn into_written(self) -> Vec<Written> {
        self.written.unwrap_or_default()
    }
}
