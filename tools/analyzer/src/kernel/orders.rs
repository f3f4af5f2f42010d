//! Orders in flight. Two orders are sent when an episode begins, and each meets the quote that
//! stands when it arrives.

use crate::kernel::legs::Leg;

/// The orders of a pair that have not both arrived yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    sent: Vec<Sent>,
}

/// The two orders of one episode.
#[derive(Clone, Copy, Debug)]
struct Sent {
    direction: usize,
    threshold: usize,
    /// Arrival time of each order, by venue, and the quote that it met.
    due: [i64; 2],
    met: [Option<Leg>; 2],
}

/// Two orders that have both arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) direction: usize,
    pub(super) threshold: usize,
    /// The quotes that they met, by venue.
    pub(super) met: [Leg; 2],
}

impl Orders {
    /// Returns whether no order is in flight.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Sends the two orders of an episode that begins at `now`.
    pub(super) fn send(
        &mut self,
        (direction, threshold): (usize, usize),
        now: i64,
        latency: [i64; 2],
    ) {
        let due = latency.map(|latency| now.saturating_add(latency));
        self.sent.push(Sent { direction, threshold, due, met: [None; 2] });
    }

    /// Fills the orders that arrive before `end` with the given quotes, and passes the pairs of
    /// orders that have both arrived to `each`.
    pub(super) fn arrive_until(
        &mut self,
        end: i64,
        legs: &[Leg; 2],
        mut each: impl FnMut(Arrived),
    ) {
        let mut place = 0;
        while place < self.sent.len() {
            let sent = &mut self.sent[place];
            for (venue, leg) in legs.iter().enumerate() {
                if sent.met[venue].is_none() && sent.due[venue] < end {
                    sent.met[venue] = Some(*leg);
                }
            }
            if let [Some(one), Some(two)] = sent.met {
                let Sent { direction, threshold, .. } = self.sent.swap_remove(place);
                each(Arrived { direction, threshold, met: [one, two] });
            } else {
                place += 1;
            }
        }
    }

    /// Drops the orders of every episode that has one arriving before `end`: a leg is not live
    /// until then, so it meets nothing.
    pub(super) fn lose_until(&mut self, end: i64) {
        self.sent.retain(|sent| {
            let lost = |venue: usize| sent.met[venue].is_none() && sent.due[venue] < end;
            !lost(0) && !lost(1)
        });
    }
}
