//! The names that requests may use, found at once; and for a name that is none, the most similar.
//!
//! Clients choose what is looked up here, so the cost of a name is bounded: it is looked up in a
//! hash table, and compared with so many others at most, and not at all if it is longer than any.

use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use std::collections::HashMap;

/// A name this similar (Jaro-Winkler) is suggested.
const SIMILARITY_MIN: f64 = 0.7;
/// Names whose lengths differ by more are not compared.
const LENGTHS_DIFFER_MAX: usize = 4;
/// Most names that one is compared with.
const COMPARISONS_MAX: usize = 1024;

/// The names of a catalogue.
#[derive(Debug)]
pub(super) struct Directory {
    instruments: Names<InstrumentId>,
    venues: Names<VenueId>,
}

#[derive(Debug)]
struct Names<Id> {
    ids: HashMap<String, Id>,
    /// In the catalogue's order.
    list: Vec<String>,
}

impl Directory {
    /// Lists the names of a catalogue.
    pub(super) fn new(catalogue: &Catalogue) -> Directory {
        let instruments = (0_u32..).map(InstrumentId).zip(&catalogue.instruments);
        let venues = (0_u8..).map(VenueId).zip(&catalogue.venues);
        Directory {
            instruments: Names::new(instruments.map(|(id, instrument)| (id, &instrument.name))),
            venues: Names::new(venues.map(|(id, venue)| (id, &venue.name))),
        }
    }

    /// Finds an instrument.
    pub(super) fn instrument(&self, name: &str) -> Option<InstrumentId> {
        self.instruments.ids.get(name).copied()
    }

    /// Finds a venue.
    pub(super) fn venue(&self, name: &str) -> Option<VenueId> {
        self.venues.ids.get(name).copied()
    }

    /// Returns the name of an instrument that was found here.
    pub(super) fn name_of_instrument(&self, id: InstrumentId) -> &str {
        self.instruments.list.get(id.index()).map_or("", String::as_str)
    }

    /// Returns the name of a venue that was found here.
    pub(super) fn name_of_venue(&self, id: VenueId) -> &str {
        self.venues.list.get(id.index()).map_or("", String::as_str)
    }

    /// Returns a question with the most similar instrument, if any is similar.
    pub(super) fn like_instrument(&self, name: &str) -> String {
        suggestion(name, self.instruments.list.iter().map(String::as_str))
    }

    /// Returns a question with the most similar venue, if any is similar.
    pub(super) fn like_venue(&self, name: &str) -> String {
        suggestion(name, self.venues.list.iter().map(String::as_str))
    }
}

impl<Id: Copy> Names<Id> {
    fn new<'a>(named: impl Iterator<Item = (Id, &'a String)>) -> Names<Id> {
        let mut names = Names { ids: HashMap::new(), list: Vec::new() };
        for (id, name) in named {
            names.ids.entry(name.clone()).or_insert(id);
            names.list.push(name.clone());
        }
        names
    }
}

/// Returns a question with the known name that is most similar to this one, if any is similar.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .filter(|known| known.len().abs_diff(name.len()) <= LENGTHS_DIFFER_MAX)
        .take(COMPARISONS_MAX)
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(similarity, _)| SIMILARITY_MIN <= *similarity)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or_else(String::new, |(_, known)| format!("; did you mean {known:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_name_is_compared_with_so_many_others_and_only_with_those_of_its_length() {
        let names: Vec<String> = (0..5_000).map(|n| format!("C{n:04}/USDT")).collect();
        let looked_at = Cell::new(0);
        let known = || {
            names.iter().map(|name| {
                looked_at.set(looked_at.get() + 1);
                name.as_str()
            })
        };
        assert_eq!(suggestion("C0007-USDT", known()), "; did you mean \"C0007/USDT\"?");
        assert_eq!(looked_at.replace(0), COMPARISONS_MAX);
        assert_eq!(suggestion(&"C0007/USDT".repeat(1_000), known()), "", "longer than any");
        assert_eq!(suggestion("", known()), "");
    }
}
