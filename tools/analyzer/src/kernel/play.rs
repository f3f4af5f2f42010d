//! Plays the trader on paper over one pair of venues: a grid of strategies, each on its own.
//!
//! An opportunity opens and closes by the trader's own thresholds, two orders are sent, and each meets what
//! its venue displays when it arrives, by the same functions as the trader's execution on paper
//! ([`spreadwire_market::decision::Thresholds`], [`spreadwire_market::execution::Level`]). A leg that was
//! filled further than the other one is completed, or traded back, within a band. What is held at the end
//! of the unit is closed at what that costs, so that every position ends. A test compares each order with
//! those of the trader.
//!
//! Between the triggers of all strategies nothing is done, whatever the quotes do.

use crate::kernel::legs::Leg;
use crate::kernel::play::account::Funds;
use crate::kernel::play::book::{Looked, Pair};
use crate::kernel::play::ledger::{Played, Tried};
use crate::kernel::play::player::Player;
use crate::kernel::play::strategy::Strategy;
use spreadwire_market::decision::Thresholds;
use spreadwire_market::execution::Exit;
use spreadwire_market::spread::FeeFactors;

mod account;
mod book;
mod deal;
pub mod ledger;
mod player;
mod settings;
pub mod strategy;

pub use settings::PlaySettings;

/// The settings of one pair.
#[derive(Clone, Debug)]
pub struct PlayTerms {
    /// What the strategies have in common.
    pub settings: PlaySettings,
    /// Taker fees of the two venues.
    pub fees: [FeeFactors; 2],
    /// Time from sending an order to its arrival, by venue, in ns.
    pub latency: [i64; 2],
    /// Largest size of one order, in the quote currency.
    pub size: f64,
}

/// A strategy with everybody who plays it: the first at the size and latency that are configured, the others
/// each with one of the two changed.
#[derive(Clone, Debug)]
struct Group {
    strategy: Strategy,
    thresholds: Thresholds,
    /// By direction, whether an opportunity is open.
    open: [bool; 2],
    players: Vec<Player>,
}

/// The play of one pair over one unit.
#[derive(Clone, Debug)]
pub struct Play {
    terms: PlayTerms,
    groups: Vec<Group>,
    /// By direction, the net spread from which something happens, and below which something does.
    rise: [f64; 2],
    fall: [f64; 2],
    /// When something happens whatever the quotes do, in ns since 1970.
    due: i64,
    /// Whether every row counts, not only those at which a price changes.
    is_busy: bool,
    /// By direction, the net spread that holds.
    net: [f64; 2],
    /// By direction, the least net spread since positions were last marked.
    least: [f64; 2],
    pair: Pair,
}

impl Play {
    /// Starts a unit in which nothing has happened.
    #[must_use]
    pub fn new(terms: PlayTerms) -> Play {
        let first = terms.settings.entries_bps.iter().copied().fold(f64::INFINITY, f64::min);
        let wakes = first / spreadwire_market::spread::BPS;
        Play {
            groups: Vec::new(),
            rise: [wakes; 2],
            fall: [f64::NEG_INFINITY; 2],
            due: i64::MAX,
            is_busy: false,
            net: [f64::NAN; 2],
            least: [f64::INFINITY; 2],
            pair: Pair::new(terms.fees),
            terms,
        }
    }

    /// Notes, at the beginning of a unit, the spreads at which the unit before has ended: what was open then
    /// was acted on then.
    pub fn goes_on(&mut self, legs: &[Leg; 2], net: [f64; 2]) {
        if (0..2).any(|direction| self.rise[direction] <= net[direction]) {
            self.wake(legs);
            for group in &mut self.groups {
                group.goes_on(net);
            }
            self.settle();
        }
    }

    /// Returns whether a state of the pair can change anything.
    #[inline]
    #[must_use]
    pub fn cares(&self, net: [f64; 2]) -> bool {
        let one = |d: usize| self.rise[d] <= net[d] || net[d] < self.fall[d];
        one(0) || one(1) || self.is_busy
    }

    /// Returns whether a strategy has had something to do.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Returns whether every row counts.
    #[inline]
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Notes that prices have changed, and what both directions are worth now.
    #[inline]
    pub fn moved(&mut self, prices: [bool; 4], net: [f64; 2]) {
        for (count, moved) in self.pair.moves.iter_mut().zip(prices) {
            *count += u32::from(moved);
        }
        self.net = net;
        self.least = [self.least[0].min(net[0]), self.least[1].min(net[1])];
    }

    /// Takes the live state of the pair from `now` on, in ns since 1970.
    pub fn take(&mut self, now: i64, legs: &[Leg; 2], net: [f64; 2]) {
        if self.groups.is_empty() {
            self.wake(legs);
        }
        let looked = self.pair.look(now, legs, true);
        self.mark();
        for group in &mut self.groups {
            group.take(&looked, net);
        }
        self.settle();
    }

    /// Notes that a leg is not live: opportunities are over.
    pub fn dies(&mut self) {
        if self.groups.iter().any(|group| group.open != [false; 2]) {
            for group in &mut self.groups {
                group.close(0);
                group.close(1);
            }
            self.settle();
        }
    }

    /// Does what is due before `end`, at the quotes that stand until then. `live` says whether they do.
    #[inline]
    pub fn pass(&mut self, end: i64, legs: &[Leg; 2], live: bool) {
        if self.due < end {
            self.act(end, legs, live);
        }
    }

    #[inline(never)]
    fn act(&mut self, end: i64, legs: &[Leg; 2], live: bool) {
        let looked = self.pair.look(0, legs, live);
        self.mark();
        for player in self.groups.iter_mut().flat_map(|group| &mut group.players) {
            while player.due() < end {
                player.act(&looked);
            }
        }
        self.settle();
    }

    /// Ends the unit: what is under way is not filled, and what is held is closed at the last quotes.
    #[must_use]
    pub fn finish(mut self, end: i64, legs: &[Leg; 2]) -> Played {
        let looked = self.pair.look(end, legs, true);
        self.mark();
        let tried = self.groups.into_iter().map(|group| {
            let Group { strategy, players, .. } = group;
            let mut tried = Tried { strategy, ..Tried::default() };
            for (place, mut player) in players.into_iter().enumerate() {
                player.finish(&looked, self.terms.settings.transfer);
                if place == 0 {
                    (tried.deals, tried.orders) = player.take_ledger();
                    tried.counts = player.counts;
                }
                tried.variants.push(player.totals);
            }
            tried
        });
        Played { tried: tried.collect() }
    }

    /// Lets positions know how low the net spread of closing them has been.
    fn mark(&mut self) {
        let least = std::mem::replace(&mut self.least, [f64::INFINITY; 2]);
        for player in self.groups.iter_mut().flat_map(|group| &mut group.players) {
            player.mark(least);
        }
    }

    /// Sets up all strategies, the first time that one of them has something to do.
    fn wake(&mut self, legs: &[Leg; 2]) {
        let PlayTerms { settings, fees, latency, size } = &self.terms;
        let funds = Funds::of(settings.inventory, legs);
        let strategies = strategy::all(settings, *fees);
        self.groups = strategies
            .into_iter()
            .map(|strategy| {
                let player = |latency: [i64; 2], size: f64, keeps: bool| {
                    Player::new(strategy, settings, (latency, size), funds, keeps)
                };
                let mut players = vec![player(*latency, *size, true)];
                let latencies = settings.latencies_ns.iter();
                players.extend(latencies.map(|other| player([*other; 2], *size, false)));
                let sizes = settings.sizes.iter();
                players.extend(sizes.map(|factor| player(*latency, size * factor, false)));
                Group { strategy, thresholds: strategy.thresholds(), open: [false; 2], players }
            })
            .collect();
    }

    /// Finds the next triggers.
    fn settle(&mut self) {
        (self.rise, self.fall) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        (self.due, self.is_busy) = (i64::MAX, false);
        for group in &self.groups {
            let is_held = group.players.iter().any(Player::holds);
            for direction in group.strategy.directions() {
                let Thresholds { entry, exit } = group.thresholds;
                let waits = |player: &Player| player.waits(direction);
                let (rise, fall) = (&mut self.rise[direction], &mut self.fall[direction]);
                let is_waiting = group.open[direction] && group.players.iter().any(waits);
                self.is_busy |= is_waiting;
                if !group.open[direction] || is_waiting {
                    *rise = rise.min(entry);
                }
                self.is_busy |= is_held && self.net[direction] < exit;
                if group.open[direction] || is_held {
                    *fall = fall.max(exit);
                }
            }
            for player in &group.players {
                self.due = self.due.min(player.due());
                self.is_busy |= player.is_busy();
            }
        }
    }
}

impl Group {
    fn goes_on(&mut self, net: [f64; 2]) {
        for direction in self.strategy.directions() {
            self.open[direction] = self.thresholds.opens(net[direction]);
            if self.open[direction] {
                self.players.iter_mut().for_each(|player| player.acted(direction));
            }
        }
    }

    fn close(&mut self, direction: usize) {
        if std::mem::take(&mut self.open[direction]) {
            self.players.iter_mut().for_each(|player| player.closed(direction));
        }
    }

    /// Takes a live state, in the order in which the trader does: the opportunity, then the exit.
    fn take(&mut self, looked: &Looked<'_>, net: [f64; 2]) {
        for direction in self.strategy.directions() {
            let net = net[direction];
            if !self.open[direction] {
                self.open[direction] = self.thresholds.opens(net);
            } else if !self.thresholds.holds(net) {
                self.close(direction);
            }
            if self.open[direction] && self.thresholds.opens(net) {
                self.players.iter_mut().for_each(|player| player.consider(direction, net, looked));
            }
            if self.strategy.model == Exit::Convergence && !self.thresholds.holds(net) {
                self.players.iter_mut().for_each(|player| player.converge(direction, looked));
            }
        }
    }
}
