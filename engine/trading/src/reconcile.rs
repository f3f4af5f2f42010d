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
    /// Whether a trade was booked since the last comparison, so that a balance may be older than it.
    is_disturbed: bool,
    /// Balances by asset, as it said them since the last comparison.
    said: Vec<Option<Amount>>,
    /// Balances that the last comparison found to differ from the books.
    found: Vec<(AssetId, Amount)>,
    /// Assets that are compared: not positions, which are no balances, nor what they are settled in,
    /// which moves by the venue's own account of their profit.
    is_compared: Vec<bool>,
}

/// What all venues say.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    venues: Vec<Venue>,
}

impl Reconciliation {
    /// Creates one in which nothing was heard.
    #[must_use]
    pub fn new(settings: &Settings) -> Reconciliation {
        let assets = settings.assets.len();
        let venue = Venue {
            is_up: false,
            is_done: false,
            is_funded: false,
            is_disturbed: false,
            said: vec![None; assets],
            found: Vec::with_capacity(assets),
            is_compared: vec![true; assets],
        };
        let mut venues = vec![venue; settings.venues.len()];
        for (place, terms) in settings.terms.iter().enumerate() {
            let Some(terms) = terms.filter(|it| it.settlement == Settlement::Position) else {
                continue;
            };
            let at = place % settings.venues.len();
            for asset in [terms.base, terms.quote] {
                venues[at].is_compared[asset.index()] = false;
            }
        }
        Reconciliation { venues }
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
        (venue.is_up, venue.is_done, venue.is_disturbed) = (is_up, false, false);
        venue.said.fill(None);
        venue.found.clear();
    }

    /// Notes that a trade of a venue was booked: what it said of its balances may be older, and what was
    /// found to differ has to be compared again.
    pub(crate) fn traded(&mut self, venue: VenueId) {
        let venue = &mut self.venues[venue.index()];
        venue.is_disturbed = true;
        venue.said.fill(None);
        venue.is_done &= venue.found.is_empty();
        venue.found.clear();
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
    /// flight (not `is_quiet`), or trades since the comparison began, the books may differ for a moment,
    /// and it is asked again.
    pub(crate) fn conclude(&mut self, at: VenueId, is_quiet: bool, desk: &Desk) -> Vec<Event> {
        let is_funded = self.venues[at.index()].is_funded || is_funded(desk, at);
        self.compare(at, desk);
        let venue = &mut self.venues[at.index()];
        venue.said.fill(None);
        let is_calm = is_quiet && !std::mem::take(&mut venue.is_disturbed);
        venue.is_funded = is_funded;
        if venue.found.is_empty() || is_calm {
            (venue.is_done, venue.is_funded) = (venue.is_up, true);
        } else {
            venue.found.clear();
        }
        if venue.found.is_empty() {
            return Vec::new();
        }
        if is_funded {
            return vec![Event::Halted(Halt::Balance)];
        }
        let found = std::mem::take(&mut venue.found).into_iter();
        let name = |asset| desk.settings.assets.name(asset);
        found
            .map(|(asset, amount)| Event::Funded { venue: at, asset: name(asset), amount })
            .collect()
    }

    /// Takes all differences for adopted.
    pub(crate) fn adopted(&mut self) {
        self.venues.iter_mut().for_each(|venue| venue.found.clear());
    }

    /// Returns whether both venues were compared.
    pub(crate) fn is_done(&self, venues: [VenueId; 2]) -> bool {
        venues.iter().all(|venue| self.venues[venue.index()].is_done)
    }

    /// Returns whether both venues can be reached.
    pub(crate) fn is_up(&self, venues: &[VenueId]) -> bool {
        venues.iter().all(|venue| self.venues[venue.index()].is_up)
    }

    /// Returns the venues that are up and were not compared yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = VenueId> + '_ {
        let ids = (0..=u8::MAX).map(VenueId);
        let venues = self.venues.iter().zip(ids);
        venues.filter(|(venue, _)| venue.is_up && !venue.is_done).map(|(_, id)| id)
    }

    /// Returns every difference that the last comparison of each venue found.
    pub(crate) fn differences(&self, desk: &Desk) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (venue, id) in self.venues.iter().zip((0..=u8::MAX).map(VenueId)) {
            differences.extend(venue.found.iter().map(|(asset, there)| Difference {
                venue: id,
                asset: desk.settings.assets.name(*asset),
                booked: desk.books.account(id, *asset).balance(),
                there: *there,
            }));
        }
        differences
    }

    /// Finds the differences of a venue. An asset that it does not name is one that it has none of.
    fn compare(&mut self, at: VenueId, desk: &Desk) {
        let venue = &mut self.venues[at.index()];
        venue.found.clear();
        for asset in desk.settings.assets.ids() {
            let there = venue.said[asset.index()].unwrap_or_default();
            let booked = desk.books.account(at, asset).balance();
            if there != booked && venue.is_compared[asset.index()] {
                venue.found.push((asset, there));
            }
        }
    }
}

fn is_funded(desk: &Desk, venue: VenueId) -> bool {
    let account = |asset| *desk.books.account(venue, asset) != crate::books::Account::default();
    desk.settings.assets.ids().any(account)
}
