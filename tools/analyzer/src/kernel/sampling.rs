//! Samples all venues of a unit on one grid of seconds, and hands them on an hour at a time.

use crate::kernel::legs::{Leg, Rows};
use crate::kernel::seconds::{Block, SECOND, Seconds, hour_after};

/// The samples of all venues.
#[derive(Debug)]
pub(super) struct Sampling {
    /// Time of the next sample.
    next: i64,
    venues: Vec<Seconds>,
}

impl Sampling {
    /// Starts with the last quotes from before.
    pub(super) fn new(openings: impl Iterator<Item = Leg>) -> Sampling {
        Sampling { next: 0, venues: openings.map(Seconds::new).collect() }
    }

    /// Begins the grid at the first whole second from `first` on.
    pub(super) fn begin(&mut self, first: i64) {
        self.next = ((first - 1).div_euclid(SECOND) + 1) * SECOND;
    }

    /// Takes the next window, which ends with a row at `last`, and hands every hour that it ends to
    /// `each`.
    pub(super) fn take(&mut self, rows: &[Rows<'_>], last: i64, mut each: impl FnMut(&[Block])) {
        let mut places = vec![0; rows.len()];
        while self.next <= last {
            let hour = hour_after(self.next);
            let to = hour.min(last + 1);
            for ((venue, rows), place) in self.venues.iter_mut().zip(rows).zip(&mut places) {
                *place = venue.take(*rows, *place, (self.next, to));
            }
            let samples = (to - self.next - 1).div_euclid(SECOND) + 1;
            self.next += samples * SECOND;
            if self.next == hour {
                self.finish(&mut each);
            }
        }
        for ((venue, rows), place) in self.venues.iter_mut().zip(rows).zip(&places) {
            venue.leave(*rows, *place);
        }
    }

    /// Hands on what is left.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[Block])) {
        let blocks: Vec<Block> = self.venues.iter_mut().map(Seconds::block).collect();
        if blocks.iter().any(|block| !block.logs.is_empty()) {
            each(&blocks);
        }
    }
}
