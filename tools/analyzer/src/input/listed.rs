//! The names of a lake's venues and instruments, as far as its uppermost folders tell them. This
//! looks at no file, so that the arguments can be checked before anything is read.

use super::names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The names that a lake has; none if it has another layout, or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Venues, as their folders are named.
    pub venues: BTreeSet<String>,
    /// Instruments, by the names of the report and by those of their folders.
    pub instruments: BTreeMap<String, String>,
}

impl Listed {
    /// Lists the names of a lake.
    #[must_use]
    pub fn of(lake: &Path, names: &Names) -> Listed {
        let mut listed = Listed::default();
        for venue in values(lake, "exchange=") {
            for symbol in values(&lake.join(format!("exchange={venue}")), "symbol=") {
                let instrument = names.named(&venue, &symbol).instrument;
                listed.instruments.insert(symbol.replace('#', "/"), instrument.clone());
                listed.instruments.insert(instrument.clone(), instrument);
            }
            listed.venues.insert(venue);
        }
        listed
    }
}

/// Returns the values of the folders in `folder` whose name is `key` and a value.
fn values(folder: &Path, key: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let value = |name: String| name.strip_prefix(key).map(str::to_owned);
    entries.filter_map(|entry| entry.file_name().into_string().ok().and_then(value)).collect()
}
