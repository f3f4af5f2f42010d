//! Comparing the books with what the venues say.

use crate::amount::Amount;
use crate::desk::Desk;
use crate::entry::{Event, Halt};
use crate::order::AssetName;
use crate::settings::Settings;
use crate::terms::{AssetId, Settlement};
use spreadwire_market::instrument::VenueId;

/// A balance that is not the same in the books and at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The venue.
    pub venue: VenueId,
    /// The asset.
    pub asset: AssetName,
    /// Balance in the books.
    pub booked: Amount,
    /// Balance at the venue.
    pub there: Amount,
}

/// What is known of a venue.
#[derive(Clone, Debug)]
struct Venue {
    is_up: bool,
    /// Whether the books were compared since the connection was made.
    is_done: bool,
    /// Whether the books have begun with what it holds.
    is_funded: bool,
    /// Balances by asset, as it said them since it was asked.
    said: Vec<Option<Amount>>,
}

/// What all venues say.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    venues: Vec<Venue>,
    /// Assets that are positions, which venues do not state as balances.
    positions: Vec<bool>,
}

impl Reconciliation {
    /// Creates one in which nothing was heard.
    #[must_use]
    pub fn new(settings: &Settings) -> Reconciliation {
        let said = vec![None; settings.assets.len()];
        let venue = Venue { is_up: false, is_done: false, is_funded: false, said };
        let mut positions = vec![false; settings.assets.len()];
        for terms in settings.terms.iter().flatten() {
            positions[terms.base.index()] |= terms.settlement == Settlement::Position;
        }
        Reconciliation { venues: vec![venue; settings.venues.len()], positions }
    }

    /// Takes every venue for up and compared.
    pub(crate) fn trust(&mut self) {
        for venue in &mut self.venues {
            (venue.is_up, venue.is_done, venue.is_funded) = (true, true, true);
        }
    }

    /// Notes that a connection is up or down. What was compared before is compared again.
    pub(crate) fn connection(&mut self, venue: VenueId, is_up: bool) {
        let venue = &mut self.venues[venue.index()];
        (venue.is_up, venue.is_done) = (is_up, false);
        venue.said.fill(None);
    }

    /// Notes a balance; one of an asset that is not traded is of no interest.
    pub(crate) fn balance(
        &mut self,
        venue: VenueId,
        asset: AssetName,
        total: Amount,
        settings: &Settings,
    ) {
        if let Some(asset) = settings.assets.find(asset) {
            self.venues[venue.index()].said[asset.index()] = Some(total);
        }
    }

    /// Concludes a comparison. Books that have not begun begin with what the venue holds. With orders in
    /// flight (not `is_quiet`) the books may differ for a moment, and it is asked again.
    pub(crate) fn conclude(&mut self, at: VenueId, is_quiet: bool, desk: &Desk) -> Vec<Event> {
        let is_funded = self.venues[at.index()].is_funded || is_funded(desk, at);
        let differences = self.of_venue(at, desk);
        let venue = &mut self.venues[at.index()];
        if !is_funded {
            (venue.is_funded, venue.is_done) = (true, true);
            let funded =
                |it: Difference| Event::Funded { venue: at, asset: it.asset, amount: it.there };
            return differences.into_iter().map(funded).collect();
        }
        venue.is_funded = true;
        if differences.is_empty() {
            venue.is_done = true;
            return Vec::new();
        }
        if !is_quiet {
            return Vec::new();
        }
        venue.is_done = true;
        vec![Event::Halted(Halt::Balance)]
    }

    /// Takes all differences for adopted.
    pub(crate) fn adopted(&mut self) {
        for venue in &mut self.venues {
            venue.is_done = venue.is_up;
        }
    }

    /// Returns whether both venues were compared.
    pub(crate) fn is_done(&self, venues: [VenueId; 2]) -> bool {
        venues.iter().all(|venue| self.venues[venue.index()].is_done)
    }

    /// Returns whether both venues can be reached.
    pub(crate) fn is_up(&self, venues: [VenueId; 2]) -> bool {
        venues.iter().all(|venue| self.venues[venue.index()].is_up)
    }

    /// Returns the venues that are up and were not compared yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = VenueId> + '_ {
        let ids = (0..=u8::MAX).map(VenueId);
        let venues = self.venues.iter().zip(ids);
        venues.filter(|(venue, _)| venue.is_up && !venue.is_done).map(|(_, id)| id)
    }

    /// Returns every difference between the books and what was said.
    pub(crate) fn differences(&self, desk: &Desk) -> Vec<Difference> {
        let ids = (0..=u8::MAX).map(VenueId).take(self.venues.len());
        ids.filter(|id| self.venues[id.index()].said.iter().any(Option::is_some))
            .flat_map(|id| self.of_venue(id, desk))
            .collect()
    }

    /// Returns the differences of a venue. An asset that it does not name is one that it has none of.
    fn of_venue(&self, at: VenueId, desk: &Desk) -> Vec<Difference> {
        let assets = &desk.settings.assets;
        let difference = |asset: AssetId| {
            let there = self.venues[at.index()].said[asset.index()].unwrap_or_default();
            let booked = desk.books.account(at, asset).balance();
            let is_other = there != booked && !self.positions[asset.index()];
            is_other.then(|| Difference { venue: at, asset: assets.name(asset), booked, there })
        };
        assets.ids().filter_map(difference).collect()
    }
}

fn is_funded(desk: &Desk, venue: VenueId) -> bool {
    let account = |asset| *desk.books.account(venue, asset) != crate::books::Account::default();
    desk.settings.assets.ids().any(account)
}
