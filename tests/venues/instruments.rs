//! The lists of instruments of every venue: the fixtures, and answers that are none.
//!
//! `data/fixtures/<venue>.instruments.expected` is the golden text of what the venue's reader finds in
//! `<venue>.instruments.json`, a line for each instrument; `BLESS=1` writes it anew.

use crate::plain_reader::Case;
use spreadwire_kit::noise::noise;
use spreadwire_venues::instruments::{ListError, Listed, Page, Step, StepFault};
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues::VENUES;
use std::path::PathBuf;

fn fixture(spec: &VenueSpec, end: &str) -> PathBuf {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures");
    folder.join(format!("{}.instruments.{end}", spec.name))
}

fn body(spec: &VenueSpec) -> Vec<u8> {
    std::fs::read(fixture(spec, "json")).unwrap()
}

fn line(listed: &Listed) -> String {
    let Listed { symbol, base, quote, halted, tick, lot, contract, next_tick } = listed;
    let step = |step: &Result<Step, StepFault>| match step {
        Ok(Step { text, decimals }) => format!("{text} ({decimals})"),
        Err(fault) => fault.to_string(),
    };
    let status = halted.as_deref().map_or("trades".to_owned(), |word| format!("halted: {word}"));
    let next = next_tick.as_ref().map(|tick| format!(", next tick {}", tick.text));
    let contract = contract.as_ref().map(|size| format!(", contract {}", step(size)));
    let (tick, lot, next) = (step(tick), step(lot), next.unwrap_or_default());
    let contract = contract.unwrap_or_default();
    format!("{symbol} {base}/{quote} {status}, tick {tick}, lot {lot}{contract}{next}\n")
}

fn text(page: &Page) -> String {
    let next = page.next.as_ref().map(|next| format!("next page {next}\n"));
    page.listed.iter().map(line).chain(next).collect()
}

#[test]
fn the_lists_of_the_fixtures_are_read_as_the_golden_files_have_them() {
    for spec in VENUES {
        let found = text(&(spec.instruments.read)(&body(spec)).unwrap());
        let golden = fixture(spec, "expected");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(golden).unwrap(), "{}", spec.name);
    }
}

#[test]
fn every_list_has_an_address_of_its_own() {
    for spec in VENUES {
        let list = spec.instruments;
        assert!(list.url.starts_with("https://") && !list.url.ends_with('/'), "{}", spec.name);
        assert!(list.path.starts_with('/') && list.path.is_ascii(), "{}", spec.name);
    }
}

#[test]
fn a_list_that_breaks_off_is_refused_wherever_it_does() {
    for spec in VENUES {
        let whole = body(spec);
        let end = whole.trim_ascii_end().len();
        for length in 0..end {
            let read = (spec.instruments.read)(&whole[..length]);
            assert!(matches!(read, Err(ListError::Unexpected(_))), "{} at {length}", spec.name);
        }
    }
}

#[test]
fn answers_that_are_no_list_are_refused_with_the_place() {
    for spec in VENUES {
        let page = b"<!DOCTYPE html><html><body>Service unavailable</body></html>";
        for (bytes, part) in [
            (&page[..], "expected value at line 1 column 1"),
            (b"", "EOF"),
            (b"7", "line 1"),
            (b"\xff\xfe", "line 1"),
            (b"null", "line 1"),
        ] {
            let told = (spec.instruments.read)(bytes).unwrap_err().to_string();
            assert!(told.contains(part), "{}: {told}", spec.name);
        }
        let deep = "[".repeat(100_000);
        assert!((spec.instruments.read)(deep.as_bytes()).is_err());
        for seed in 0..200 {
            // Noise over the whole fixture must neither panic nor hang.
            let mut damaged = body(spec);
            for (at, byte) in (0..8).zip(noise(seed, 32).chunks_exact(4)) {
                let place = u32::from_le_bytes(byte.try_into().unwrap()) as usize % damaged.len();
                damaged[place] = byte[at % 4];
            }
            drop((spec.instruments.read)(&damaged));
        }
    }
}

#[test]
fn the_venues_own_refusals_are_told_in_its_words() {
    for spec in VENUES {
        let list = Case::of(spec).layout.list;
        let told = (spec.instruments.read)(list.refusal.as_bytes()).unwrap_err().to_string();
        assert_eq!(told, format!("the venue refuses: {}", list.told), "{}", spec.name);
    }
}

#[test]
fn a_row_of_another_shape_is_left_out_and_told_unless_there_is_no_other() {
    for spec in VENUES {
        let list = Case::of(spec).layout.list;
        let whole: serde_json::Value = serde_json::from_slice(&body(spec)).unwrap();
        let with = |rows: Vec<serde_json::Value>| {
            let mut answer = whole.clone();
            *answer.pointer_mut(&list.rows).unwrap() = rows.into();
            (spec.instruments.read)(answer.to_string().as_bytes())
        };
        let rows = whole.pointer(&list.rows).unwrap();
        let of_object = rows.as_object().map(|rows| rows.values().cloned().collect());
        let all = of_object.or_else(|| rows.as_array().cloned()).unwrap();
        let (mut odd, good) = (all[0].clone(), with(all.clone()).unwrap());
        odd[&list.required] = serde_json::Value::Null;
        let page = with([vec![odd.clone(), serde_json::json!(7)], all.clone()].concat()).unwrap();
        assert_eq!(page.listed, good.listed, "{}", spec.name);
        let symbols: Vec<_> = page.odd.iter().map(|row| row.symbol.as_deref()).collect();
        assert_eq!(symbols, [odd[&list.symbol].as_str(), None], "{}", spec.name);
        assert!(matches!(with(vec![odd]), Err(ListError::Unexpected(_))), "{}", spec.name);
    }
}

#[test]
fn a_list_that_is_missing_is_no_empty_list() {
    for spec in VENUES {
        let (read, list) = (spec.instruments.read, Case::of(spec).layout.list);
        let empty = list.empty.as_deref().unwrap_or("[]");
        assert_eq!(read(empty.as_bytes()), Ok(Page::default()), "{}", spec.name);
        let missing = list.missing.as_deref().unwrap_or("{}");
        assert!(matches!(read(missing.as_bytes()), Err(ListError::Unexpected(_))), "{}", spec.name);
    }
}
