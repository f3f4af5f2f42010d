//! The identity of an import: its run, and how the lake knows that a content was imported before.
//!
//! A run is named by the first 128 bits of the SHA-256 over the content and how it was read, so the
//! same import again is the same run. The ledger has the SHA-256 of the content itself, as a counter
//! that is written before the first row, so content is known however it was read. Earlier versions
//! named runs `import-<crc>-<crc>`, by the CRC32C of content and reading. Their imports are known by
//! the first of these, and one that was interrupted is continued under the name that it has.

use super::contract::Contracts;
use super::source::Identity;
use super::survey::Surveyed;
use super::time::Clock;
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use spreadwire_lake::ledger::{self, Book, Entry, EntryKind};
use spreadwire_lake::recover;
use spreadwire_lake::run::RunId;
use spreadwire_market::instrument::{Catalogue, Instrument};
use std::path::Path;

/// Beginning of the name of the counter that has the digest of the content.
const CONTENT: &str = "import.content.";
/// What every digest begins with, so that a change of what follows gives other names.
const DOMAIN: &[u8] = b"spreadwire import 1\n";

/// Names the runs of files.
///
/// # Errors
/// Never: names of this form are valid.
pub(super) fn name_runs(
    tapes: &mut [Surveyed],
    catalogue: &Catalogue,
    contracts: &Contracts,
) -> anyhow::Result<()> {
    let mut places: Vec<String> =
        tapes.iter().flat_map(|surveyed| places(surveyed, catalogue)).collect();
    places.sort();
    places.dedup();
    let places = places.concat();
    for surveyed in tapes {
        let mut how = format!("{}\n", surveyed.format.name);
        for Clock { unit, given } in surveyed.clocks.into_iter().flatten() {
            how.push_str(&format!("{}\t{given}\n", unit.name()));
        }
        for (symbol, contract) in &contracts.0 {
            how.push_str(&format!("contract\t{symbol}\t{}\n", contract.told()));
        }
        let Identity { sha256, crc } = surveyed.identity;
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(sha256);
        let digest = digest.chain_update(how).chain_update(&places).finalize();
        let name = format!("import-{}", in_base_36(&digest));
        surveyed.run = RunId::new(&name).context("cannot name the run")?;
        let before = format!("{}{:08x}", prefix_before(crc), crc32c::crc32c(places.as_bytes()));
        surveyed.run_before = RunId::new(&before).context("cannot name the run")?;
    }
    Ok(())
}

/// Returns a line for each venue and symbol of a file, with what it becomes.
fn places(surveyed: &Surveyed, catalogue: &Catalogue) -> Vec<String> {
    let line = |(tape, symbol, (venue, instrument)): (&str, &str, (_, _))| {
        let Instrument { name, price_scale, size_scale } = catalogue.instrument(instrument);
        let venue = catalogue.venue(venue);
        format!("{tape}\t{symbol}\t{}\t{name}\t{price_scale}\t{size_scale}\n", venue.name)
    };
    surveyed.places.named().map(line).collect()
}

/// Returns the first 128 bits of a digest in 25 digits and small letters.
fn in_base_36(digest: &[u8]) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number =
        digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let mut text = [b'0'; 25];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(number % 36) as usize];
        number /= 36;
    }
    text.iter().copied().map(char::from).collect()
}

/// Returns the common beginning of the names that earlier versions gave to runs of a content.
fn prefix_before(crc: u32) -> String {
    format!("import-{crc:08x}-")
}

/// Writes into the ledger which content a run imports, before it has a row.
///
/// # Errors
/// If the lake cannot be written.
pub(super) fn note_content(book: &Book, surveyed: &Surveyed) -> anyhow::Result<()> {
    let run = surveyed.run.as_str();
    let (counter, rows) = content_counter(surveyed);
    let entry = Entry::new(EntryKind::Count, surveyed.first).of_run(run).because(&counter);
    let entry = Entry { rows: Some(rows), ..entry };
    book.write("content", surveyed.first, &[entry])?;
    Ok(())
}

/// Returns the counter that names a content, and the number of its rows.
pub(super) fn content_counter(surveyed: &Surveyed) -> (String, u64) {
    let digits = surveyed.identity.sha256.iter().map(|byte| format!("{byte:02x}"));
    (format!("{CONTENT}{}", digits.collect::<String>()), surveyed.rows)
}

/// Refuses files that are already in the lake, are given twice, or were begun in another way. A run
/// that an earlier version began in the same way is continued.
///
/// # Errors
/// As above, and if the ledger cannot be read.
pub(super) fn check_new(lake: &Path, tapes: &mut [Surveyed]) -> anyhow::Result<()> {
    let (entries, errors) = ledger::read(lake);
    if let Some(error) = errors.into_iter().next() {
        return Err(error).context("cannot determine whether the files are in the lake already");
    }
    let left: Vec<String> =
        recover::leftovers(lake)?.iter().map(|left| left.run.as_str().to_owned()).collect();
    for at in 0..tapes.len() {
        let (before, surveyed) = tapes[..=at].split_at_mut(at);
        let surveyed = &mut surveyed[0];
        let twin = before.iter().find(|other| other.identity == surveyed.identity);
        if let Some(twin) = twin {
            let (file, twin) = (surveyed.file.display(), twin.file.display());
            bail!("{file} has the same content as {twin}: leave one of them out");
        }
        check_one(&entries, &left, surveyed)?;
    }
    Ok(())
}

fn check_one(entries: &[Entry], left: &[String], surveyed: &mut Surveyed) -> anyhow::Result<()> {
    let (file, (content, _)) = (surveyed.file.display(), content_counter(surveyed));
    let is_content =
        |e: &&Entry| e.kind == EntryKind::Count && e.cause.as_deref() == Some(&content);
    let noted: Vec<&str> =
        entries.iter().filter(is_content).filter_map(|entry| entry.run.as_deref()).collect();
    let begins = prefix_before(surveyed.identity.crc);
    let of_content = |run: &str| {
        noted.contains(&run) || (run.starts_with(&begins) && run.len() == begins.len() + 8)
    };
    // A run that has no rows, because all were refused, holds nothing of the content.
    let has_rows = |e: &&Entry| e.kind == EntryKind::Rows;
    let of_kind = |is: &dyn Fn(&&Entry) -> bool| -> Vec<&str> {
        let runs = entries.iter().filter(is).filter_map(|entry| entry.run.as_deref());
        runs.filter(|run| of_content(run)).collect()
    };
    let begun = of_kind(&has_rows);
    let is_end = |e: &&Entry| e.kind == EntryKind::Ended && e.cause.as_deref() == Some("clean");
    if let Some(run) = of_kind(&is_end).into_iter().find(|run| begun.contains(run)) {
        bail!("{file} is in this lake already, as run {run}: leave it out");
    }
    let left = left.iter().map(String::as_str).filter(|run| of_content(run));
    let begun: Vec<&str> = begun.into_iter().chain(left).collect();
    if begun.contains(&surveyed.run_before.as_str()) {
        surveyed.run = surveyed.run_before;
    }
    if let Some(run) = begun.into_iter().find(|run| *run != surveyed.run.as_str()) {
        bail!(
            "{file} was imported in part, as run {run}, with other files beside it or with \
             another --format, --map, --instrument, --time-unit, --price-decimals, \
             --size-decimals or --contract-size: run it again as it was"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_128_bits_of_the_digest() {
        assert_eq!(in_base_36(&[0; 32]), "0".repeat(25));
        assert_eq!(in_base_36(&[255; 32]), "f5lxx1zz5pnorynqglhzmsp33");
        let mut digest = [0; 32];
        digest[15] = 37;
        assert_eq!(in_base_36(&digest), format!("{}11", "0".repeat(23)));
        digest[16] = 1;
        assert_eq!(in_base_36(&digest), format!("{}11", "0".repeat(23)), "bits after the 128th");
        let name = format!("import-{}", in_base_36(&[255; 32]));
        assert_eq!(RunId::new(&name).unwrap().as_str(), name);
    }
}
