//! The options of order entry.

use std::str::FromStr;

use crate::error::SimError;
use crate::orders::amount::Amount;
use crate::orders::faults::OrderFault;
use crate::orders::keys::{ApiKey, test_keys};

/// What order entry knows at its start, and what goes wrong.
#[derive(Debug, Clone)]
pub struct OrdersOptions {
    /// API keys that may trade. The default is [`test_keys`]. All keys of a venue share its account.
    pub keys: Vec<ApiKey>,
    /// Free balances at the start. Later entries count where several are about the same. An asset that
    /// is not named here starts with `default_balance`.
    pub balances: Vec<StartingBalance>,
    /// Free balance of the other assets of the source's instruments. The default is 1,000,000.
    pub default_balance: Amount,
    /// Fee of trades of resting orders, in millionths of what they receive. The default is 1000
    /// (0.1 %).
    pub maker_fee: u32,
    /// Fee of trades of arriving orders, in millionths of what they receive. The default is 1000
    /// (0.1 %).
    pub taker_fee: u32,
    /// Scripted faults of order entry.
    pub faults: Vec<OrderFault>,
}

/// The free balance of an asset at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartingBalance {
    /// Name of the venue, or `None` for all venues.
    pub venue: Option<String>,
    /// The asset.
    pub asset: String,
    /// How much of it there is.
    pub amount: Amount,
}

impl FromStr for StartingBalance {
    type Err = SimError;

    /// Reads `ASSET=AMOUNT` or `VENUE:ASSET=AMOUNT`.
    fn from_str(text: &str) -> Result<StartingBalance, SimError> {
        let wrong = || {
            let why = "expected ASSET=AMOUNT or VENUE:ASSET=AMOUNT, as in BTC=2.5";
            SimError::Option(format!("balance {text:?}: {why}"))
        };
        let (place, amount) = text.split_once('=').ok_or_else(wrong)?;
        let (venue, asset) = match place.split_once(':') {
            Some((venue, asset)) => (Some(venue.to_owned()), asset),
            None => (None, place),
        };
        let amount = Amount::parse(amount).filter(|amount| Amount::ZERO <= *amount);
        let amount = amount.filter(|_| !asset.is_empty()).ok_or_else(wrong)?;
        Ok(StartingBalance { venue, asset: asset.to_owned(), amount })
    }
}

impl OrdersOptions {
    /// Returns an error if a fee is more than all that a trade receives.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        let highest = self.maker_fee.max(self.taker_fee);
        if highest <= 1_000_000 {
            return Ok(());
        }
        let why = format!("a fee of {highest} millionths is more than 1000000");
        Err(SimError::Option(why))
    }
}

impl Default for OrdersOptions {
    fn default() -> OrdersOptions {
        OrdersOptions {
            keys: test_keys(),
            balances: Vec::new(),
            default_balance: Amount::parse("1000000").unwrap_or_default(),
            maker_fee: 1_000,
            taker_fee: 1_000,
            faults: Vec::new(),
        }
    }
}
