//! Plays the source: starts it, and sends each item when it is due.
//!
//! While the socket of any client is full, no item is taken from the source. So nothing is lost,
//! and the simulator never buffers more than one batch.

use crate::arithmetic;
use crate::feed::{Feed, Item};
use crate::market::Market;
use crate::options::{Options, Speed};
use crate::server::fault_effects;
use crate::server::hub::{Frame, Hub, NS_PER_MS};
use crate::shared::Progress;
use crate::stats::Occasion;

/// Greatest number of items played in one cycle. It bounds what is buffered for a full socket.
const BATCH: usize = 256;

/// The source, and how far it has been played.
#[derive(Debug)]
pub(crate) struct Player {
    feed: Feed,
    speed: Speed,
    /// Number of subscriptions that must exist before the source begins to play.
    awaited_subscriptions: u64,
    /// When the source began to play.
    start_ns: Option<u64>,
    /// Number of items taken from the source.
    produced: u64,
    /// Greatest delay between the time an item was due and its sending, in ns.
    late_ns_max: u64,
    /// Whether the source has ended and the sockets have taken everything.
    has_ended: bool,
}

impl Player {
    pub(crate) fn new(feed: Feed, options: &Options) -> Player {
        Player {
            feed,
            speed: options.speed,
            awaited_subscriptions: options.wait_for_subscriptions as u64,
            start_ns: None,
            produced: 0,
            late_ns_max: 0,
            has_ended: false,
        }
    }

    /// Starts the source, unless it has started already or subscriptions are missing.
    pub(crate) fn begin_if_ready(&mut self, hub: &mut Hub, now_ns: u64) {
        if self.start_ns.is_some() || hub.subscriptions() < self.awaited_subscriptions {
            return;
        }
        self.start_ns = Some(now_ns);
        for desk in hub.markets.iter_mut().filter_map(|market| market.desk.as_mut()) {
            desk.begin(now_ns);
        }
        self.fire_due(hub, now_ns);
    }

    /// Carries out the faults whose moment has come, if the source has started.
    pub(crate) fn fire_due(&self, hub: &mut Hub, now_ns: u64) {
        let Some(start_ns) = self.start_ns else { return };
        for market in 0..hub.markets.len() {
            fault_effects::fire_due(hub, market, now_ns.saturating_sub(start_ns), now_ns);
        }
    }

    /// Returns for how long the next item has to wait, in ns. Returns `None` if nothing can be
    /// played, because the source has not started or has ended, or because a client's socket is
    /// full.
    pub(crate) fn wait_ns(&mut self, hub: &Hub, now_ns: u64) -> Option<u64> {
        if hub.is_blocked() {
            return None;
        }
        self.next_due_ns(now_ns).map(|due_ns| due_ns.saturating_sub(now_ns))
    }

    /// Plays the items that are due, at most one batch.
    pub(crate) fn play(&mut self, hub: &mut Hub, now_ns: u64) {
        let Some(start_ns) = self.start_ns else { return };
        for _ in 0..BATCH {
            if hub.is_blocked() {
                return;
            }
            let Some(due_ns) = self.next_due_ns(now_ns).filter(|due_ns| *due_ns <= now_ns) else {
                return;
            };
            self.late_ns_max = self.late_ns_max.max(now_ns - due_ns);
            self.produced += 1;
            self.play_item(hub, start_ns, due_ns, now_ns);
            self.feed.advance();
        }
    }

    /// Returns the state to publish. The source has ended when it has no more items and
    /// `is_drained` tells that the sockets have taken everything.
    pub(crate) fn progress(&mut self, is_drained: bool) -> Progress<'_> {
        if is_drained && self.start_ns.is_some() && self.feed.peek().is_none() {
            self.has_ended = true;
        }
        Progress {
            produced: self.produced,
            late_ns_max: self.late_ns_max,
            is_playing: self.start_ns.is_some(),
            has_ended: self.has_ended,
            missing: self.feed.missing(),
            problem: self.feed.problem(),
        }
    }

    /// Returns when the next item is due; at unlimited speed that is `now_ns`.
    fn next_due_ns(&mut self, now_ns: u64) -> Option<u64> {
        let start_ns = self.start_ns?;
        let at_ns = self.feed.peek()?.at_ns;
        Some(match self.speed {
            Speed::Times(speed) => start_ns.saturating_add(paced(at_ns, speed)),
            Speed::Max => now_ns,
        })
    }

    fn play_item(&mut self, hub: &mut Hub, start_ns: u64, due_ns: u64, now_ns: u64) {
        let Some(item) = self.feed.peek() else { return };
        let index = item.venue;
        let sent = match &item.frame {
            Some(frame) => send_frame(hub, index, frame, now_ns),
            None => send_quote(hub, item, self.speed, due_ns, now_ns),
        };
        let Some((topic, receivers)) = sent else { return };
        let market = &mut hub.markets[index];
        if receivers == 0 {
            market.stats.withheld += 1;
            return;
        }
        market.stats.quotes += 1;
        market.last_topic = topic;
        hub.remember(index, topic, Occasion::Change, None, receivers);
        fault_effects::fire_due(hub, index, now_ns.saturating_sub(start_ns), now_ns);
    }
}

/// Sends a quote of the source. Returns its topic and the number of clients that take it, or `None`
/// if there is nothing to send.
fn send_quote(
    hub: &mut Hub,
    item: &Item,
    speed: Speed,
    due_ns: u64,
    now_ns: u64,
) -> Option<(usize, u32)> {
    let market = &mut hub.markets[item.venue];
    let topic = market.topic_of(item.instrument)?;
    let event_ns = event_ns(item.age_ns, speed, due_ns);
    let push_ns = due_ns.max(event_ns);
    market.take(topic, &item.texts, event_ns / NS_PER_MS, push_ns / NS_PER_MS);
    market.quote_orders(topic, &item.texts, now_ns);
    if !is_wanted(market, topic) {
        return None;
    }
    let frame = market.change(topic)?;
    Some((topic, hub.deliver(item.venue, topic, Frame::bare(&frame), now_ns)))
}

/// Sends a recorded frame. Returns its topic and the number of clients that take it, or `None` if
/// there is nothing to send.
fn send_frame(hub: &mut Hub, index: usize, frame: &str, now_ns: u64) -> Option<(usize, u32)> {
    let market = &mut hub.markets[index];
    let Some(recorded) = market.venue.recorded(frame) else {
        market.stats.unheard += 1;
        return None;
    };
    let topic = market.topic(&recorded.topic);
    if !is_wanted(market, topic) {
        return None;
    }
    let is_wrapped = recorded.bare != (0..frame.len());
    let forms = Frame { bare: &frame[recorded.bare], wrapped: is_wrapped.then_some(frame) };
    Some((topic, hub.deliver(index, topic, forms, now_ns)))
}

/// Returns whether the next quote of a topic is to be sent. Counts it if it is not, because no
/// client is subscribed or a scripted fault skips it.
fn is_wanted(market: &mut Market, topic: usize) -> bool {
    if market.topics[topic].subscribers.is_empty() {
        market.stats.unheard += 1;
        return false;
    }
    if 0 < market.skips {
        market.skips -= 1;
        market.stats.withheld += 1;
        return false;
    }
    true
}

/// Returns the matching time of a quote that is due at `due_ns` and `age_ns` older than its
/// sending.
fn event_ns(age_ns: i64, speed: Speed, due_ns: u64) -> u64 {
    let age = match speed {
        Speed::Times(speed) => paced(age_ns.unsigned_abs(), speed),
        Speed::Max => age_ns.unsigned_abs(),
    };
    if age_ns < 0 { due_ns.saturating_add(age) } else { due_ns.saturating_sub(age) }
}

/// Returns the length of `ns` when played `speed` times as fast.
fn paced(ns: u64, speed: f64) -> u64 {
    // Whole numbers stay exact at the source's own speed, whatever their size.
    #[expect(clippy::float_cmp, reason = "exactly the source's own speed is a case of its own")]
    if speed == 1.0 { ns } else { arithmetic::floor_units(arithmetic::float(ns) / speed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_scaled_by_the_speed_and_exact_at_the_sources_own() {
        assert_eq!(paced(u64::MAX, 1.0), u64::MAX);
        assert_eq!(paced(3_000_000, 10.0), 300_000);
        assert_eq!(paced(3_000_000, 0.5), 6_000_000);
    }

    #[test]
    fn the_matching_time_is_older_than_the_sending_by_the_scaled_age() {
        for (age_ns, speed, expected) in [
            (40, Speed::Times(1.0), 960),
            (40, Speed::Times(10.0), 996),
            (40, Speed::Max, 960),
            (-40, Speed::Times(2.0), 1_020),
            (4_000, Speed::Max, 0),
        ] {
            assert_eq!(event_ns(age_ns, speed, 1_000), expected, "{age_ns} {speed:?}");
        }
    }
}
