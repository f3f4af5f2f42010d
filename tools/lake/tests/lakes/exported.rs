//! A recorded lake and its exports.

use crate::recorded::{MIDNIGHT, one_sided, quote, record};
use ::lake::export::{Told, Wanted, export};
use ::lake::formats::Format;
use indicatif::ProgressBar;
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::Record;
use std::path::Path;

pub(crate) fn all(lake: &Path) -> Wanted<'_> {
    Wanted { lake, venue: None, instrument: None, from: 0, until: u64::MAX }
}

pub(crate) fn exported(wanted: &Wanted<'_>, format: Format, receive_time: bool) -> (Vec<u8>, Told) {
    let mut out = Vec::new();
    let told = export(wanted, format, receive_time, &mut out, &ProgressBar::hidden()).unwrap();
    (out, told)
}

/// Records two hours of two venues and two instruments, with one side absent now and then, in
/// overlapping files.
pub(crate) fn recorded_lake(lake: &Path) {
    let quotes = |from: u64| -> Vec<Record> {
        let of = |n: u64| {
            let price = 6_100_000 + i64::try_from(n * 7 % 13).unwrap();
            let instrument = u32::from(n % 3 == 1);
            let quote =
                quote(u8::from(n.is_multiple_of(2)), instrument, from + n * SECOND / 2, price);
            if n % 11 == 5 { one_sided(quote) } else { quote }
        };
        (0..9000).map(|n| Record::from(of(n))).collect()
    };
    record(lake, "20240809T000000-000000001", &[quotes(MIDNIGHT), quotes(MIDNIGHT + 1)]);
}
