//! What the pair's best direction and threshold captured.

use super::list::{List, number};
use crate::kernel::episode::Episodes;
use crate::report::{Cell, Kind};

impl List {
    pub(super) fn best(&mut self) {
        self.group = "capturable";
        self.add(
            "capture_per_day",
            "quote/day",
            "Expected capture of the best direction and threshold.",
            |facts| {
                let nothing = facts.timed().map(|_| 0.0);
                number(facts.best.map(|best| best.capture).or(nothing))
            },
        );
        self.add("best_direction", "", "Venues to buy and to sell on for that capture.", |facts| {
            let names = |buy: &str, sell: &str| Cell::Text(format!("buy {buy} sell {sell}"));
            match facts.best.map(|best| best.direction) {
                Some(0) => names(facts.one, facts.two),
                Some(_) => names(facts.two, facts.one),
                None => Cell::None,
            }
        });
        self.holds(Kind::Text);
        self.add(
            "best_threshold_bps",
            "bp",
            "Net spread from which to enter for that capture.",
            |facts| number(facts.best.map(|best| facts.settings.thresholds_bps[best.threshold])),
        );
        self.of_best("capture_bps", "bp", "Mean net spread that those orders met.", |episodes| {
            number(episodes.mean_met_bps())
        });
        self.of_best(
            "still_there_share",
            "",
            "Share of those orders that still paid on arrival.",
            |episodes| number(episodes.still_there_share()),
        );
        self.of_best("orders", "", "Number of those orders that arrived.", |of| {
            Cell::Count(of.arrived)
        });
        self.holds(Kind::Count);
    }

    fn of_best(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        cell: impl Fn(&Episodes) -> Cell + Send + Sync + 'static,
    ) {
        self.add(name, unit, meaning, move |facts| {
            let best = facts.best.and_then(|best| facts.episodes(best.direction, best.threshold));
            best.map_or(Cell::None, &cell)
        });
    }
}
