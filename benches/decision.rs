//! Measures the decision on a spread, `DecisionMaker::on_record`.
//!
//! `below` finds nothing to open, `open` follows an opportunity that stays open, and
//! `open_and_close` opens with one spread and closes with the next. Quantiles are over batches of
//! 64 spreads (`timing.rs`).

use benches::timing::Samples;
use benches::{header, timing};
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::clock::SECOND;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_market::record::{Record, Spread};
use std::hint::black_box;

fn maker() -> DecisionMaker {
    let catalogue = catalogue::of(["A/B"], ["a", "b", "c", "d"]).max_age(SECOND).build();
    let settings =
        Settings { entry: 0.001, exit: 0.0005, cooldown: 0, enabled: vec![true], rules: None };
    DecisionMaker::new(&catalogue, settings)
}

fn spread(net: f64) -> Record {
    Spread { net, ..quotes::spread(0, [1, 2], [100, 100], SECOND) }.into()
}

/// Net spreads of a case, and the number of records that two rounds of them produce.
const CASES: [(&str, [f64; 2], usize); 3] = [
    ("below", [0.0, 0.0009], 0),
    ("open", [0.002, 0.0006], 1),
    ("open_and_close", [0.002, 0.0], 4),
];

fn main() {
    header::print("decision");
    for (name, nets, expected) in CASES {
        let (mut maker, mut out) = (maker(), Vec::with_capacity(16));
        let records = nets.map(spread);
        records.iter().chain(&records).for_each(|record| maker.on_record(record, &mut out));
        assert_eq!(out.len(), expected, "{name}");
        let mut turn = records.iter().cycle();
        let times = Samples::take(timing::samples(100_000), 64, || {
            out.clear();
            maker.on_record(black_box(turn.next().unwrap_or(&records[0])), &mut out);
            black_box(out.len());
        });
        times.tell(["decision", name, "maker"], None);
    }
}
