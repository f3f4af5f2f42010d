//! What is tried: when to enter and to leave, and by which model a position ends.

use super::settings::PlaySettings;
use serde::{Deserialize, Serialize};
use spreadwire_market::decision::Thresholds;
use spreadwire_market::execution::Exit;
use spreadwire_market::spread::{BPS, FeeFactors};

/// One strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// How its positions end. An inventory is shifted back by the next opportunity of the reverse direction;
    /// what is left of it at the end of the day is traded back, or transferred where that is allowed.
    pub model: Exit,
    /// 0 buys on the first venue, 1 on the second; `None` does both.
    pub direction: Option<u8>,
    /// Net spread to enter at, in bp.
    pub entry_bps: f64,
    /// Net spread below which an opportunity is over, and a position is closed, in bp.
    pub exit_bps: f64,
}

impl Strategy {
    /// Returns the thresholds as the trader has them.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds { entry: self.entry_bps / BPS, exit: self.exit_bps / BPS }
    }

    /// Returns the directions that it trades.
    pub fn directions(&self) -> impl Iterator<Item = usize> + use<> {
        let direction = self.direction.map(usize::from);
        (0..2).filter(move |of| direction.is_none_or(|only| only == *of))
    }
}

/// Returns all strategies for a pair with these taker fees, always in the same order.
///
/// A round trip earns about `entry - exit` less four fees and the widths of both books; so its exit is four
/// fees and a margin below its entry. Without a position to close, an opportunity is over when it does not
/// pay any more.
#[must_use]
pub fn all(settings: &PlaySettings, fees: [FeeFactors; 2]) -> Vec<Strategy> {
    let four_fees = 2.0 * fees.iter().map(|fee| fee.buy - fee.sell).sum::<f64>() / 2.0 * BPS;
    let mut all = Vec::new();
    for entry in &settings.entries_bps {
        all.push(Strategy {
            model: Exit::Inventory,
            direction: None,
            entry_bps: *entry,
            exit_bps: entry.min(0.0),
        });
        for direction in 0..2 {
            all.extend(settings.margins_bps.iter().map(|margin| Strategy {
                model: Exit::Convergence,
                direction: Some(direction),
                entry_bps: *entry,
                exit_bps: tidy(entry - four_fees - margin),
            }));
        }
    }
    all
}

/// Rounds to a hundredth of a basis point, so that a file can hold it as it is.
fn tidy(bps: f64) -> f64 {
    (bps * 100.0).round() / 100.0
}
