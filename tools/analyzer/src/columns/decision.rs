//! What was decided about the pair, and the money of its strategy.

use super::list::{Comparison, List, Source, count, number};
use crate::facts::Facts;
use crate::report::{Cell, Decision, Kind, Played};

impl List {
    pub(super) fn decision(&mut self) {
        self.group = "decision";
        for (name, meaning, comparison) in [
            (
                "verdict",
                "Whether the pair is recommended, refused or unsound.",
                Comparison::Verdict,
            ),
            ("why", "Why, in words.", Comparison::Why),
        ] {
            self.push(name.to_owned(), "", meaning.to_owned(), Source::Across(comparison));
            self.holds(Kind::Text);
        }
        self.rates();
        self.of_decision("events", "Events of the strategy: deals that belong together.", |of| {
            Cell::Count(u64::from(of.events))
        });
        self.holds(Kind::Count);
        self.of_decision("held_out_per_day", "Profit per day in the held-out part.", |of| {
            number(of.held_out_per_day)
        });
        self.of_decision("held_out_events", "Events in the held-out part.", |of| {
            count(of.held_out_events.map(u64::from))
        });
        self.holds(Kind::Count);
        self.push(
            "luck_q_value".to_owned(),
            "",
            "Chance that the best strategy earns so much by luck, adjusted over all pairs."
                .to_owned(),
            Source::Across(Comparison::LuckQValue),
        );
        self.strategy();
    }

    fn rates(&mut self) {
        let unit = "quote/day";
        let mut add = |name: &str, meaning: &str, figure: fn(&Decision) -> Option<f64>| {
            self.add(name, unit, meaning, move |facts| number(facts.decision().and_then(figure)));
        };
        let low = "Profit per day that choosing by the past would have earned, lower end of the 90 % interval.";
        add("per_day_low", low, |of| of.per_day_low);
        add("per_day", "Its mean.", |of| of.per_day);
        add("per_day_high", "Its upper end.", |of| of.per_day_high);
        let next = "Profit of one day to come, lower end of the 90 % interval.";
        add("next_day_low", next, |of| of.next_day_low);
        add("next_day_high", "Its upper end.", |of| of.next_day_high);
    }

    fn of_decision(&mut self, name: &str, meaning: &str, cell: fn(&Decision) -> Cell) {
        self.add(name, "", meaning, move |facts| facts.decision().map_or(Cell::None, cell));
    }

    fn strategy(&mut self) {
        self.text_of("model", "How its positions end: inventory or convergence.", |of| {
            of.trade.model.clone()
        });
        self.text_of("direction", "Venues to buy and to sell on.", |of| {
            let of = &of.trade;
            let reverse = if of.both_ways { ", and the reverse" } else { "" };
            format!("buy {} sell {}{reverse}", of.buy, of.sell)
        });
        self.figure("entry_bps", "bp", "Net spread to enter at.", |of| Some(of.trade.entry_bps));
        let lowest = "Lowest entry that earned something, by the same model in the same direction.";
        self.figure("entry_bps_min", "bp", lowest, |of| Some(of.trade.entry_bps_min));
        let highest = "Highest entry that did.";
        self.figure("entry_bps_max", "bp", highest, |of| Some(of.trade.entry_bps_max));
        self.figure("exit_bps", "bp", "Net spread below which it leaves.", |of| {
            Some(of.trade.exit_bps)
        });
        self.count_of("deals", "Deals that have ended.", |of| of.deals);
        let first = "Share of them that bought on exchange1 and sold on exchange2.";
        self.figure("deals_12_share", "", first, |of| Some(of.trade.first_share));
        self.figure("profit", "quote", "Profit of all of them, after fees.", |of| Some(of.profit));
        self.figure("won_share", "", "Share of them that left something.", |of| of.won_share);
        let met = "Share of its decisions that met the net spread that they were decided on.";
        self.figure("still_there_share", "", met, |of| of.still_there_share);
        self.count_of("missed", "Decisions of which neither order was filled.", |of| of.missed);
        self.count_of("hedged", "Deals of which one leg had to be hedged.", |of| of.hedged);
        self.count_of("day_ends", "Deals that the end of a day closed.", |of| of.day_ends);
        let fall = "Largest fall of the profit below its highest value so far.";
        self.figure("drawdown", "quote", fall, |of| Some(of.drawdown));
        let worst = "The least that closing one deal would have left at any time.";
        self.figure("worst_excursion", "quote", worst, |of| Some(of.worst));
        self.figure("hours_held", "h", "Time in which a position was held.", |of| {
            Some(of.hours_held)
        });
        let fee = "Taker fee of each trade at which nothing would be left.";
        self.figure("break_even_fee_bps", "bp", fee, |of| of.break_even_fee_bps);
    }

    fn figure(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        figure: fn(&Played) -> Option<f64>,
    ) {
        self.add(name, unit, meaning, move |facts| number(played(facts).and_then(figure)));
    }

    fn count_of(&mut self, name: &str, meaning: &str, figure: fn(&Played) -> u64) {
        self.add(name, "", meaning, move |facts| count(played(facts).map(figure)));
        self.holds(Kind::Count);
    }

    fn text_of(&mut self, name: &str, meaning: &str, of: fn(&Played) -> String) {
        self.add(name, "", meaning, move |facts| {
            played(facts).map_or(Cell::None, |played| Cell::Text(of(played)))
        });
        self.holds(Kind::Text);
    }
}

fn played<'a>(facts: &'a Facts<'_>) -> Option<&'a Played> {
    facts.decision()?.strategy.as_ref()
}
