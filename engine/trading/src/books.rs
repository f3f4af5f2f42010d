//! What is held at each venue, and where it came from.
//!
//! For each venue and asset, at any time: balance = what it began with + what was adopted + what
//! trades brought - fees. The four are kept apart, so that a test, or a person, can add them up.

use crate::amount::{Amount, Rounding};
use crate::order::{Fill, Side};
use crate::settings::Settings;
use crate::terms::{AssetId, Settlement, Terms};
use spreadwire_market::instrument::VenueId;

/// What is held of an asset at a venue, and where it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What the books began with.
    pub funded: Amount,
    /// What was adopted since, because a venue said so and a person agreed.
    pub adopted: Amount,
    /// What trades brought, below 0 where they took.
    pub traded: Amount,
    /// What was paid as fees; below 0 where rebates were more.
    pub fees: Amount,
    /// What orders in flight may still take.
    pub reserved: Amount,
}

impl Account {
    /// Returns what is there.
    #[must_use]
    pub fn balance(&self) -> Amount {
        self.funded + self.adopted + self.traded - self.fees
    }

    /// Returns what is there and not reserved.
    #[must_use]
    pub fn free(&self) -> Amount {
        self.balance() - self.reserved
    }
}

/// What an order may take from a venue's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The asset.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}

/// The accounts of all venues and assets, and the volume that each venue saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    assets: usize,
    /// Indexed by venue and asset.
    accounts: Vec<Account>,
    /// Traded notional by venue, in the currency of the books.
    volumes: Vec<Amount>,
}

impl Books {
    /// Creates empty books. All memory is allocated here.
    #[must_use]
    pub fn new(settings: &Settings) -> Books {
        let assets = settings.assets.len();
        let accounts = vec![Account::default(); settings.venues.len() * assets];
        Books { assets, accounts, volumes: settings.venues.iter().map(|v| v.volume).collect() }
    }

    /// Forgets what orders in flight may still take.
    #[must_use]
    pub fn without_reservations(mut self) -> Books {
        self.accounts.iter_mut().for_each(|account| account.reserved = Amount::ZERO);
        self
    }

    /// Returns the account of an asset at a venue.
    #[must_use]
    #[inline]
    pub fn account(&self, venue: VenueId, asset: AssetId) -> &Account {
        &self.accounts[venue.index() * self.assets + asset.index()]
    }

    /// As [`account`](Books::account), to change it.
    #[inline]
    pub fn account_mut(&mut self, venue: VenueId, asset: AssetId) -> &mut Account {
        &mut self.accounts[venue.index() * self.assets + asset.index()]
    }

    /// Returns the fee of a venue at the volume so far, millionths.
    #[must_use]
    pub fn fee(&self, settings: &Settings, venue: VenueId) -> i64 {
        settings.venues[venue.index()].fee(self.volumes[venue.index()])
    }

    /// Returns what an order may take at most: quote currency for a purchase, the base for a sale.
    /// `None` for a sale of a position, which needs nothing to be there.
    #[must_use]
    pub fn claim(
        &self,
        settings: &Settings,
        terms: &Terms,
        venue: VenueId,
        side: Side,
        px: i64,
        sz: i64,
    ) -> Option<Claim> {
        match side {
            Side::Buy => {
                let notional = terms.notional(px, sz, Side::Buy);
                let fee = notional.times(self.fee(settings, venue).max(0), Rounding::Up);
                Some(Claim { asset: terms.quote, amount: notional + fee })
            }
            Side::Sell if terms.settlement == Settlement::Spot => {
                Some(Claim { asset: terms.base, amount: terms.size(sz) })
            }
            Side::Sell => None,
        }
    }

    /// Books a fill: what it moved, its fee, and its volume. Returns the fee in the currency of the
    /// books, `None` if its asset is unknown or cannot be valued: such a fee is booked, not valued.
    pub fn book(&mut self, settings: &Settings, terms: &Terms, fill: &Fill) -> Option<Amount> {
        let Fill { venue, side, px, sz, .. } = *fill;
        let notional = terms.notional(px, sz, side);
        let (base, quote) = match side {
            Side::Buy => (terms.size(sz), -notional),
            Side::Sell => (-terms.size(sz), notional),
        };
        self.account_mut(venue, terms.base).traded += base;
        self.account_mut(venue, terms.quote).traded += quote;
        if let Some(value) = settings.value(notional, terms.quote, Rounding::Down) {
            self.volumes[venue.index()] += value;
        }
        if fill.fee == Amount::ZERO {
            return Some(Amount::ZERO);
        }
        let asset = settings.assets.find(fill.fee_asset)?;
        self.account_mut(venue, asset).fees += fill.fee;
        if asset == terms.base {
            let in_quote = fill.fee.at_price(px, terms.px_scale, Rounding::Up);
            return settings.value(in_quote, terms.quote, Rounding::Up);
        }
        settings.value(fill.fee, asset, Rounding::Up)
    }
}
