//! What evidence a recommendation needs.

/// The least evidence, and the errors that are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Least live time in hours.
    pub live_hours: f64,
    /// Least number of events of the chosen strategy.
    pub events: u32,
    /// Least number of events of the chosen strategy in the held-out part. No strategy is chosen
    /// by fewer.
    pub held_out_events: u32,
    /// The share of the live time by which a strategy is chosen; the rest is held out.
    pub chosen_on: f64,
    /// The probability of being beyond either end of an interval.
    pub level: f64,
    /// The probability of being below the lower bound of the held-out part, which confirms what
    /// others have found.
    pub held_out_level: f64,
    /// The accepted share of false ones among the recommended pairs.
    pub false_discoveries: f64,
    /// Draws of the bootstrap.
    pub draws: usize,
    /// Draws in all where few of the first ones come near what was found.
    pub most_draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            live_hours: 6.0,
            events: 20,
            held_out_events: 5,
            chosen_on: 2.0 / 3.0,
            level: 0.05,
            held_out_level: 0.1,
            false_discoveries: 0.05,
            draws: 999,
            most_draws: 9_999,
            seed: 1,
        }
    }
}
