//! Latencies of orders on paper: drawn from a distribution, the same for the same seed and order.

use crate::order::ClientId;
use spreadwire_market::clock::Nanos;

/// A distribution of latencies: its quantiles, evenly spaced, with straight lines between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// At least one, in rising order, ns.
    quantiles: Vec<Nanos>,
    seed: u64,
}

impl Latencies {
    /// Returns the distribution of measured latencies, ns; `None` if there are none.
    #[must_use]
    pub fn measured(mut samples: Vec<Nanos>, seed: u64) -> Option<Latencies> {
        samples.sort_unstable();
        (!samples.is_empty()).then_some(Latencies { quantiles: samples, seed })
    }

    /// Returns one latency for all orders, ns.
    #[must_use]
    pub fn fixed(latency: Nanos) -> Latencies {
        Latencies { quantiles: vec![latency], seed: 0 }
    }

    /// Returns the latency of an order, one way, ns. `salt` tells apart what is drawn for one order.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a quantile between 0 and 1"
    )]
    pub fn of(&self, order: ClientId, salt: u64) -> Nanos {
        let last = self.quantiles.len() - 1;
        let at = uniform(self.seed ^ salt.rotate_left(32), order.0) * last as f64;
        let below = at as usize;
        let (low, high) = (self.quantiles[below], self.quantiles[(below + 1).min(last)]);
        low + ((high - low) as f64 * (at - below as f64)) as Nanos
    }

    /// Returns the median, ns.
    #[must_use]
    pub fn median(&self) -> Nanos {
        self.quantiles[self.quantiles.len() / 2]
    }
}

/// Returns a number from 0 to below 1 that depends on both arguments alone (the finaliser of
/// splitmix64).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub fn uniform(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_latencies_have_the_distribution_and_repeat() {
        let samples: Vec<Nanos> = (0..=100).map(|k| k * 1_000).collect();
        let latencies = Latencies::measured(samples, 7).unwrap();
        let mut drawn: Vec<Nanos> = (0..10_000).map(|id| latencies.of(ClientId(id), 1)).collect();
        assert_eq!(drawn[5], latencies.of(ClientId(5), 1));
        assert_ne!(drawn[5], latencies.of(ClientId(5), 2));
        drawn.sort_unstable();
        for (quantile, expected) in [(1_000, 10_000), (5_000, 50_000), (9_900, 99_000)] {
            let found: Nanos = drawn[quantile];
            assert!(found.abs_diff(expected) < 2_000, "{quantile}: {found}");
        }
        assert_eq!(Latencies::measured(Vec::new(), 1), None);
        assert_eq!(Latencies::fixed(9).of(ClientId(3), 4), 9);
    }
}
