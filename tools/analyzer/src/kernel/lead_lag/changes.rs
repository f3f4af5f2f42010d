//! The changes of one venue's mid in one block of time.

use super::walk::Change;

/// The changes of one venue's mid in one block of time, and the mid at the block's beginning.
/// [`Changes::clear`] keeps the memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The first entry is the opening.
    pub(super) changes: Vec<Change>,
    /// The log mid after the last change.
    log_mid: f64,
}

impl Changes {
    /// Empties the block, for the next one.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.log_mid = 0.0;
    }

    /// Takes the logarithm of the mid from `time_ns` (ns since 1970 UTC) on. The first call opens
    /// the block. After that, the same mid again is no change. Of several mids at one time, the
    /// last one counts. A time before the last one is treated as the last one.
    ///
    /// NB: `log_mid` must be finite.
    pub fn push(&mut self, time_ns: i64, log_mid: f64) {
        debug_assert!(log_mid.is_finite());
        let increment = log_mid - self.log_mid;
        let opened = self.changes.len() > 1;
        match self.changes.last_mut() {
            None => self.changes.push(Change { time: time_ns, increment: 0.0 }),
            Some(_) if increment == 0.0 => return,
            Some(last) if last.time < time_ns => {
                self.changes.push(Change { time: time_ns, increment });
            }
            Some(last) if opened => {
                last.increment += increment;
                if last.increment == 0.0 {
                    self.changes.pop();
                }
            }
            // This only corrects the opening's mid; the opening has no increment.
            Some(_) => {}
        }
        self.log_mid = log_mid;
    }

    /// Returns the number of changes; the opening does not count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len().saturating_sub(1)
    }

    /// Returns whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn sum_of_squares(&self) -> f64 {
        self.changes.iter().map(|change| change.increment * change.increment).sum()
    }
}
