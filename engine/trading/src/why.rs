//! Why a spread above its threshold led to no order.

use spreadwire_market::coded;

coded! {
    /// The reason that binds: the first that is found, in this order of looking.
    pub enum Why {
        /// Records were missed, and the decision has not caught up yet.
        NotInStep = 0 => "not_in_step",
        /// The approval of the pair has expired.
        Expired = 1 => "expired",
        /// The pair closed a moment ago.
        Cooldown = 2 => "cooldown",
        /// The spread has waited too long to be acted on.
        TooOld = 3 => "too_old",
        /// The opportunity was acted on already.
        ActedOn = 4 => "acted_on",
        /// The opportunity is younger than the least lifetime.
        Young = 5 => "young",
        /// The net is so large that a quote is taken for a mistake.
        Implausible = 6 => "implausible",
        /// The kill switch is on.
        Killed = 7 => "killed",
        /// The books differ from what a venue says, until a person adopts what is there.
        NotReconciled = 8 => "not_reconciled",
        /// The gateway to a venue has no connection.
        GatewayDown = 9 => "gateway_down",
        /// The instrument has a residual that is not hedged.
        Residual = 10 => "residual",
        /// The pair has a deal that is not over.
        DealOpen = 11 => "deal_open",
        /// As many deals are open as may be.
        OpenDeals = 12 => "open_deals",
        /// As many deals in a row have failed as may, until a person resumes.
        Failures = 13 => "failures",
        /// The day has lost as much as it may.
        LossPerDay = 14 => "loss_per_day",
        /// The books are as far below their peak as they may be, until a person resumes.
        Drawdown = 15 => "drawdown",
        /// As many orders went to a venue within a second as may.
        OrderRate = 16 => "order_rate",
        /// A venue has no terms for the instrument.
        NoTerms = 17 => "no_terms",
        /// What is displayed, and not claimed yet, is below the smallest order.
        Displayed = 18 => "displayed",
        /// The largest order is below the smallest that the venues take.
        OrderSize = 19 => "order_size",
        /// The limit of the instrument leaves no room for the smallest order.
        InstrumentExposure = 20 => "instrument_exposure",
        /// The limit of a venue leaves no room for the smallest order.
        VenueExposure = 21 => "venue_exposure",
        /// The limit of all leaves no room for the smallest order.
        TotalExposure = 22 => "total_exposure",
        /// The buy venue has too little to pay with.
        BuyBalance = 23 => "buy_balance",
        /// The sell venue has too little to sell.
        SellBalance = 24 => "sell_balance",
        /// The journal of decisions is behind.
        JournalBehind = 25 => "journal_behind",
    }
}

/// How often each reason bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot([u64; Why::ALL.len()]);

impl Default for WhyNot {
    fn default() -> WhyNot {
        WhyNot([0; Why::ALL.len()])
    }
}

impl WhyNot {
    /// Counts a spread that was not acted on.
    #[inline]
    pub fn count(&mut self, why: Why) {
        self.0[usize::from(why.code())] += 1;
    }

    /// Returns how often a reason bound.
    #[must_use]
    pub fn of(&self, why: Why) -> u64 {
        self.0[usize::from(why.code())]
    }

    /// Returns the sum of all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the reasons that bound at all, the most frequent first.
    #[must_use]
    pub fn ranked(&self) -> Vec<(Why, u64)> {
        let counts = Why::ALL.into_iter().map(|why| (why, self.of(why)));
        let mut ranked: Vec<_> = counts.filter(|(_, count)| 0 < *count).collect();
        ranked.sort_by_key(|(why, count)| (std::cmp::Reverse(*count), *why));
        ranked
    }
}

const _: () = {
    let mut place = 0;
    while place < Why::ALL.len() {
        assert!(Why::ALL[place] as usize == place, "codes are indexes of the counts");
        place += 1;
    }
};
