//! The options of order entry.

use crate::orders::amount::Amount;
use crate::orders::faults::OrderFault;
use crate::orders::keys::{ApiKey, test_keys};

/// What order entry knows at its start, and what goes wrong.
#[derive(Debug, Clone)]
pub struct OrdersOptions {
    /// API keys that may trade. The default is [`test_keys`]. All keys of a venue share its account.
    pub keys: Vec<ApiKey>,
    /// Free balances of the account on each venue at the start, by asset. An asset that is not named
    /// here starts with `default_balance`.
    pub balances: Vec<(String, Amount)>,
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
