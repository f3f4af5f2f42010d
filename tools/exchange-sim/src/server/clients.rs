//! Reads what clients send and answers it: handshakes, requests, pings and pongs.

use tungstenite::Message;

use crate::connection::{Ending, HandshakeStep, Received};
use crate::market::Market;
use crate::rest;
use crate::server::hub::Hub;
use crate::venue::{Action, Route, Session};

/// Greatest number of messages read from one client at a time. A client that sends more is
/// expelled.
const MESSAGES_MAX: usize = 4096;

/// Reads and answers everything that a client has sent. Leaves it unread while the client's socket
/// is full or a fault stalls the connection.
pub(crate) fn read(hub: &mut Hub, slot: usize, now_ns: u64) {
    handshake(hub, slot, now_ns);
    for _ in 0..MESSAGES_MAX {
        let Some((connection, _)) = hub.client(slot) else { return };
        if !connection.is_open() {
            return hub.remove_if_gone(slot, now_ns);
        }
        connection.is_unread = connection.is_blocked() || connection.stalled_until_ns.is_some();
        if connection.is_unread {
            return;
        }
        let Some(received) = connection.read() else { return hub.remove_if_gone(slot, now_ns) };
        limit_rate(hub, slot, now_ns);
        answer(hub, slot, &received, now_ns);
    }
    hub.expel(slot, "Too many requests", now_ns);
}

/// Continues the handshake of a connection that is not open yet.
fn handshake(hub: &mut Hub, slot: usize, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    if connection.is_open() {
        return;
    }
    match connection.handshake(now_ns) {
        HandshakeStep::NotYet => {}
        HandshakeStep::Asked(request) => {
            let answer = market.rest(&request, now_ns);
            connection.answer(rest::response(answer.as_ref()));
            connection.flush(now_ns);
        }
        HandshakeStep::Open(Route::Open { combined, topics, without_quotes }) => {
            connection.session.combined = combined;
            connection.session.without_quotes = without_quotes;
            market.stats.opened += 1;
            market.stats.connections += 1;
            if let Some(greeting) = market.venue.greeting(&connection.session) {
                connection.send(Message::text(greeting), now_ns);
            }
            for topic in topics {
                hub.subscribe(slot, &topic, now_ns);
            }
        }
        HandshakeStep::Open(Route::Orders { path, query }) => {
            connection.session.takes_orders = true;
            market.stats.opened += 1;
            market.stats.connections += 1;
            if let Some(desk) = &mut market.desk {
                desk.connect(slot, &connection.session.id, &path, &query, now_ns);
            }
        }
        HandshakeStep::Open(Route::NotFound) | HandshakeStep::Failed => {
            connection.abandon();
            market.stats.turned_away += 1;
        }
    }
}

/// Counts a message and expels a client that sends more of them per second than the venue allows.
fn limit_rate(hub: &mut Hub, slot: usize, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    let most = market.rules.inbound_per_second;
    // Requests about orders have limits of their own.
    let most = most.filter(|_| !connection.session.takes_orders);
    if most.is_some_and(|most| connection.inbound.exceeds(most, now_ns)) {
        hub.expel(slot, "Too many requests", now_ns);
    }
}

fn answer(hub: &mut Hub, slot: usize, received: &Received, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    match received {
        Received::Text(text) => on_text(hub, slot, text, now_ns),
        Received::Ping => market.stats.heartbeats += 1,
        Received::Pong => {
            market.stats.pongs += 1;
            connection.heartbeat.on_pong();
        }
        Received::Other => {}
    }
}

fn on_text(hub: &mut Hub, slot: usize, text: &str, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    if !connection.is_live() {
        return;
    }
    market.stats.requests += 1;
    if connection.session.takes_orders {
        return market.desk.iter_mut().for_each(|desk| desk.on_text(slot, text, now_ns));
    }
    for action in actions(market, &connection.session, text) {
        act(hub, slot, action, now_ns);
    }
}

/// Returns the venue's answer to a request, or an error reply if a fault refuses the subscription.
fn actions(market: &mut Market, session: &Session, text: &str) -> Vec<Action> {
    let actions = market.venue.on_text(text, session, &|topic| market.knows(topic));
    let topics = || actions.iter().filter_map(Action::subscribed);
    let refused = topics().any(|topic| market.refuses(topic));
    if topics().next().is_none() || (market.refusals == 0 && !refused) {
        return actions;
    }
    market.refusals = market.refusals.saturating_sub(u64::from(!refused));
    vec![Action::Fail(market.venue.refusal(text, session))]
}

fn act(hub: &mut Hub, slot: usize, action: Action, now_ns: u64) {
    let Some((connection, market)) = hub.client(slot) else { return };
    match action {
        Action::Reply(text) => connection.send(Message::text(text), now_ns),
        Action::Fail(text) => {
            market.stats.errors += 1;
            connection.send(Message::text(text), now_ns);
        }
        Action::Heartbeat(text) => {
            market.stats.heartbeats += 1;
            connection.send(Message::text(text), now_ns);
        }
        Action::Pong => {
            market.stats.pongs += 1;
            connection.heartbeat.on_pong();
        }
        Action::Subscribe(topic) => hub.subscribe(slot, &topic, now_ns),
        Action::Unsubscribe(topic) => hub.unsubscribe(slot, &topic),
        Action::Combine(on) => connection.session.combined = on,
        Action::End => {
            market.stats.errors += 1;
            connection.end(Ending::Cut(Vec::new()));
        }
    }
}
