//! Which venue leads, and by how much.

use super::list::{List, number, text};
use crate::facts::seconds;
use crate::kernel::lead_lag::{LeadLagResult, Leader};
use crate::report::{Cell, Kind};

fn note(of: &LeadLagResult) -> &'static str {
    if of.beyond_grid {
        "beyond the grid: widen --lag-step or --lag-steps"
    } else if of.leader.is_some() {
        "found"
    } else {
        "none found"
    }
}

impl List {
    pub(super) fn lead_lag(&mut self) {
        self.group = "lead-lag";
        self.add(
            "lead_lag_ms",
            "ms",
            "Lag of the venue that follows; positive: exchange1 leads. Empty without a leader.",
            |facts| {
                let leads = facts.lead_lag.as_ref().filter(|of| of.leader.is_some());
                number(leads.map(|of| seconds(of.peak_lag_ns) * 1e3))
            },
        );
        self.add("leader", "", "The venue that leads, unless the peak may be chance.", |facts| {
            match facts.lead_lag.as_ref().and_then(|of| of.leader) {
                Some(Leader::Exchange1) => text(Some(facts.one)),
                Some(Leader::Exchange2) => text(Some(facts.two)),
                None => Cell::None,
            }
        });
        self.holds(Kind::Text);
        self.add(
            "lead_lag_note",
            "",
            "Whether a lag was found, and what to do if it is beyond the grid.",
            |facts| text(facts.lead_lag.as_ref().map(note)),
        );
        self.holds(Kind::Text);
        self.add(
            "lead_lag_correlation",
            "",
            "Greatest Hayashi-Yoshida correlation at any lag of the grid.",
            |facts| number(facts.lead_lag.as_ref().map(|of| of.peak_correlation)),
        );
        self.add(
            "lead_lag_band",
            "",
            "A peak is beyond this in 1 % of cases by chance.",
            |facts| number(facts.lead_lag.as_ref().and_then(|of| of.band)),
        );
        self.add(
            "lead_lag_p_value",
            "",
            "Probability of such a peak at some lag by chance.",
            |facts| number(facts.lead_lag.as_ref().and_then(|of| of.p_value)),
        );
        self.add("lead_lag_ratio", "", "Above 1: exchange1 leads on the whole.", |facts| {
            number(facts.lead_lag.as_ref().and_then(|of| of.lead_lag_ratio))
        });
    }
}
