//! The balances of the account that a venue keeps for its client.

use std::collections::BTreeMap;

use crate::orders::amount::Amount;

/// The balance of one asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// What can be spent.
    pub free: Amount,
    /// What open orders hold.
    pub locked: Amount,
}

impl Balance {
    /// Returns the free and the locked part together.
    #[must_use]
    pub fn total(self) -> Amount {
        self.free + self.locked
    }
}

/// The balances by asset. No balance falls below zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    balances: BTreeMap<String, Balance>,
}

impl Account {
    /// Opens an account with these free balances.
    pub(crate) fn new(balances: impl IntoIterator<Item = (String, Amount)>) -> Account {
        let balances = balances
            .into_iter()
            .map(|(asset, free)| (asset, Balance { free, locked: Amount::ZERO }));
        Account { balances: balances.collect() }
    }

    /// Returns the balance of an asset, which is zero if the account has none of it.
    pub(crate) fn balance(&self, asset: &str) -> Balance {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    /// Returns all balances, by asset.
    pub(crate) fn balances(&self) -> impl Iterator<Item = (&str, Balance)> {
        self.balances.iter().map(|(asset, balance)| (asset.as_str(), *balance))
    }

    /// Locks a free amount for an order. Returns false, and locks nothing, if there is not enough.
    pub(crate) fn lock(&mut self, asset: &str, amount: Amount) -> bool {
        let balance = self.entry(asset);
        if balance.free < amount {
            return false;
        }
        balance.free -= amount;
        balance.locked += amount;
        true
    }

    /// Frees a locked amount.
    pub(crate) fn unlock(&mut self, asset: &str, amount: Amount) {
        let balance = self.entry(asset);
        assert!(amount <= balance.locked, "more {asset} is unlocked than was locked");
        balance.locked -= amount;
        balance.free += amount;
    }

    /// Takes a free amount out of the account. Returns false, and takes nothing, if there is not enough.
    pub(crate) fn spend(&mut self, asset: &str, amount: Amount) -> bool {
        let balance = self.entry(asset);
        if balance.free < amount {
            return false;
        }
        balance.free -= amount;
        true
    }

    /// Adds a free amount.
    pub(crate) fn credit(&mut self, asset: &str, amount: Amount) {
        self.entry(asset).free += amount;
    }

    fn entry(&mut self, asset: &str) -> &mut Balance {
        self.balances.entry(asset.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_cannot_be_spent_and_no_balance_falls_below_zero() {
        let amount = |text| Amount::parse(text).expect("a number");
        let mut account = Account::new([("USDT".to_owned(), amount("10"))]);
        assert!(account.lock("USDT", amount("7")));
        assert!(!account.lock("USDT", amount("3.01")));
        assert!(!account.spend("USDT", amount("4")));
        assert!(!account.spend("BTC", amount("1")));
        account.unlock("USDT", amount("2"));
        assert!(account.spend("USDT", amount("5")));
        account.credit("BTC", amount("1"));
        let shown: Vec<_> = account
            .balances()
            .map(|(asset, it)| format!("{asset} {} {}", it.free, it.locked))
            .collect();
        assert_eq!(shown, ["BTC 1 0", "USDT 0 5"]);
    }
}
