//! Lakes that hold several markets, such as a live one and a simulated one: they are not compared with each
//! other, and each can be analysed by itself.

use crate::kit::{
    DAY, Home, LISTINGS, MIDNIGHT, SECOND, Style, VENUES, batch, folder, problems, recorded, walk,
};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use std::fs;

/// Adds a run of the market: a file of each venue, and its beginning in the ledger. The footers say what
/// `footer` does.
fn add_run(home: &Home, run: &str, provenance: &str, footer: &[(&str, &str)]) {
    for (number, venue) in (1..).zip(VENUES) {
        let market = u64::from(run.as_bytes()[0]);
        let rows = batch(&walk(number + market, MIDNIGHT, 400), Style::default());
        let place = home.lake.join(folder(venue, "BTC/USDT", MIDNIGHT / SECOND / 3_600));
        fs::create_dir_all(&place).unwrap();
        let file = fs::File::create(place.join(format!("{run}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        for (key, value) in footer {
            let pair = KeyValue::new(format!("spreadwire.{key}"), (*value).to_owned());
            writer.append_key_value_metadata(pair);
        }
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }
    let midnight = MIDNIGHT.unsigned_abs();
    let started = Entry::new(EntryKind::Started, midnight).of_run(run).because(provenance);
    let ended = Entry::new(EntryKind::Ended, midnight + DAY.unsigned_abs()).of_run(run);
    let rows = recorded(run, &LISTINGS[..3]);
    let entries = [vec![started, ended.because("clean")], rows].concat();
    ledger::write(&home.lake, &format!("{run}-started"), midnight, &entries).unwrap();
}

fn ranking(home: &Home, options: &[&str]) -> String {
    let outcome = home.run(options);
    assert_eq!(outcome.code, Some(0), "{options:?}: {}{}", outcome.text, outcome.errors);
    fs::read_to_string(home.file("out/ranking.csv")).unwrap()
}

#[test]
fn two_markets_in_one_lake_are_refused_and_one_can_be_chosen() {
    let [both, live, simulated] = [(); 3].map(|()| Home::new());
    for home in [&both, &live] {
        // As old versions wrote it, by its parts, and as new ones do.
        add_run(home, "a", "live", &[("parts", "a:0:400")]);
        add_run(home, "b", "import", &[("parts", "b:0:400"), ("provenance", "import")]);
    }
    for home in [&both, &simulated] {
        add_run(home, "c", "simulated", &[("parts", "c:0:400"), ("provenance", "simulated")]);
    }
    let outcome = both.run(&[]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.errors);
    let told = "holds live and simulated and import quotes, which are different markets; choose one, as \
                --provenance live\n";
    assert!(outcome.errors.ends_with(told), "{}", outcome.errors);
    assert!(!both.file("out").exists());
    assert_eq!(ranking(&both, &["--provenance", "simulated"]), ranking(&simulated, &[]));
    assert_eq!(
        ranking(&both, &["--provenance", "live"]),
        ranking(&live, &["--provenance", "live"])
    );
    let real = ranking(&live, &[]);
    assert_ne!(real, ranking(&live, &["--provenance", "import"]), "real quotes go together");
}

#[test]
fn a_file_that_does_not_say_where_its_quotes_come_from_is_left_out_of_a_choice() {
    let home = Home::new();
    add_run(&home, "a", "live", &[("provenance", "live")]);
    add_run(&home, "b", "live", &[]);
    add_run(&home, "c", "simulated", &[("parts", "c:0:1,a:0:1")]);
    add_run(&home, "d", "simulated", &[("parts", "d:0:1")]);
    let found = problems(&home.report(3, &["--provenance", "simulated"]));
    let left_out = |why: &str| found.iter().filter(|(_, what, out)| what == why && *out).count();
    assert_eq!(left_out("does not say where its quotes come from"), 3, "{found:?}");
    assert_eq!(left_out("has simulated quotes and others in one file"), 3, "{found:?}");
}
