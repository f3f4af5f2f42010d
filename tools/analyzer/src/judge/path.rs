//! What a strategy earned by slot, as sums from the beginning, so that any range costs a
//! subtraction.

use super::axis::Axis;
use super::event::{Event, events};
use super::tried::Deal;
use std::borrow::Cow;
use std::ops::{Add, Range, Sub};

/// The share of deals that are held for at most [`Path::held`].
const HELD: f64 = 0.9;

/// Sums over events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Number of events.
    pub(super) events: u32,
    /// Profit, in quote currency.
    pub(super) profit: f64,
    /// Profit beyond the cost of unwinding at once, in quote currency.
    pub(super) moved: f64,
    /// The sum of squares of the moves, in quote currency squared.
    pub(super) variation: f64,
}

impl Sums {
    /// Returns how far the moves are from those of a random walk, in standard deviations. `None` if
    /// nothing moved.
    pub(super) fn against_random_walk(&self) -> Option<f64> {
        (0.0 < self.variation).then(|| self.moved / self.variation.sqrt())
    }
}

impl From<&Event> for Sums {
    fn from(event: &Event) -> Sums {
        let Event { settled: _, profit, moved, variation } = *event;
        Sums { events: 1, profit, moved, variation }
    }
}

impl Add for Sums {
    type Output = Sums;

    fn add(self, other: Sums) -> Sums {
        Sums {
            events: self.events + other.events,
            profit: self.profit + other.profit,
            moved: self.moved + other.moved,
            variation: self.variation + other.variation,
        }
    }
}

impl Sub for Sums {
    type Output = Sums;

    fn sub(self, other: Sums) -> Sums {
        Sums {
            events: self.events - other.events,
            profit: self.profit - other.profit,
            moved: self.moved - other.moved,
            variation: self.variation - other.variation,
        }
    }
}

/// What one strategy earned.
#[derive(Debug)]
pub(super) struct Path {
    /// The events with their slots, in the order of slots.
    pub(super) events: Vec<(usize, Event)>,
    /// The sums before every slot, and those of all.
    before: Vec<Sums>,
    /// How long nine deals of ten were held at most, in ns.
    pub(super) held: i64,
}

impl Path {
    pub(super) fn new(deals: &[Deal], axis: &Axis<'_>) -> Path {
        let mut sorted = Cow::Borrowed(deals);
        if !deals.is_sorted_by_key(|deal| deal.opened) {
            sorted.to_mut().sort_by_key(|deal| deal.opened);
        }
        let slotted = events(&sorted).into_iter().map(|event| (axis.slot(event.settled), event));
        let mut events: Vec<(usize, Event)> = slotted.collect();
        events.sort_by_key(|(slot, _)| *slot);
        let mut sums = Sums::default();
        let mut before = Vec::with_capacity(axis.slots() + 1);
        let mut next = events.iter().peekable();
        for slot in 0..axis.slots() {
            before.push(sums);
            while let Some((_, event)) = next.next_if(|(of, _)| *of == slot) {
                sums = sums + Sums::from(event);
            }
        }
        before.push(sums);
        Path { events, before, held: held(deals) }
    }

    /// Returns the sums of these slots.
    pub(super) fn sums(&self, slots: &Range<usize>) -> Sums {
        self.before[slots.end] - self.before[slots.start]
    }

    /// Returns the profit of every one of these slots.
    pub(super) fn profits(&self, slots: &Range<usize>) -> Vec<f64> {
        slots.clone().map(|slot| self.before[slot + 1].profit - self.before[slot].profit).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn held(deals: &[Deal]) -> i64 {
    let mut held: Vec<i64> =
        deals.iter().map(|deal| deal.closed.saturating_sub(deal.opened)).collect();
    if held.is_empty() {
        return 0;
    }
    let place = ((held.len() - 1) as f64 * HELD) as usize;
    *held.select_nth_unstable(place).1
}
