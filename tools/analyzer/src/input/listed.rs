//! The names of a lake's venues and instruments, as far as the names of its folders and files tell
//! them. This looks into no file, so that the arguments can be checked before anything is read.

use super::known;
use super::layouts::{self, Partial};
use super::names::Names;
use super::spelling;
use std::collections::BTreeMap;
use std::path::Path;

/// The names that a lake has; none if it is in no layout that is known, or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The one name of each venue, by itself and by each way in which the lake spells it.
    pub venues: BTreeMap<String, String>,
    /// Instruments, by the names of the report and by those of their symbols.
    pub instruments: BTreeMap<String, String>,
}

impl Listed {
    /// Lists the names of a lake.
    #[must_use]
    pub fn of(lake: &Path, names: &Names) -> Listed {
        let mut listed = Listed::default();
        let is_beside = |name: &str| known::is_beside_quotes(name) || known::is_hidden(name);
        listed.folder((lake, &layouts::all()), names, is_beside);
        listed
    }

    /// Lists the names in a folder. Once it is said of which venue and symbol everything below is,
    /// nothing more is looked at there.
    fn folder(
        &mut self,
        (folder, partials): (&Path, &[Partial]),
        names: &Names,
        is_beside: impl Fn(&str) -> bool,
    ) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_beside(&name) {
                continue;
            }
            if let Ok(file) = layouts::file(partials, &name) {
                self.add(file.place.names(), names);
                continue;
            }
            let Ok(entered) = layouts::enter(partials, &name) else { continue };
            let agreed = layouts::agreed(&entered);
            self.add(agreed, names);
            if agreed.is_none() {
                self.folder((&entry.path(), &entered), names, known::is_hidden);
            }
        }
    }

    fn add(&mut self, said: Option<(&str, &str)>, names: &Names) {
        let Some((venue, symbol)) = said else { return };
        let name = spelling::venue(venue);
        self.venues.insert(venue.to_owned(), name.clone());
        self.venues.insert(name.clone(), name);
        let instrument = names.named(venue, symbol).instrument;
        self.instruments.insert(symbol.replace('#', "/"), instrument.clone());
        self.instruments.insert(instrument.clone(), instrument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_lake_are_known_in_every_layout() {
        for (path, venue, symbol) in [
            ("exchange=okx/symbol=XBT#USDT/date=2024-08-08/hour=00/a.parquet", "okx", "XBT/USDT"),
            ("exchange=okx/symbol=XBT#USDT", "okx", "XBT/USDT"),
            ("date=2024-08-08/exchange=okex/symbol=XBTUSDT/a.parquet", "okex", "XBTUSDT"),
            ("okx/XBT_USDT/2024-08-08.parquet", "okx", "XBT_USDT"),
            ("okx/XBT_USDT/2024/08/08/a.parquet", "okx", "XBT_USDT"),
            ("data/quote_tick/XBTUSDT.OKX/part-0.parquet", "OKX", "XBTUSDT"),
            ("OKX/ticker/XBT-USDT/OKX-ticker-XBT-USDT-1723075200.parquet", "OKX", "XBT-USDT"),
            ("okx_quotes_2024-08-08_XBT-USDT.parquet", "okx", "XBT-USDT"),
            ("okex/quotes/2024/08/08/XBT-USDT.parquet", "okex", "XBT-USDT"),
        ] {
            let lake = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(lake.path().join(path)).unwrap();
            for other in ["ledger/date=2024-08-08", "notes", "journal"] {
                std::fs::create_dir_all(lake.path().join(other)).unwrap();
            }
            let listed = Listed::of(lake.path(), &Names::default());
            let all = |names: [(&str, &str); 2]| -> BTreeMap<String, String> {
                names.into_iter().map(|(name, one)| (name.to_owned(), one.to_owned())).collect()
            };
            assert_eq!(listed.venues, all([(venue, "okx"), ("okx", "okx")]), "{path}");
            let expected = all([(symbol, "BTC/USDT"), ("BTC/USDT", "BTC/USDT")]);
            assert_eq!(listed.instruments, expected, "{path}");
        }
    }
}
