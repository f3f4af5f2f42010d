//! The trader on paper that a plan asks for.

use super::Plan;
use spreadwire_catalogue::trading::TradingPlan;
use spreadwire_lake::layout;
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::trader::Trader;
use std::path::PathBuf;

/// Name of the kill file in the folder of the journal of decisions.
const KILL: &str = "kill";

impl Plan {
    /// Makes a trader that goes by the plan, and has restored nothing yet.
    #[must_use]
    pub fn trader(&self, trading: &TradingPlan, kill: KillSwitch) -> Trader {
        let (thresholds, settings) = (self.decision.clone(), trading.settings.clone());
        Trader::new(&self.catalogue, thresholds, settings, kill, 1)
            .acting_within(self.decision_max_age)
    }

    /// Returns the folder of the journal of decisions.
    #[must_use]
    pub fn decisions(&self, trading: &TradingPlan) -> PathBuf {
        trading.journal.clone().unwrap_or_else(|| self.lake.join(layout::TRADING))
    }

    /// Returns the file that tells the state of the trading, written once a second.
    #[must_use]
    pub fn status(&self, trading: &TradingPlan) -> PathBuf {
        self.decisions(trading).join(layout::TRADING_STATUS)
    }

    /// Returns the file that keeps the kill switch on while it exists.
    #[must_use]
    pub fn kill_file(&self, trading: &TradingPlan) -> PathBuf {
        trading.kill_file.clone().unwrap_or_else(|| self.decisions(trading).join(KILL))
    }
}
