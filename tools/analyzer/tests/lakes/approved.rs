//! Approved pairs over the nights: what is recommended is approved, stays in the report whatever its
//! rank, and is told of when it is not as it was approved.

use crate::kit::{self, Home, Outcome};
use serde_json::Value;
use spreadwire_market::approved::{self, Approved};
use spreadwire_market::moment::time_to_text;
use spreadwire_market::recommendations::{self, Recommendations};
use std::fs;
use std::os::unix::fs::symlink;

/// Fees at which the oscillating lake of the kit pays, and the figures that decide.
const PAYS: [&str; 4] = ["--fees", "0", "--metrics", "time-weighted"];
const PAIR: &str = "BTC/USDT";

/// Runs a command of the analyzer in the home, as ada.
fn run(home: &Home, arguments: &[&str]) -> Outcome {
    kit::run_as(home.home.path(), arguments, Some("ada"))
}

fn recommended(home: &Home) -> Recommendations {
    recommendations::read(&home.file("out/recommendations.toml"), 0).unwrap()
}

fn approvals(home: &Home) -> Approved {
    approved::read(&home.file("approved.toml")).unwrap()
}

/// Returns a home in which an analysis has recommended pairs.
fn analysed() -> Home {
    let home = Home::paying();
    home.report(0, &PAYS);
    assert!(3 <= recommended(&home).pairs.len(), "{:?}", recommended(&home));
    home
}

const FROM: [&str; 2] = ["--from", "out/latest/recommendations.toml"];

fn approve(home: &Home, arguments: &[&str]) -> Outcome {
    run(home, &[&["approve"], arguments, &FROM].concat())
}

#[test]
fn what_is_approved_is_what_was_recommended_and_every_other_approval_stays() {
    let home = analysed();
    let all = recommended(&home);
    let name = |place: usize| {
        let (instrument, buy, sell) = all.pairs[place].key();
        format!("{instrument}:{buy}:{sell}")
    };
    let outcome = approve(&home, &[&name(1)]);
    assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""));
    assert!(
        outcome.text.contains(&format!("approved {}", all.pairs[1].name())),
        "{}",
        outcome.text
    );
    let first = approvals(&home);
    let found = &first.pairs[0];
    assert_eq!(found.key(), all.pairs[1].key());
    assert_eq!((found.per_day, found.entry_bps), (all.pairs[1].per_day, all.pairs[1].entry_bps));
    assert_eq!((&*found.approved_by, &found.evidence), ("ada", &all.pairs[1].digest));
    assert_eq!(found.expires, all.expires, "as long as the recommendations");
    // Others come after it, by number; the same one is replaced where it stands.
    let entry = all.pairs[0].entry_bps_max.to_string();
    let more = ["1", "--entry", &entry, "--by", "bob", "--size", "1.5", "--expires", "9"];
    assert_eq!(approve(&home, &more).code, Some(0));
    assert_eq!(approve(&home, &["2", "--size", "0.5"]).code, Some(0));
    let found = approvals(&home).pairs;
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].key(), found[0].size_quote), (all.pairs[1].key(), 0.5));
    assert!((found[0].size_quote_max - all.pairs[1].size_quote).abs() < 1e-9);
    assert_eq!((found[1].entry_bps, found[1].size_quote), (all.pairs[0].entry_bps_max, 1.5));
    // What is promised is that of the size.
    let share = 1.5 / all.pairs[0].size_quote;
    for (scaled, whole) in [
        (found[1].per_day, all.pairs[0].per_day),
        (found[1].per_day_low, all.pairs[0].per_day_low),
        (found[1].per_day_high, all.pairs[0].per_day_high),
        (found[1].next_day_low, all.pairs[0].next_day_low),
        (found[1].next_day_high, all.pairs[0].next_day_high),
    ] {
        assert!((scaled.unwrap() - whole.unwrap() * share).abs() <= 0.005 + 1e-9);
    }
    assert_eq!(
        (&*found[1].approved_by, found[1].expires),
        ("bob", found[1].approved_at + 9 * 86_400_000_000_000)
    );
    assert_eq!(approve(&home, &["all"]).code, Some(0));
    assert_eq!(approvals(&home).pairs.len(), all.pairs.len());
    // And back.
    let outcome = run(&home, &["revoke", "1", &name(0)]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    assert_eq!(approvals(&home).pairs.len(), all.pairs.len() - 2);
    assert!(outcome.text.contains(&format!("revoked {}", all.pairs[0].name())), "{}", outcome.text);
    let outcome = run(&home, &["revoke", &name(0), "99"]);
    assert_eq!((outcome.code, outcome.errors.lines().count()), (Some(2), 2), "{}", outcome.errors);
    assert_eq!(run(&home, &["revoke", "all"]).code, Some(0));
    assert_eq!(approvals(&home), Approved::default());
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let home = analysed();
    fs::create_dir(home.file("etc")).unwrap();
    assert_eq!(approve(&home, &["1", "--file", "etc/approved.toml"]).code, Some(0));
    symlink("etc/approved.toml", home.file("approved.toml")).unwrap();
    assert_eq!(approve(&home, &["2"]).code, Some(0));
    assert!(home.file("approved.toml").is_symlink());
    assert_eq!(approved::read(&home.file("etc/approved.toml")).unwrap().pairs.len(), 2);
}

#[test]
fn what_cannot_be_approved_is_refused_with_all_that_is_wrong_and_nothing_changes() {
    let home = analysed();
    assert_eq!(approve(&home, &["1"]).code, Some(0));
    let before = fs::read(home.file("approved.toml")).unwrap();
    let refused = |arguments: &[&str], told: &[&str]| {
        let outcome = approve(&home, arguments);
        assert_eq!((outcome.code, outcome.text.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(outcome.errors.lines().count(), told.len(), "{}", outcome.errors);
        for told in told {
            assert!(outcome.errors.contains(told), "{told}: {}", outcome.errors);
        }
        assert_eq!(fs::read(home.file("approved.toml")).unwrap(), before, "{arguments:?}");
    };
    let gone =
        "DOGE/USDT buy okx sell alpha is not recommended: the analysed lake does not have it";
    refused(&["1", "99", "DOGE/USDT:okx:alpha"], &["there is no pair 99", gone]);
    let best = &recommended(&home).pairs[0];
    let turned = format!("{}:{}:{}", best.instrument, best.sell, best.buy);
    refused(&[&turned], &["is recommended the other way round only"]);
    refused(&["1", "2", "--size", "1e9"], &["--size: 1000000000 is no size for", "--size:"]);
    refused(&["1", "--size", "0", "--entry", "1e6"], &["--size: 0 is no", "--entry: 1000000 bp"]);
    for wrong in [&["okx:alpha"][..], &["1", "--expires", "0"], &["0"], &[]] {
        assert_eq!(approve(&home, wrong).code, Some(2), "{wrong:?}");
    }
    // An edited file, an expired one, and no name: everything at once.
    let path = home.file("out/recommendations.toml");
    let text = fs::read_to_string(&path).unwrap();
    let bound = format!("entry_bps_max = {:?}", best.entry_bps_max);
    assert!(text.contains(&bound), "{text}");
    fs::write(&path, text.replacen(&bound, "entry_bps_max = 500.0", 1)).unwrap();
    refused(&["1"], &["pairs[0].digest: it does not match the pair's figures and the data"]);
    let mut expired = recommended_of(&text);
    expired.generated = 1;
    expired.expires = 2;
    fs::write(&path, expired.sealed().to_toml()).unwrap();
    let nobody = kit::run_as(home.home.path(), &[&["approve", "1"][..], &FROM].concat(), None);
    assert_eq!(nobody.code, Some(2));
    for told in ["say who approves, with --by NAME", "expires: it expired at 1970-01-01"] {
        assert!(nobody.errors.contains(told), "{told}: {}", nobody.errors);
    }
    // A file of approvals with a problem is not replaced.
    fs::write(&path, text).unwrap();
    fs::write(home.file("approved.toml"), "format = 2\npears = 1\n").unwrap();
    let outcome = approve(&home, &["1"]);
    assert!(outcome.errors.contains("approved.toml: pears: no such key"), "{}", outcome.errors);
    assert_eq!(fs::read_to_string(home.file("approved.toml")).unwrap(), "format = 2\npears = 1\n");
}

fn recommended_of(text: &str) -> Recommendations {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.toml");
    fs::write(&path, text).unwrap();
    recommendations::read(&path, 0).unwrap()
}

/// Returns instrument and states of the approved pairs in a report.
fn states(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let approved = report["approved"].as_array().unwrap().iter();
    approved.map(|of| (text(&of["instrument"]), text(&of["state"]))).collect()
}

#[test]
fn a_night_never_touches_the_approvals_and_tells_first_what_changed_against_them() {
    let home = analysed();
    assert_eq!(approve(&home, &["all"]).code, Some(0));
    let mut all = approvals(&home);
    // One is approved at an entry that will be outside the bounds, one has expired, one is of no lake.
    let count = all.pairs.len();
    (all.pairs[0].entry_bps, all.pairs[0].entry_bps_max) = (900.0, 900.0);
    (all.pairs[1].approved_at, all.pairs[1].expires) = (1, 2);
    let gone = approved::Approval { instrument: "GONE/USDT".to_owned(), ..all.pairs[2].clone() };
    all.pairs.push(gone);
    fs::write(home.file("approved.toml"), all.to_toml()).unwrap();
    let before = fs::read(home.file("approved.toml")).unwrap();
    let outcome = home.run(&PAYS);
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    assert_eq!(fs::read(home.file("approved.toml")).unwrap(), before);
    let first = format!("!! CHANGED AGAINST WHAT IS APPROVED: 3 of {} pairs\n", count + 1);
    assert!(outcome.text.starts_with(&first), "{}", outcome.text);
    for told in
        ["OUT OF BOUNDS: its entry, 900 bp, is outside", "EXPIRED: approve it again", "GONE: "]
    {
        assert!(outcome.text.contains(told), "{told}: {}", outcome.text);
    }
    let found = states(&home.json());
    let states: Vec<&str> = found.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states[..3], ["out_of_bounds", "expired", "recommended"]);
    assert_eq!(states[count], "gone");
    // At fees that nothing pays, all that have not expired are refused, with the reason.
    let outcome = home.run(&["--fees", "90", "--metrics", "time-weighted"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    assert!(outcome.text.contains("NOT RECOMMENDED: no strategy opened anything"));
    let list = run(&home, &[&["approved", "--json"][..], &FROM].concat());
    assert_eq!(list.code, Some(0), "{}", list.errors);
    let listed: Value = serde_json::from_str(&list.text).unwrap();
    let listed: Vec<&str> =
        listed.as_array().unwrap().iter().map(|of| of["state"].as_str().unwrap()).collect();
    assert_eq!(listed[..3], ["refused", "expired", "refused"]);
    let list = run(&home, &[&["approved"][..], &FROM].concat());
    assert!(list.text.lines().nth(1).unwrap().starts_with("2  "), "{}", list.text);
    assert!(list.text.contains("by ada, until"), "{}", list.text);
    // Without an analysis the list says so.
    let list = run(&home, &["approved"]);
    assert_eq!(list.code, Some(0));
    assert!(list.text.contains("unknown: there is no analysis to compare with"), "{}", list.text);
}

/// Returns the pairs of a report that have details, in order, by the files of those.
fn detailed(home: &Home, report: &Value) -> Vec<String> {
    let files = report["pairs"].as_array().unwrap().iter().filter_map(|of| of["detail"].as_str());
    let name = |file: &str| {
        let text = fs::read_to_string(home.file("out/").join(file)).unwrap();
        let of: Value = serde_json::from_str(&text).unwrap();
        format!("{} {} {}", of["instrument"], of["exchange1"], of["exchange2"])
    };
    files.map(name).collect()
}

#[test]
fn approved_pairs_stay_in_the_report_whatever_their_rank_and_top_hides_no_recommendation() {
    let home = analysed();
    let count = recommended(&home).pairs.len();
    let last = &recommended(&home).pairs[count - 1];
    let name = format!("{}:{}:{}", last.instrument, last.buy, last.sell);
    assert_eq!(approve(&home, &[&name]).code, Some(0));
    let report = home.report(0, &[&PAYS[..], &["--top", "1"]].concat());
    assert_eq!(recommended(&home).pairs.len(), count);
    assert_eq!(states(&report), [(last.instrument.clone(), "recommended".to_owned())]);
    let details = detailed(&home, &report);
    assert_eq!(details.len(), 2, "{details:?}");
    let venues = [last.buy.replace('-', "_"), last.sell.replace('-', "_")];
    assert!(details[1].contains(&last.instrument), "{details:?}");
    assert!(venues.iter().all(|venue| details[1].contains(venue)), "{details:?}");
    // Without the file nothing but the first pair is there.
    fs::rename(home.file("approved.toml"), home.file("elsewhere.toml")).unwrap();
    let report = home.report(0, &[&PAYS[..], &["--top", "1"]].concat());
    assert_eq!((detailed(&home, &report).len(), states(&report).len()), (1, 0));
    let elsewhere = ["--top", "1", "--approved", "elsewhere.toml"];
    let report = home.report(0, &[&PAYS[..], &elsewhere].concat());
    assert_eq!(detailed(&home, &report).len(), 2);
    // A file that engine and trader would refuse is a wrong argument.
    fs::write(home.file("approved.toml"), "format = 2\npears = 1\n").unwrap();
    let outcome = home.run(&PAYS);
    assert_eq!(outcome.code, Some(2));
    let told = "analyzer: --approved: approved.toml: pears: no such key; did you mean `pairs`?";
    assert!(outcome.errors.contains(told), "{}", outcome.errors);
}

#[test]
fn the_digest_is_that_of_the_data_and_the_same_whatever_was_computed() {
    let home = Home::of_days(0..1);
    let digest = |options: &[&str]| {
        home.report(0, options);
        recommended(&home).data_digest
    };
    let first = digest(&PAYS);
    assert_eq!((first.len(), digest(&["--threads", "1", "--no-partials"])), (64, first.clone()));
    home.add_day(1);
    assert_ne!(digest(&PAYS), first);
    assert_eq!(digest(&["--date", "2024-08-08"]), first, "the same day");
    let recommended = recommended(&home);
    assert!(time_to_text(recommended.generated) < time_to_text(recommended.expires));
    assert!(
        recommended.pairs.iter().all(|pair| pair.instrument != PAIR || pair.per_day_low.is_none())
    );
}
