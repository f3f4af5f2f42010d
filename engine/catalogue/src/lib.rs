//! The venues and instruments of a configuration, proved against the venues that there are.
//!
//! [`prove`] turns the two lists into the [`Catalogue`] by whose ids records name them, and tells
//! every problem at once. It decides which venue lists which instrument: one of its own market, or,
//! for what is compared across markets, one of either. Whoever needs the names alone, such as a tool
//! that reads a journal, needs nothing else of a configuration.

use spreadwire_config::address::Address;
use spreadwire_config::config::{self, Config};
use spreadwire_market::clock::MILLI;
use spreadwire_market::decimal::SCALE_MAX;
use spreadwire_market::instrument::{Catalogue, VENUES_MAX, VenueInfo};
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_market::spread::BPS;
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

mod listings;

/// One venue of a configuration, proved.
#[derive(Clone, Debug)]
pub struct Venue {
    /// Where the configuration has it, for problems that are found later.
    pub place: config::Place,
    /// The registry's row.
    pub spec: &'static VenueSpec,
    /// The whole address, path included.
    pub address: Address,
    /// PEM file of an authority to trust beside the public ones; it has not been read.
    pub ca_file: Option<PathBuf>,
    /// Its name, fee and age as the catalogue has them.
    pub info: VenueInfo,
}

impl Venue {
    /// The key of one of its fields: `venues[2].url`.
    #[must_use]
    pub fn key(&self, field: &str) -> String {
        key("venues", &self.place, field)
    }
}

fn key(list: &str, place: &config::Place, field: &str) -> String {
    format!("{list}[{}].{field}", place.number)
}

/// Reads a configuration for its catalogue alone; what the other sections mean is not looked at.
///
/// # Errors
/// Every problem of reading the file, and of its venues and instruments.
pub fn read(file: &Path) -> Result<Catalogue, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(config) = config::read(file, &mut problems) else { return Err(problems) };
    let mut faults = Faults::new(file, problems);
    let (_, catalogue) = prove(&config, &mut faults);
    if faults.is_empty() { Ok(catalogue) } else { Err(faults.into_list()) }
}

/// Proves the venues and instruments. Both results are worth something only while `faults` is empty.
pub fn prove(config: &Config, faults: &mut Faults) -> (Vec<Venue>, Catalogue) {
    let mut proved = Vec::new();
    let mut seen = BTreeSet::new();
    for venue in &config.venues {
        faults.in_file(venue.place.file.as_deref(), |faults| {
            if seen.insert(venue.name.as_str()) {
                proved.extend(prove_venue(venue, faults));
            } else {
                let reason = format!("venue {:?} stands twice", venue.name);
                faults.add(&key("venues", &venue.place, "name"), reason, "keep one of them");
            }
        });
    }
    if config.venues.len() < 2 {
        let reason = format!("{} venue(s) make no pair", config.venues.len());
        faults.add("venues", reason, "name two venues or more");
    }
    faults.within("venues", config.venues.len(), 0..=VENUES_MAX);
    let catalogue = listings::prove(config, &proved, faults);
    (proved, catalogue)
}

fn prove_venue(venue: &config::Venue, faults: &mut Faults) -> Option<Venue> {
    let key = |field: &str| key("venues", &venue.place, field);
    let Some(spec) = venues::named(&venue.name) else {
        let known: Vec<_> = venues::VENUES.iter().map(|v| v.name).collect();
        let remedy = format!("known venues are {}", known.join(", "));
        faults.add(&key("name"), format!("no venue is called {:?}", venue.name), remedy);
        return None;
    };
    let base = venue.url.as_deref().unwrap_or(spec.url);
    let url = format!("{}{}", base.trim_end_matches('/'), spec.path);
    let has_path = base.splitn(4, '/').nth(3).is_some_and(|path| !path.is_empty());
    let address = Address::parse(&url);
    if has_path {
        let reason = format!("{base:?} has a path; the venue's own, {}, is added", spec.path);
        faults.add(&key("url"), reason, "write scheme, host and port alone");
    } else if let Err(error) = &address {
        faults.add(&key("url"), error.to_string(), format!("the venue's own is {}", spec.url));
    }
    let fee = venue.taker_fee_bps.unwrap_or(spec.taker_fee_bps);
    faults.within(&key("taker_fee_bps"), fee, -100.0..=1_000.0);
    let max_age_ms = venue.max_age_ms.unwrap_or(config::MAX_AGE_MS_DEFAULT);
    faults.within(&key("max_age_ms"), max_age_ms, 1..=3_600_000);
    let info = VenueInfo {
        name: venue.name.clone(),
        taker_fee: fee / BPS,
        max_age: max_age_ms.saturating_mul(MILLI),
    };
    let (place, ca_file) = (venue.place.clone(), venue.ca_file.clone());
    Some(Venue { place, spec, address: address.ok()?, ca_file, info })
}

/// Proves the decimals of an instrument; returns those of prices and of sizes.
fn prove_decimals(
    instrument: &config::Instrument,
    key: &impl Fn(&str) -> String,
    faults: &mut Faults,
) -> (u8, u8) {
    let (prices, sizes) = (instrument.price_decimals, instrument.size_decimals);
    faults.within(&key("price_decimals"), prices, 0..=SCALE_MAX);
    faults.within(&key("size_decimals"), sizes, 0..=SCALE_MAX);
    (prices.min(SCALE_MAX), sizes.min(SCALE_MAX))
}
