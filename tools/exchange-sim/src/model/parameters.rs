//! Parameters of the model and the check that they make sense.

use std::time::Duration;

use crate::error::SimError;
use crate::instrument::INSTRUMENTS;

/// Parameters of the model. The defaults give about 5,000 quotes/s and a few opportunities a
/// minute of 25 bp and more, each some hundred ms to some seconds long.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOptions {
    /// The same seed and parameters give the same quotes.
    pub seed: u64,
    /// Quotes per second of the source's time, over all venues.
    pub rate: f64,
    /// Instruments played: the first of [`INSTRUMENTS`].
    pub instruments: usize,
    /// The venues' behaviour. Those that are not served are left out and the rate is shared by
    /// the others.
    pub venues: Vec<ModelVenue>,
    /// Standard deviation of the common price's walk after one second, bp.
    pub volatility_bp: f64,
    /// Jumps of the common price, per instrument.
    pub jumps_per_minute: f64,
    /// Standard deviation of a jump, bp.
    pub jump_bp: f64,
    /// Shocks to a basis, over all instruments and venues.
    pub shocks_per_minute: f64,
    /// Least and greatest size of a shock, bp; its sign is a coin's.
    pub shock_bp: [f64; 2],
    /// Chance that a quote is followed by another within the same burst.
    pub burst: f64,
    /// Mean value of a size, in the quote currency.
    pub notional: f64,
}

impl Default for ModelOptions {
    fn default() -> ModelOptions {
        ModelOptions {
            seed: 1,
            rate: 5_000.0,
            instruments: INSTRUMENTS.len(),
            venues: vec![
                ModelVenue::new("binance", [1_500, 0, 1], 2.0, 1.0, 0.35),
                ModelVenue::new("binance-usdm", [1_200, 2, 2], 2.5, 1.0, 0.35),
                ModelVenue::new("bybit", [1_000, 12, 5], 2.5, 1.5, 0.17),
                ModelVenue::new("okx", [900, 20, 4], 2.5, 1.5, 0.13),
            ],
            volatility_bp: 1.0,
            jumps_per_minute: 2.0,
            jump_bp: 5.0,
            shocks_per_minute: 5.0,
            shock_bp: [32.0, 60.0],
            burst: 0.3,
            notional: 20_000.0,
        }
    }
}

impl ModelOptions {
    /// Returns an error if a parameter makes no sense: no venue or instrument, a rate or half-life
    /// of zero.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        let wrong = |why: String| Err(SimError::Model(why));
        if self.venues.is_empty() {
            return wrong("the model has no venue".to_owned());
        }
        if self.instruments == 0 || INSTRUMENTS.len() < self.instruments {
            return wrong(format!("instruments is 1 to {}", INSTRUMENTS.len()));
        }
        if !(0.001..=1e8).contains(&self.rate) {
            return wrong("rate is between 0.001 and 100000000 quotes/s".to_owned());
        }
        if !(0.0..=0.95).contains(&self.burst) {
            return wrong("burst is between 0 and 0.95".to_owned());
        }
        for venue in &self.venues {
            let fits = 0.0 < venue.share && !venue.half_life.is_zero() && 0.0 <= venue.width_bp;
            if !fits {
                return wrong(format!(
                    "share, half-life or width of {} is not positive",
                    venue.name
                ));
            }
        }
        Ok(())
    }
}

/// How one venue follows the common price.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelVenue {
    /// The venue's name.
    pub name: String,
    /// Time in which the basis loses half of its distance from zero.
    pub half_life: Duration,
    /// How long after the common price the venue follows.
    pub lag: Duration,
    /// From matching to sending, as the venue's two times say.
    pub push_delay: Duration,
    /// Stationary standard deviation of the basis, shocks apart, bp.
    pub basis_bp: f64,
    /// Distance of best bid and best ask before rounding outwards to the tick, bp.
    pub width_bp: f64,
    /// Part of the quotes that come from this venue, relative to the other venues' parts.
    pub share: f64,
}

impl ModelVenue {
    /// A venue with `[half-life, lag, push delay]` in ms.
    #[must_use]
    pub fn new(
        name: &str,
        times_ms: [u64; 3],
        basis_bp: f64,
        width_bp: f64,
        share: f64,
    ) -> ModelVenue {
        let [half_life, lag, push_delay] = times_ms.map(Duration::from_millis);
        let name = name.to_owned();
        ModelVenue { name, half_life, lag, push_delay, basis_bp, width_bp, share }
    }
}
