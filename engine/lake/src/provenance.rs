//! Which runs may share a lake: those that recorded the same market.
//!
//! Live quotes and imported ones are both real and complement each other. A simulated market, and frames that
//! are played back later, have the names of real venues and their own prices or times, so each keeps to a
//! lake of its own. Runs of old versions did not say where their quotes came from, and are taken for
//! anything.

use crate::layout::MERGED_SUFFIX;
use crate::ledger::{self, Entry, EntryKind};
use crate::run::Provenance;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A lake holds runs of another market.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} holds {found} quotes, of the run {run}, and these would be {wanted}", lake.display())]
pub struct Mixture {
    /// The lake.
    pub lake: PathBuf,
    /// Where the quotes of the new run come from.
    pub wanted: Provenance,
    /// Where those of a run in the lake come from,
    pub found: Provenance,
    /// and which run that is.
    pub run: String,
}

impl Mixture {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "name another lake; if the quotes come from elsewhere than they seem to, set run.provenance"
    }
}

impl Provenance {
    /// Returns whether runs of both may share a lake.
    #[must_use]
    pub fn goes_with(self, other: Provenance) -> bool {
        let is_real = |it| matches!(it, Provenance::Live | Provenance::Import);
        self == other || (is_real(self) && is_real(other))
    }
}

/// Begins the name of an import. Those of old versions are known by it alone.
const IMPORT: &str = "import-";

/// Returns the provenance of each run that said so, by the ledger.
#[must_use]
pub fn of_runs(entries: &[Entry]) -> BTreeMap<String, Provenance> {
    let of_entry = |entry: &Entry| Some((entry.run.clone()?, stated(entry)?));
    entries.iter().filter_map(of_entry).collect()
}

/// Returns the provenance of the run that began with an entry: what that states, or of an import of
/// an old version what its name says.
#[must_use]
pub fn of_started(entry: &Entry) -> Option<Provenance> {
    let is_import = entry.run.as_deref().is_some_and(|name| name.starts_with(IMPORT));
    stated(entry).or(is_import.then_some(Provenance::Import))
}

fn stated(entry: &Entry) -> Option<Provenance> {
    let name = entry.cause.as_deref().filter(|_| entry.kind == EntryKind::Started)?;
    Provenance::of_name(name)
}

/// Refuses a new run of `wanted` in a lake whose runs recorded another market. Only the files that tell how
/// runs began are read.
///
/// # Errors
/// A run of another market.
pub fn refuse_mixture(lake: &Path, wanted: Provenance) -> Result<(), Mixture> {
    let tells_starts = |path: &PathBuf| {
        let name = ledger::name_and_checksum(path).map(|(name, _)| name);
        name.is_some_and(|name| name.contains("-started") || name.ends_with(MERGED_SUFFIX))
    };
    // What cannot be read is reported by `lake verify`, and no reason not to record.
    let read = |path: &PathBuf| ledger::read_file(path).unwrap_or_default();
    for path in ledger::files(lake).iter().filter(|path| tells_starts(path)) {
        let runs = of_runs(&read(path));
        if let Some((run, found)) = runs.into_iter().find(|(_, it)| !it.goes_with(wanted)) {
            return Err(Mixture { lake: lake.to_owned(), wanted, found, run });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Provenance::{Import, Live, Replay, Simulated};

    #[test]
    fn real_quotes_go_together_and_nothing_else_does() {
        for (one, other, together) in [
            (Live, Live, true),
            (Live, Import, true),
            (Simulated, Simulated, true),
            (Replay, Replay, true),
            (Live, Simulated, false),
            (Live, Replay, false),
            (Import, Simulated, false),
            (Replay, Simulated, false),
        ] {
            assert_eq!(one.goes_with(other), together, "{one} {other}");
            assert_eq!(other.goes_with(one), together, "{other} {one}");
        }
    }

    #[test]
    fn a_lake_refuses_a_run_of_another_market() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path();
        let begin = |run: &str, cause: Option<&str>| {
            let entry = Entry::new(EntryKind::Started, 5).of_run(run);
            let entry = Entry { cause: cause.map(str::to_owned), ..entry };
            ledger::write(lake, &format!("{run}-started"), 5, &[entry]).unwrap();
        };
        assert_eq!(refuse_mixture(lake, Live), Ok(()), "there is no lake yet");
        begin("old", None);
        begin("a", Some("live"));
        assert_eq!(refuse_mixture(lake, Live), Ok(()));
        assert_eq!(refuse_mixture(lake, Import), Ok(()));
        let refused = refuse_mixture(lake, Simulated).unwrap_err();
        let told = format!(
            "{} holds live quotes, of the run a, and these would be simulated",
            lake.display()
        );
        assert_eq!(refused.to_string(), told);
    }
}
