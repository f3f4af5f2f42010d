//! How far the other columns can be trusted: the sums of each venue, and what the two have in
//! common.

use super::list::{List, count, flag, float, number, text};
use crate::facts::{Facts, Shift};
use crate::report::Kind;
use spreadwire_market::spread::BPS;

impl List {
    pub(super) fn trust(&mut self, timed: bool) {
        self.group = "trust";
        for venue in 0..2 {
            self.venue(venue);
        }
        if !timed {
            return;
        }
        self.add(
            "sound",
            "",
            "Whether the feeds can be trusted; if not, the pair is refused.",
            |facts| flag(Some(facts.is_sound())),
        );
        self.holds(Kind::Flag);
        self.add(
            "unsound_why",
            "",
            "What was found about the feeds, reasons to refuse the pair first.",
            |facts| text(facts.unsound_why().as_deref()),
        );
        self.holds(Kind::Text);
        self.add(
            "same_asset",
            "",
            "Whether both legs are the same asset, judging by prices.",
            |facts| text(facts.same_asset()),
        );
        self.holds(Kind::Text);
        self.add(
            "minute_correlation",
            "",
            "Correlation of the minute changes of both mids.",
            |facts| number(facts.timed().and_then(|timed| timed.together.correlation())),
        );
        self.level_shifts();
    }

    fn level_shifts(&mut self) {
        self.add("level_shift", "", "Whether the deviation's level moved.", |facts| {
            flag(facts.shifts.as_ref().map(|shifts| !shifts.is_empty()))
        });
        self.holds(Kind::Flag);
        self.add("level_shifts", "", "How often it moved.", |facts| {
            count(facts.shifts.as_ref().and_then(|shifts| u64::try_from(shifts.len()).ok()))
        });
        self.holds(Kind::Count);
        self.add("level_shift_bps", "bp", "Size of the last move.", |facts| {
            number(facts.last_shift().map(|shift| shift.of.shift * BPS))
        });
        self.add("level_shift_at", "", "Time of the last move, UTC.", |facts| {
            let time = |shift: &Shift| jiff::Timestamp::from_nanosecond(shift.time_ns.into()).ok();
            text(facts.last_shift().and_then(time).map(|time| time.to_string()).as_deref())
        });
        self.holds(Kind::Text);
        self.add("level_since_bps", "bp", "Mean deviation since the last move.", |facts| {
            number(facts.last_shift().map(|shift| shift.of.level * BPS))
        });
    }

    fn venue(&mut self, venue: usize) {
        let n = venue + 1;
        let of = format!("of exchange{n}");
        let mut counts = |name: &str, meaning: &str, figure: fn(&Facts<'_>, usize) -> u64| {
            self.add(format!("{name}{n}"), "", format!("{meaning} {of}."), move |facts| {
                count(Some(figure(facts, venue)))
            });
            self.holds(Kind::Count);
        };
        counts("rows", "Number of quotes", |facts, venue| facts.venues[venue].rows);
        counts("silences", "Number of silences longer than the maximum age", |facts, venue| {
            facts.venues[venue].silences
        });
        counts("marked_gaps", "Number of gaps that the recorder marked", |facts, venue| {
            facts.venues[venue].marked_gaps
        });
        counts("crossed", "Number of quotes with the bid above the ask", |facts, venue| {
            facts.venues[venue].crossed
        });
        counts("outliers", "Number of quotes left out because they are far off", |facts, venue| {
            facts.venues[venue].outliers
        });
        let meaning =
            format!("Share of the time {of} with a fresh quote in which its price was frozen.");
        self.add(format!("frozen_share{n}"), "", meaning, move |facts| {
            let sums = facts.venues[venue];
            number((0 < sums.fresh_ns).then(|| float(sums.frozen.ns) / float(sums.fresh_ns)))
        });
        let meaning = format!("Share of the time {of} in which it had no fresh quote.");
        self.add(format!("stale_share{n}"), "", meaning, move |facts| {
            let sums = facts.venues[venue];
            number((0 < sums.span_ns()).then(|| float(sums.stale_ns) / float(sums.span_ns())))
        });
        for (tag, q) in [("p01", 0.01), ("p50", 0.5), ("p99", 0.99)] {
            let meaning = format!(
                "Receive time minus event time {of}, quantile {q}: clock difference and transit."
            );
            self.add(format!("clock_offset{n}_{tag}_ms"), "ms", meaning, move |facts| {
                number(facts.venues[venue].delays.quantile(q))
            });
        }
    }
}
