//! A grid of configurations: all combinations of some values, applied to one setup.

use crate::setup::Setup;
use spreadwire_market::clock::Nanos;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::latency::Latencies;

/// Largest number of points. Each needs memory for its books, and they all run at once.
pub const POINTS_MAX: usize = 4_096;

/// One combination. `None` stands for what the setup has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Entry threshold of every pair that may open, a fraction.
    pub entry: Option<f64>,
    /// Exit threshold of every pair that may open, a fraction.
    pub exit: Option<f64>,
    /// Largest size of every pair, in its quote currency.
    pub size: Option<Amount>,
    /// Latency to every venue, one way, ns.
    pub latency: Option<Nanos>,
    /// Least lifetime of an opportunity that is acted on, ns.
    pub lifetime: Option<Nanos>,
}

impl Point {
    /// Returns the setup with the values of this point.
    #[must_use]
    pub fn apply(&self, setup: &Setup) -> Setup {
        let mut setup = setup.clone();
        self.set_thresholds(&mut setup);
        if let Some(size) = self.size {
            setup.settings.sizes.fill(Some(size));
        }
        if let Some(latency) = self.latency {
            setup.settings.latencies.fill(latency);
            setup.paper.latencies.fill(Latencies::fixed(latency));
        }
        if let Some(lifetime) = self.lifetime {
            setup.settings.min_lifetime = lifetime;
        }
        setup
    }

    fn set_thresholds(&self, setup: &mut Setup) {
        let thresholds = &mut setup.thresholds;
        let rules = thresholds.rules.iter_mut().flat_map(|rules| &mut rules.pairs);
        let pairs = rules.map(|rule| (&mut rule.entry, &mut rule.exit));
        for (entry, exit) in pairs.chain([(&mut thresholds.entry, &mut thresholds.exit)]) {
            *entry = self.entry.unwrap_or(*entry);
            *exit = self.exit.unwrap_or(*exit);
        }
    }
}

/// Returns whether no exit threshold is above its entry threshold.
fn is_sound(setup: &Setup) -> bool {
    let thresholds = &setup.thresholds;
    match &thresholds.rules {
        Some(rules) => rules.pairs.iter().all(|rule| rule.exit <= rule.entry),
        None => thresholds.exit <= thresholds.entry,
    }
}

/// The values of each axis. An axis without values keeps what the setup has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// Entry thresholds, fractions.
    pub entries: Vec<f64>,
    /// Exit thresholds, fractions.
    pub exits: Vec<f64>,
    /// Largest sizes of a pair, in its quote currency.
    pub sizes: Vec<Amount>,
    /// Latencies one way, ns.
    pub latencies: Vec<Nanos>,
    /// Least lifetimes, ns.
    pub lifetimes: Vec<Nanos>,
}

impl Grid {
    /// Returns the points whose exit thresholds are not above their entry thresholds, and the number of
    /// those left out. The last axis changes fastest.
    #[must_use]
    pub fn points(&self, setup: &Setup) -> (Vec<Point>, usize) {
        let mut points = vec![Point::default()];
        set(&mut points, &self.entries, |point, value| point.entry = Some(value));
        set(&mut points, &self.exits, |point, value| point.exit = Some(value));
        set(&mut points, &self.sizes, |point, value| point.size = Some(value));
        set(&mut points, &self.latencies, |point, value| point.latency = Some(value));
        set(&mut points, &self.lifetimes, |point, value| point.lifetime = Some(value));
        let all = points.len();
        points.retain(|point| is_sound(&point.apply(setup)));
        let left_out = all - points.len();
        (points, left_out)
    }

    /// Returns the number of all combinations.
    #[must_use]
    pub fn len(&self) -> usize {
        let axes = [
            self.entries.len(),
            self.exits.len(),
            self.sizes.len(),
            self.latencies.len(),
            self.lifetimes.len(),
        ];
        axes.iter().fold(1, |all: usize, values| all.saturating_mul((*values).max(1)))
    }

    /// Returns whether there is only what the setup has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }
}

fn set<T: Copy>(points: &mut Vec<Point>, values: &[T], set: impl Fn(&mut Point, T)) {
    if values.is_empty() {
        return;
    }
    let before = std::mem::take(points);
    for point in before {
        points.extend(values.iter().map(|value| {
            let mut point = point;
            set(&mut point, *value);
            point
        }));
    }
}
