//! Tests of the journal of decisions on disk.

use super::*;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Event, Halt};
use spreadwire_trading::order::{
    Answer, AssetName, ClientId, Fill, Order, Owner, Purpose, Side, VenueText,
};
use spreadwire_trading::settings::{Exit, Hedge, Hedging, Limits};
use spreadwire_trading::terms::{FeeAsset, Settlement, Terms, VenueTerms};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const MOST: Amount = Amount::MAX;

fn asset(text: &str) -> AssetName {
    AssetName::new(text).unwrap()
}

fn catalogue(instruments: &[&str], venues: &[&str], scale: u8) -> Catalogue {
    let draft = spreadwire_kit::catalogue::of(instruments.iter().copied(), venues.iter().copied());
    draft.scales(scale, 3).listed().build()
}

fn settings(catalogue: &Catalogue) -> Settings {
    let mut assets = Assets::default();
    let (base, quote) = (assets.intern(asset("A")), assets.intern(asset("B")));
    let (venues, instruments) = (catalogue.venues.len(), catalogue.instruments.len());
    let terms = |it: usize| {
        let instrument = &catalogue.instruments[it / venues];
        Terms {
            settlement: Settlement::Spot,
            base,
            quote,
            px_scale: instrument.price_scale,
            sz_scale: instrument.size_scale,
            tick: 1,
            lot: 1,
            min_sz: 1,
            min_notional: Amount::ZERO,
        }
    };
    let venue = VenueTerms {
        tiers: Vec::new(),
        volume: Amount::ZERO,
        fee_asset: FeeAsset::Quote,
        orders_per_second: 1,
        max_age: 1,
    };
    Settings {
        assets,
        currency: asset("B"),
        rates: vec![None, Some(1_000_000)],
        terms: (0..instruments * venues).map(|it| Some(terms(it))).collect(),
        venues: vec![venue; venues],
        sizes: vec![None; instruments * venues * venues],
        exits: vec![None; instruments * venues * venues],
        min_lifetime: 0,
        exit: Exit::Inventory,
        hedging: Hedging { policy: Hedge::Hold, band: 0.0, time_to_live: 0 },
        limits: Limits {
            order: MOST,
            instrument: MOST,
            venue: MOST,
            total: MOST,
            open_deals: 1,
            loss_per_day: MOST,
            drawdown: MOST,
            failures: 1,
            max_net: 1.0,
        },
        latencies: vec![0; venues],
        answer_timeout: 1,
    }
}

/// A trader's side of a journal.
struct Rig {
    catalogue: Catalogue,
    settings: Settings,
    mode: Mode,
    owner: &'static str,
}

impl Rig {
    fn new() -> Rig {
        Rig::of(&["A/B"], &["x", "y"], 2)
    }

    fn of(instruments: &[&str], venues: &[&str], scale: u8) -> Rig {
        let catalogue = catalogue(instruments, venues, scale);
        let settings = settings(&catalogue);
        Rig { catalogue, settings, mode: Mode::Paper, owner: "spread" }
    }

    fn open(&self, path: &Path) -> Result<(Decisions, Found, Vec<Entry>), DecisionsError> {
        let owner = Owner::new(self.owner).unwrap();
        let head = Head::new(self.mode, &owner, 5, &self.catalogue, &self.settings);
        let mut entries = Vec::new();
        let names = (&self.catalogue, &self.settings.assets);
        let opened = Decisions::open(path, &head, names, |entry| entries.push(*entry));
        opened.map(|(decisions, found)| (decisions, found, entries))
    }

    fn refused(&self, path: &Path) -> String {
        let error = anyhow::Error::from(self.open(path).unwrap_err());
        format!("{error:#}")
    }
}

/// Some entries of a run on the first instrument.
fn entries(count: u64, venue: u8) -> Vec<Entry> {
    let of = |number: u64| {
        let (instrument, venue, side) = (InstrumentId(0), VenueId(venue), Side::Buy);
        let event = match number % 4 {
            0 => Event::Funded { venue, asset: asset("B"), amount: Amount::of_units(7) },
            1 => Event::Placed(Order {
                id: ClientId(number),
                deal: 1,
                purpose: Purpose::Entry,
                instrument,
                venue,
                side,
                px: 10_050,
                sz: 1_500,
                ts: 3,
            }),
            2 => Event::Answered(Answer::Filled(Fill {
                order: Some(ClientId(number - 1)),
                trade: VenueText::of_number(number),
                instrument,
                venue,
                side,
                px: 10_049,
                sz: 1_500,
                fee: Amount::of_units(9),
                fee_asset: asset("B"),
                ts: 4,
            })),
            _ => Event::Halted(Halt::Killed),
        };
        Entry { ts: number, event }
    };
    (0..count).map(of).collect()
}

/// A journal with two runs of five entries each, and its text.
fn journal(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("trading").join(FILE_NAME);
    for _ in 0..2 {
        let (mut decisions, _, _) = Rig::new().open(&path).unwrap();
        decisions.append(&entries(2, 0)).unwrap();
        decisions.append(&entries(3, 1)).unwrap();
        decisions.sync().unwrap();
    }
    let text = fs::read(&path).unwrap();
    (path, text)
}

fn written() -> Vec<Entry> {
    let run = [entries(2, 0), entries(3, 1)].concat();
    [run.clone(), run].concat()
}

#[test]
fn what_was_appended_is_found_again_once_and_in_order() {
    let home = tempfile::tempdir().unwrap();
    let (path, text) = journal(home.path());
    let (decisions, found, entries) = Rig::new().open(&path).unwrap();
    assert_eq!(entries, written());
    assert_eq!(found, Found { entries: 10, runs: 2, torn: None });
    assert_eq!(decisions.bytes(), fs::metadata(&path).unwrap().len());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "closed to others");
    let lines: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|line| line.starts_with("{\"mode\":\"PAPER\",")));
    let journal = read(&path).unwrap();
    assert_eq!((journal.entries, journal.mode), (written(), Mode::Paper));
    assert_eq!((journal.owner.as_str(), journal.runs.len()), ("spread", 3));
}

#[test]
fn a_line_cut_anywhere_at_the_end_is_cut_off_and_reported() {
    let home = tempfile::tempdir().unwrap();
    let (path, text) = journal(home.path());
    let ends: Vec<usize> = (1..=text.len()).filter(|end| text[end - 1] == b'\n').collect();
    // Every byte of the last lines, and some of those before.
    let cuts = (0..text.len()).filter(|cut| text.len() - cut < 200 || cut % 29 == 0);
    for cut in cuts {
        fs::write(&path, &text[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let kept = ends[..whole].last().copied().unwrap_or(0);
        let torn = Torn { line: whole as u64 + 1, bytes: (cut - kept) as u64 };
        if 0 < whole {
            let read = read(&path).unwrap();
            assert_eq!(read.torn, (kept < cut).then_some(torn.clone()), "{cut}");
            assert_eq!(fs::read(&path).unwrap().len(), cut, "reading changes nothing");
        }
        let (mut decisions, found, found_entries) = Rig::new().open(&path).unwrap();
        let heads = usize::from(0 < whole) + usize::from(6 < whole);
        assert_eq!(found_entries, written()[..whole - heads], "{cut}");
        assert_eq!(found.torn, (kept < cut).then_some(torn), "{cut}");
        decisions.append(&entries(1, 0)).unwrap();
        drop(decisions);
        let (_, found, again) = Rig::new().open(&path).unwrap();
        assert_eq!((again.len(), found.torn), (found_entries.len() + 1, None), "{cut}");
    }
}

#[test]
fn a_torn_line_longer_than_what_is_written_next_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let (path, mut text) = journal(home.path());
    text.extend([b'x'; 100_000]);
    fs::write(&path, &text).unwrap();
    let (mut decisions, found, _) = Rig::new().open(&path).unwrap();
    assert_eq!(found.torn, Some(Torn { line: 13, bytes: 100_000 }));
    decisions.append(&entries(1, 0)).unwrap();
    assert_eq!(decisions.bytes(), fs::metadata(&path).unwrap().len());
    drop(decisions);
    let (_, found, entries) = Rig::new().open(&path).unwrap();
    assert_eq!((found.torn, entries.len()), (None, 11));
}

#[test]
fn damage_in_any_whole_line_is_an_error_that_names_it_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (path, text) = journal(home.path());
    let whole = String::from_utf8(text.clone()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without =
        |number: usize| [&lines[..number], &lines[number + 1..]].concat().join("\n") + "\n";
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let doubled = [&lines[..4], &lines[3..]].concat().join("\n") + "\n";
    let mut cases = vec![
        (without(3), 4, "it has the serial number 5 in place of 4"),
        (without(0), 1, "it has the serial number 2 in place of 1"),
        (swapped.join("\n") + "\n", 4, "it has the serial number 5 in place of 4"),
        (doubled, 5, "it has the serial number 4 in place of 5"),
        (whole.replacen("100.5\"", "100.6\"", 1), 3, "its checksum does not fit"),
        (whole.replacen('\n', "\n\n", 1), 2, "it has no checksum"),
    ];
    // The last line, too, was written with its end.
    let mut last = whole.clone();
    last.replace_range(text.len() - 5..text.len() - 4, "?");
    cases.push((last, 12, "it has no checksum"));
    for (changed, line, why) in cases {
        assert_ne!(changed, whole);
        fs::write(&path, &changed).unwrap();
        let expected = format!("{}: line {line} is damaged: {why}; ", path.display());
        let refused = Rig::new().refused(&path);
        assert!(refused.starts_with(&expected), "{expected}: {refused}");
        let refused = read(&path).unwrap_err().to_string();
        assert!(refused.starts_with(&expected), "{expected}: {refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    }
    for place in (0..text.len()).step_by(61) {
        let mut changed = text.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&path, &changed).unwrap();
        let is_end = text[place] == b'\n' && place + 1 == text.len();
        let is_same = changed.eq_ignore_ascii_case(&text);
        assert!(is_end || is_same || Rig::new().open(&path).is_err(), "byte {place}");
    }
}

#[test]
fn a_journal_of_somebody_or_something_else_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (path, text) = journal(home.path());
    let live = Rig { mode: Mode::Live, ..Rig::new() };
    let owner = Rig { owner: "desk2", ..Rig::new() };
    let mut currency = Rig::new();
    currency.settings.currency = asset("A");
    let mut assets = Rig::new();
    assets.settings.assets = Assets::default();
    assets.settings.assets.intern(asset("A"));
    assets.settings.assets.intern(asset("USDT"));
    for (rig, told) in [
        (live, "it is a journal of PAPER, and this run is LIVE; name another folder"),
        (owner, "it is the journal of \"spread\", not of \"desk2\""),
        (currency, "its currency is B, and that of this run is A"),
        (
            Rig::of(&["A/B"], &["x", "y"], 3),
            "A/B had 2 and 3 decimals in prices and sizes, and now has 3 and 3",
        ),
        (Rig::of(&["A/C"], &["x", "y"], 2), "line 3: the instrument \"A/B\" is not configured"),
        (Rig::of(&["A/B"], &["x", "z"], 2), "line 4: the venue \"y\" is not configured"),
        (assets, "line 2: the asset \"B\" is not traded by this configuration"),
    ] {
        let refused = rig.refused(&path);
        assert!(refused.contains(told), "{told}: {refused}");
        assert_eq!(fs::read(&path).unwrap(), text);
    }
    // A venue and an instrument more, in another order, are no obstacle.
    let (_, found, entries) = Rig::of(&["C/B", "A/B"], &["w", "y", "x"], 2).open(&path).unwrap();
    assert_eq!(found.entries, 10);
    let Event::Placed(order) = entries[1].event else { panic!("{:?}", entries[1]) };
    assert_eq!((order.instrument, order.venue), (InstrumentId(1), VenueId(2)));
    let journal = read(&path).unwrap();
    assert_eq!(journal.entries.len(), 10);
    assert_eq!((journal.catalogue.venues.len(), journal.catalogue.instruments.len()), (3, 2));

    let mut other = String::new();
    let line = std::str::from_utf8(&text).unwrap().lines().next().unwrap();
    let line = line.split(",\"serial\"").next().unwrap().replace("\"version\":1", "\"version\":2");
    seal::seal(&format!("{line}}}"), 1, &mut other);
    fs::write(&path, &other).unwrap();
    assert!(Rig::new().refused(&path).contains("it is of version 2, and this program knows 1"));
    other.clear();
    seal::seal("{\"mode\":\"PAPER\",\"ts\":1,\"event\":\"resumed\"}", 1, &mut other);
    fs::write(&path, &other).unwrap();
    for refused in [Rig::new().refused(&path), read(&path).unwrap_err().to_string()] {
        assert!(refused.contains("it does not begin as a journal of decisions"), "{refused}");
    }
}

#[test]
fn a_journal_has_one_writer_at_its_path() {
    let home = tempfile::tempdir().unwrap();
    let (path, _) = journal(home.path());
    let (mut decisions, _, _) = Rig::new().open(&path).unwrap();
    let refused = Rig::new().refused(&path);
    assert!(
        refused.contains(&format!("is in use by process {} (", std::process::id())),
        "{refused}"
    );
    read(&path).unwrap();
    fs::rename(&path, home.path().join("moved")).unwrap();
    decisions.append(&entries(1, 0)).unwrap();
    let moved = decisions.sync().unwrap_err().to_string();
    assert!(moved.contains("was moved or deleted while it was in use"), "{moved}");
    for failed in [decisions.append(&entries(1, 0)), decisions.sync()] {
        assert!(failed.unwrap_err().to_string().contains("an earlier write failed"));
    }
}

#[test]
fn no_link_is_followed() {
    let home = tempfile::tempdir().unwrap();
    let (path, outside) = (home.path().join(FILE_NAME), home.path().join("outside"));
    fs::write(&outside, "precious").unwrap();
    symlink(&outside, &path).unwrap();
    assert!(Rig::new().refused(&path).contains("is a symbolic link, which is not followed"));
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
}
