//! Mean reversion: half-life, unit root, variance ratio and Hurst exponent.

use super::list::{Comparison, List, Source, count, float, number};
use crate::facts::Facts;
use crate::kernel::reversion::WINDOWS;
use crate::report::Kind;
use crate::statistics::ou::HalfLife;
use spreadwire_market::spread::BPS;

impl List {
    fn half_life(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        cell: impl Fn(HalfLife) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.add(name, unit, meaning, move |facts| {
            let sampling = facts.sampling_s();
            number(facts.timed().and_then(|t| t.reversion.half_life(0, sampling)).and_then(&cell))
        });
    }

    pub(super) fn reversion(&mut self) {
        self.group = "mean reversion";
        self.half_life(
            "half_life_s",
            "s",
            "Half-life of ln(mid1/mid2), by maximum likelihood.",
            |h| Some(h.half_life_s),
        );
        self.half_life("half_life_low_s", "s", "Lower end of its 95 % interval.", |h| {
            Some(h.low_s)
        });
        self.half_life(
            "half_life_high_s",
            "s",
            "Upper end of its 95 % interval; empty if there is none.",
            |h| h.high_s,
        );
        self.half_life("level_bps", "bp", "The level to which it reverts.", |h| Some(h.mean * BPS));
        self.half_life(
            "level_sd_bps",
            "bp",
            "Stationary standard deviation around that level.",
            |h| Some(h.sd * BPS),
        );
        let meaning =
            "Verdict: reversion, quote noise, or none; none unless the q-value is below 5 %.";
        let verdict = Source::Across(Comparison::Reversion);
        self.push("reversion".to_owned(), "", meaning.to_owned(), verdict);
        self.holds(Kind::Text);
        self.robust();
        self.add(
            "half_lives",
            "",
            "Half-lives observed; below 10 the half-life is meaningless.",
            |facts| {
                let of = |f: &Facts<'_>| {
                    let (reversion, sampling) = (&f.timed()?.reversion, f.sampling_s());
                    let found = reversion.half_life(0, sampling)?;
                    Some(reversion.half_lives_observed(found.half_life_s, sampling))
                };
                number(of(facts))
            },
        );
        self.dickey_fuller();
        for q in WINDOWS {
            self.variance_ratio(q);
        }
        self.add("hurst", "", "Hurst exponent (DFA-1); 0.5: a random walk.", |facts| {
            number(facts.timed().and_then(|t| t.reversion.hurst()))
        });
    }

    fn robust(&mut self) {
        self.add("half_life_robust_s", "s", "Half-life with quote noise removed.", |facts| {
            number(facts.robust.map(|robust| robust.half_life_s))
        });
        self.add("half_life_robust_low_s", "s", "Lower end of its 95 % interval.", |facts| {
            number(facts.robust_interval.map(|(low, _)| low))
        });
        self.add("half_life_robust_high_s", "s", "Upper end of its 95 % interval.", |facts| {
            number(facts.robust_interval.map(|(_, high)| high))
        });
        self.add(
            "noise_share",
            "",
            "Share of the samples' variance that is quote noise.",
            |facts| number(facts.robust.map(|robust| robust.noise_share)),
        );
    }

    fn dickey_fuller(&mut self) {
        self.add(
            "adf_statistic",
            "",
            "Augmented Dickey-Fuller statistic of block means, with a constant.",
            |facts| number(facts.unit_root.map(|adf| adf.statistic)),
        );
        self.add("adf_p_value", "", "Its p-value (MacKinnon).", |facts| {
            number(facts.unit_root.map(|adf| adf.p_value))
        });
        let meaning = "The p-value adjusted over all pairs (Benjamini-Hochberg).".to_owned();
        let q_value = Source::Across(Comparison::AdfQValue);
        self.push("adf_q_value".to_owned(), "", meaning, q_value);
        self.add("adf_lags", "", "Number of lags, chosen by the data.", |facts| {
            count(facts.unit_root.map(|adf| adf.lags.into()))
        });
        self.holds(Kind::Count);
        self.add("adf_block_s", "s", "Length of a block.", |facts| {
            let width = facts.timed().map(|timed| float(timed.reversion.blocks().width()));
            number(facts.unit_root.and(width).map(|width| width * facts.sampling_s()))
        });
    }

    fn variance_ratio(&mut self, q: u32) {
        let meaning = format!("Variance ratio over {q} samples; below 1: reversion.");
        self.add(format!("variance_ratio_{q}"), "", meaning, move |facts| {
            let ratios = facts.timed().map(|t| t.reversion.variance_ratios()).unwrap_or_default();
            number(ratios.iter().find(|ratio| ratio.q == q).map(|ratio| ratio.ratio))
        });
        let meaning = "Robust z of that ratio.".to_owned();
        self.add(format!("variance_ratio_{q}_z"), "", meaning, move |facts| {
            let ratios = facts.timed().map(|t| t.reversion.variance_ratios()).unwrap_or_default();
            number(ratios.iter().find(|ratio| ratio.q == q).map(|ratio| ratio.z))
        });
    }
}
