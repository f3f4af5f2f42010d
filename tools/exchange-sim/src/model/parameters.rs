//! The parameters of the model, and the check that they make sense.

use std::time::Duration;

use crate::error::SimError;
use crate::instrument::INSTRUMENTS;

/// Parameters of the model. The defaults give about 5,000 quotes/s and, each minute, a few
/// opportunities of at least 25 bp that last between some hundred ms and some seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOptions {
    /// Seed of the random numbers. The same seed and parameters give the same quotes.
    pub seed: u64,
    /// Quotes per second of the source's own time, over all venues.
    pub rate: f64,
    /// Number of instruments played, which are the first of [`INSTRUMENTS`].
    pub instruments: usize,
    /// Parameters of each venue. Venues that are not served are left out, and the others share the
    /// rate. A venue without parameters here has [typical](ModelVenue::typical) ones.
    pub venues: Vec<ModelVenue>,
    /// Standard deviation of the common price's random walk after one second, in bp.
    pub volatility_bp: f64,
    /// Jumps of the common price per minute and instrument.
    pub jumps_per_minute: f64,
    /// Standard deviation of a jump, in bp.
    pub jump_bp: f64,
    /// Shocks to a basis per minute, over all instruments and venues.
    pub shocks_per_minute: f64,
    /// Least and greatest size of a shock, in bp. Its direction is up or down with equal chance.
    pub shock_bp: [f64; 2],
    /// Probability that a quote is followed by another one in the same burst.
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
    /// Returns an error if a parameter makes no sense, such as no venue or instrument, or a rate or
    /// half-life of zero.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        let wrong = |why: String| Err(SimError::Model(why));
        if self.venues.is_empty() {
            return wrong("no venue is given; the model needs at least one".to_owned());
        }
        if self.instruments == 0 || INSTRUMENTS.len() < self.instruments {
            let (given, most) = (self.instruments, INSTRUMENTS.len());
            return wrong(format!("{given} instruments; the number must be between 1 and {most}"));
        }
        if !(0.001..=1e8).contains(&self.rate) {
            let given = self.rate;
            return wrong(format!("rate {given} is not between 0.001 and 100000000 quotes/s"));
        }
        if !(0.0..=0.95).contains(&self.burst) {
            return wrong(format!("burst {} is not between 0 and 0.95", self.burst));
        }
        for venue in &self.venues {
            // Written so that a NaN does not fit.
            let fits = 0.0 < venue.share && !venue.half_life.is_zero() && 0.0 <= venue.width_bp;
            if !fits {
                let name = &venue.name;
                let why = "share and half-life must be above 0, and width must not be negative";
                return wrong(format!("venue {name}: {why}"));
            }
        }
        Ok(())
    }
}

/// Parameters of one venue: how it follows the common price.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelVenue {
    /// Name of the venue.
    pub name: String,
    /// Time in which the basis loses half of its distance from zero.
    pub half_life: Duration,
    /// Time by which the venue lags behind the common price.
    pub lag: Duration,
    /// Time from matching to sending, which is the difference of the two times in a frame.
    pub push_delay: Duration,
    /// Stationary standard deviation of the basis without shocks, in bp.
    pub basis_bp: f64,
    /// Distance between best bid and best ask before rounding outwards to the tick, in bp.
    pub width_bp: f64,
    /// Weight of this venue in the choice of the next quote's venue, relative to the other weights.
    pub share: f64,
}

impl ModelVenue {
    /// Returns parameters for a venue for which none are given.
    #[must_use]
    pub fn typical(name: &str) -> ModelVenue {
        ModelVenue::new(name, [1_000, 15, 5], 2.5, 1.5, 0.1)
    }

    /// Returns the parameters of a venue. `times_ms` are its half-life, lag and push delay in ms.
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
