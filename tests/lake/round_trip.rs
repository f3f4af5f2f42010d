//! Any sequence of records comes back from the lake as the naive account has it.

use bytemuck::Zeroable;
use proptest::prelude::*;
use spreadwire_engine::journal::Settings;
use spreadwire_kit::quotes::quote;
use spreadwire_kit::records::status;
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Gap, Record, Spread, flags};
use spreadwire_rigs::lake::records::MIDNIGHT;
use spreadwire_rigs::lake::rig::{Rig, patient};
use spreadwire_rigs::lake::rows::{expected, files_under, quote_files, rows_of_lake};

fn any_quote() -> impl Strategy<Value = Record> {
    let time = prop_oneof![
        (MIDNIGHT - 2)..(MIDNIGHT + 2),
        // Within a day: the sealer joins no file of an hour that is longer ago.
        (MIDNIGHT - 3 * 3600 * SECOND)..(MIDNIGHT + 20 * 3600 * SECOND),
    ];
    let side = prop_oneof![Just((0, 0)), (1..i64::MAX, 0..i64::MAX), (1..100_000_i64, 0..50_i64)];
    let sequence = prop_oneof![Just(0), any::<u64>()];
    (time, 0..3_u8, 0..3_u32, side.clone(), side, sequence, 0..32_u8).prop_map(
        |(ts_recv, venue, instrument, bid, ask, sequence, flags)| {
            let absent = flags & flags::TS_EVENT_ABSENT != 0;
            let mut quote = quote(venue, instrument, ts_recv);
            (quote.bid_px, quote.bid_sz) = bid;
            (quote.ask_px, quote.ask_sz) = ask;
            quote.ts_event = if absent { 0 } else { ts_recv - 1 };
            (quote.sequence, quote.flags) = (sequence, flags);
            quote.into()
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        8 => any_quote(),
        1 => Just(status(MIDNIGHT)),
        1 => (1..1000_u64).prop_map(|missed| Gap::new(MIDNIGHT, missed).into()),
        1 => Just(Spread { ..Spread::zeroed() }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_quote_comes_back_from_the_lake(
        records in proptest::collection::vec(any_record(), 1..60),
        segment_rows in 1..40_u64,
    ) {
        let mut rig = Rig::new(Settings { segment_rows, ..patient() });
        rig.pass(&records, MIDNIGHT);
        prop_assert_eq!(rig.seal(), Vec::<String>::new());
        let wanted = expected(&records);
        let mut found = rows_of_lake(&rig.lake());
        // Files correspond to segments, so order is guaranteed within each; across them, order by
        // time.
        found.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.ts, row.number)));
        prop_assert_eq!(&found, &wanted);
        let rows: usize = wanted.values().map(Vec::len).sum();
        prop_assert_eq!(rig.count("seal.rows"), rows as u64);
        prop_assert_eq!(rig.count("journal.quotes"), rows as u64);
        prop_assert_eq!(rig.count("seal.missed"), rig.count("journal.missed"));
        prop_assert_eq!(rig.count("seal.statuses"), rig.count("journal.statuses"));
        let leftovers = files_under(&rig.lake());
        let known = |file: &String| file.ends_with(".parquet") || file == "change.lock";
        prop_assert!(leftovers.iter().all(known), "{leftovers:?}");
        let folders = wanted.len();
        prop_assert_eq!(quote_files(&rig.lake()).len(), folders, "small files join");
    }
}
