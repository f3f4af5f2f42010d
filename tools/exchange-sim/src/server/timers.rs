//! Checks the timers of connections and markets: deadlines, stalls, heartbeats and repeated quotes.

use std::time::Duration;

use tungstenite::{Bytes, Message};

use crate::connection::{Beat, Connection};
use crate::duration::nanos;
use crate::server::clients;
use crate::server::hub::{Frame, Hub, NS_PER_MS};
use crate::stats::Occasion;

/// Time after which a handshake or a close is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks all timers. A client is cut off if its full socket has taken nothing for `stuck_after`.
pub(crate) fn check(hub: &mut Hub, stuck_after: Duration, now_ns: u64) {
    for slot in 0..hub.connections.len() {
        check_connection(hub, slot, stuck_after, now_ns);
    }
    for market in 0..hub.markets.len() {
        repeat_silent_topics(hub, market, now_ns);
    }
}

fn check_connection(hub: &mut Hub, slot: usize, stuck_after: Duration, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    if is_overdue(connection, now_ns) {
        return hub.abandon(slot, now_ns);
    }
    if nanos(stuck_after) < connection.stuck_ns(now_ns) {
        market.stats.stuck += 1;
        return hub.abandon(slot, now_ns);
    }
    connection.stalled_until_ns = connection.stalled_until_ns.filter(|until_ns| now_ns < *until_ns);
    if connection.stalled_until_ns.is_some() || !connection.is_live() {
        return;
    }
    beat(hub, slot, now_ns);
    if hub.client(slot).is_some_and(|(connection, _)| connection.is_unread) {
        clients::read(hub, slot, now_ns);
    }
}

/// Returns whether a connection takes too long to open or to close.
fn is_overdue(connection: &Connection, now_ns: u64) -> bool {
    let since_ns = connection.closing_ns.unwrap_or(connection.accepted_ns);
    let is_waiting = !connection.is_live() && !connection.is_ending();
    is_waiting && nanos(PATIENCE) <= now_ns.saturating_sub(since_ns)
}

/// Sends a ping if one is due. Closes a connection that has missed a deadline.
fn beat(hub: &mut Hub, slot: usize, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    match connection.heartbeat.due(&market.rules, now_ns) {
        Some(Beat::Ping) => {
            market.stats.pings += 1;
            let now_ms = now_ns / NS_PER_MS;
            let message = match market.venue.ping(now_ms) {
                Some(text) => Message::text(text),
                None => Message::Ping(Bytes::from(now_ms.to_string())),
            };
            connection.send(message, now_ns);
        }
        Some(Beat::Close(reason)) => hub.expel(slot, reason, now_ns),
        None => {}
    }
}

/// Sends the last quote of each silent topic again, if the venue does so.
fn repeat_silent_topics(hub: &mut Hub, index: usize, now_ns: u64) {
    let push_ms = now_ns / NS_PER_MS;
    for topic in 0..hub.markets[index].topics.len() {
        let market = &hub.markets[index];
        if !market.is_repeat_due(topic, now_ns) {
            continue;
        }
        let Some(frame) = market.snapshot(topic, push_ms) else { continue };
        let receivers = hub.deliver(index, topic, Frame::bare(&frame), now_ns);
        if 0 < receivers {
            hub.markets[index].stats.repeats += 1;
            hub.remember(index, topic, Occasion::Repeat, Some(push_ms), receivers);
        }
    }
}
