//! The changes of one venue's mid in one block of time.

use super::walk::Change;

/// The changes of one venue's mid in one block of time, and the mid at the block's begin. Memory is
/// kept over [`Changes::clear`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The first one is the opening.
    pub(super) changes: Vec<Change>,
    /// The log mid after the last change.
    log_mid: f64,
}

impl Changes {
    /// Forgets the block, for the next one.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.log_mid = 0.0;
    }

    /// Takes the logarithm of the mid from `time_ns` (ns since 1970 UTC) on. The first call opens the
    /// block; afterwards a mid that is the same is no change. Of several mids at one time the last
    /// one counts. An earlier time than the last one's counts as that.
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
            // The opening has another mid than it seemed; it has no increment.
            Some(_) => {}
        }
        self.log_mid = log_mid;
    }

    /// How many changes there are; the opening is none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len().saturating_sub(1)
    }

    /// Whether there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn sum_of_squares(&self) -> f64 {
        self.changes.iter().map(|change| change.increment * change.increment).sum()
    }
}
