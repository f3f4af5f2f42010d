//! The names of runs, and the identity that all segments of a run share.

use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::named;

/// A run's name is at most this long, bytes.
pub const RUN_BYTES_MAX: usize = 32;

/// A run of the engine by name: ASCII letters, digits and `-`, so that it can stand in file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The name padded with zeros, as a segment's header holds it.
    pub(crate) text: [u8; RUN_BYTES_MAX],
}

/// The identity that all segments of a run share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The run.
    pub run: RunId,
    /// [`catalogue_digest`] of the catalogue whose ids the records hold.
    pub catalogue: u32,
}

named! {
    /// Where the quotes of a run come from. Runs of different provenance are different markets.
    pub enum Provenance {
        /// From venues, as they happened.
        Live => "live",
        /// From a simulator.
        Simulated => "simulated",
        /// From files that somebody else recorded.
        Import => "import",
        /// From frames captured earlier, played back.
        Replay => "replay",
    }
}

impl RunId {
    /// Returns the run of a name, or `None` if the name is empty, longer than [`RUN_BYTES_MAX`] or
    /// has other characters.
    #[must_use]
    pub fn new(name: &str) -> Option<RunId> {
        let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.is_empty() || RUN_BYTES_MAX < name.len() || !valid {
            return None;
        }
        let mut text = [0; RUN_BYTES_MAX];
        text[..name.len()].copy_from_slice(name.as_bytes());
        Some(RunId { text })
    }

    /// Returns the run that starts at `now`: `20240808T235414-087891268`. Names sort by start.
    ///
    /// # Panics
    /// Never: every [`Nanos`] is within the calendar.
    #[must_use]
    pub fn starting_at(now: Nanos) -> RunId {
        let second = (now / spreadwire_market::clock::SECOND).cast_signed();
        let time = jiff::Timestamp::from_second(second).expect("the calendar goes on to year 9999");
        let name = format!(
            "{}-{:09}",
            time.strftime("%Y%m%dT%H%M%S"),
            now % spreadwire_market::clock::SECOND
        );
        RunId::new(&name).expect("digits and dashes, 25 of them")
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.text.iter().position(|b| *b == 0).unwrap_or(RUN_BYTES_MAX);
        str::from_utf8(&self.text[..end]).unwrap_or_default()
    }

    pub(crate) fn of_bytes(text: [u8; RUN_BYTES_MAX]) -> Option<RunId> {
        let run = RunId { text };
        (RunId::new(run.as_str()) == Some(run)).then_some(run)
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Returns a fingerprint (CRC32C) of the meaning of ids: the instruments with their scales and the
/// venues, in the order of their ids. Fees and ages are left out.
#[must_use]
pub fn catalogue_digest(catalogue: &Catalogue) -> u32 {
    let mut text = String::new();
    for instrument in &catalogue.instruments {
        let (price_scale, size_scale) = (instrument.price_scale, instrument.size_scale);
        text.push_str(&format!("{}\t{price_scale}\t{size_scale}\n", instrument.name));
    }
    catalogue.venues.iter().for_each(|venue| text.push_str(&format!("\n{}", venue.name)));
    crc32c::crc32c(text.as_bytes())
}

/// Returns the name of a segment, which its Parquet files have too: `<run>-<number>`.
#[must_use]
pub fn segment_name(run: &RunId, number: u32) -> String {
    format!("{run}-{}", number_name(number))
}

/// Returns the part of a segment's name that is its number.
pub(crate) fn number_name(number: u32) -> String {
    format!("{number:06}")
}

/// Returns the run and the number that a segment's name was made of.
pub(crate) fn run_and_number(segment_name: &str) -> Option<(RunId, u32)> {
    let (run, number) = segment_name.rsplit_once('-')?;
    Some((RunId::new(run)?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    #[test]
    fn runs_are_named_after_their_start() {
        let run = RunId::starting_at(1_723_161_254_087_891_268);
        assert_eq!(run.as_str(), "20240808T235414-087891268");
        assert_eq!(segment_name(&run, 7), "20240808T235414-087891268-000007");
        assert_eq!(run_and_number("20240808T235414-087891268-000007"), Some((run, 7)));
        assert_eq!(run_and_number("20240808T235414-x"), None);
        for bad in ["", "../x", "a/b", "a b", "123456789012345678901234567890123"] {
            assert_eq!(RunId::new(bad), None, "{bad:?}");
        }
        assert!(RunId::starting_at(u64::MAX) > run);
    }

    #[test]
    fn the_digest_is_that_of_names_scales_and_their_order() {
        let of = |names: [&str; 2], price_scale| {
            let draft = catalogue::of(names, ["okx"]).scales_each([(price_scale, 8), (2, 8)]);
            catalogue_digest(&draft.build())
        };
        let base = of(["A/B", "C/D"], 2);
        assert_eq!(base, of(["A/B", "C/D"], 2));
        assert_ne!(base, of(["C/D", "A/B"], 2));
        assert_ne!(base, of(["A/B", "C/D"], 3));
    }
}
