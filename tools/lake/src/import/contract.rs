//! What a contract is, for files whose sizes are numbers of contracts.

use clap::ValueEnum;
use spreadwire_market::decimal;

/// The unit of a contract's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContractUnit {
    /// The base asset, such as 0.01 BTC.
    Base,
    /// The quote currency, such as 100 USD: an inverse contract.
    Quote,
}

/// What a contract is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Mantissa of its size.
    pub(super) size: i64,
    /// Decimals of its size.
    pub(super) scale: u8,
    /// Of what.
    pub(super) unit: ContractUnit,
}

impl Contract {
    /// Decimals of sizes where a division gives them: enough for a hundredth of a cent of any asset.
    pub(super) const QUOTE_SIZE_DECIMALS: u8 = 8;

    /// Parses a size.
    ///
    /// # Errors
    /// If it is not a number above 0.
    pub fn parse(text: &str, unit: ContractUnit) -> Result<Contract, String> {
        let scale = decimal::significant(text);
        let size = decimal::parse(text.as_bytes(), scale).ok().filter(|size| 0 < *size);
        let size = size.ok_or_else(|| format!("{text:?} is not a number above 0"))?;
        Ok(Contract { size, scale, unit })
    }

    /// Returns the decimals of a size that is a number of contracts with so many decimals.
    pub(super) fn size_decimals(self, decimals: u8) -> u8 {
        match self.unit {
            ContractUnit::Base => decimals.saturating_add(self.scale),
            ContractUnit::Quote => Contract::QUOTE_SIZE_DECIMALS,
        }
    }

    /// Returns it in words, for the name of a run.
    pub(super) fn told(self) -> String {
        let unit = match self.unit {
            ContractUnit::Base => "base",
            ContractUnit::Quote => "quote",
        };
        format!("{} {unit}", decimal::to_text(self.size, self.scale))
    }
}

/// The contracts of symbols; an empty symbol stands for all others.
#[derive(Clone, Debug, Default)]
pub struct Contracts(pub Vec<(String, Contract)>);

impl Contracts {
    /// Returns the contract of a symbol.
    pub(super) fn of(&self, symbol: &str) -> Option<Contract> {
        let find = |name: &str| self.0.iter().find(|(known, _)| known == name);
        find(symbol).or_else(|| find("")).map(|(_, contract)| *contract)
    }
}
