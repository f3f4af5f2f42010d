//! Parquet layouts for the lake's quotes: the columns, and the writer's settings by name.
//!
//! The columns are those of the sealer, and the run's name.

use crate::tape::Scales;
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use arrow::datatypes::UInt8Type;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    DeltaBinaryPackedEncoderOptions, EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
    WriterVersion,
};
use parquet::schema::types::ColumnPath;
use spreadwire_market::decimal;
use spreadwire_market::record::{Quote, flags};
use std::sync::Arc;

pub(crate) const RUN: &str = "20240808T235414-087891268";

/// Number of rows in a page that zstd compresses as one: 512 KiB of doubles.
const LARGE_PAGE: usize = 65_536;
const TIMES: [&str; 2] = ["Timestamp", "EventTime"];
const SEQUENCES: [&str; 2] = ["Sequence", "JournalSequence"];
const PRICES: [&str; 2] = ["BestBid", "BestAsk"];
const SIZES: [&str; 2] = ["BestBidSize", "BestAskSize"];

/// Contents of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// As in the lake: prices and sizes are doubles.
    Lake,
    /// As in the lake, but the writer receives the run's name once, with a key for each row.
    RunKeys,
    /// Without the run's name.
    WithoutRun,
    /// Prices and sizes as mantissas.
    Fixed,
}

/// A named layout of a file.
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    pub(crate) columns: Columns,
    pub(crate) properties: WriterProperties,
}

/// Returns all layouts that are compared.
pub(crate) fn all() -> Vec<Layout> {
    let lake = |name, properties: WriterPropertiesBuilder| Layout {
        name,
        columns: Columns::Lake,
        properties: properties.build(),
    };
    let mut layouts = vec![
        lake("writer's defaults", WriterProperties::builder()),
        lake("all dictionary, zstd 1", WriterProperties::builder().set_compression(zstd(1))),
        lake("today's", todays()),
        lake("today's, uncompressed", todays().set_compression(Compression::UNCOMPRESSED)),
        lake("today's, zstd 3", todays().set_compression(zstd(3))),
        lake("today's, zstd 6", todays().set_compression(zstd(6))),
        lake("today's, zstd 9", todays().set_compression(zstd(9))),
    ];
    layouts.extend(encodings().into_iter().map(|(name, properties)| lake(name, properties)));
    layouts.extend(pages().into_iter().map(|(name, properties)| lake(name, properties)));
    layouts.extend(combinations().into_iter().map(|(name, properties)| lake(name, properties)));
    layouts.extend(best());
    let fixed = delta(todays(), &[PRICES, SIZES].concat()).build();
    layouts.push(Layout {
        name: "i64, all delta, zstd 1",
        columns: Columns::Fixed,
        properties: fixed,
    });
    layouts
}

/// Returns the settings that the lake had before.
fn todays() -> WriterPropertiesBuilder {
    let by_time = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let builder = WriterProperties::builder()
        .set_compression(zstd(1))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(vec![by_time]))
        .set_column_statistics_enabled("Timestamp".into(), EnabledStatistics::Page);
    delta(builder, &[TIMES, SEQUENCES].concat())
}

/// Returns variants with other encodings of some columns.
fn encodings() -> Vec<(&'static str, WriterPropertiesBuilder)> {
    let split = Encoding::BYTE_STREAM_SPLIT;
    let mini = |block, minis| DeltaBinaryPackedEncoderOptions::try_new(block, minis).unwrap();
    vec![
        ("prices byte stream split", encoded(todays(), &PRICES, split)),
        ("sizes byte stream split", encoded(todays(), &SIZES, split)),
        ("both byte stream split", encoded(todays(), &[PRICES, SIZES].concat(), split)),
        ("prices plain", encoded(todays(), &PRICES, Encoding::PLAIN)),
        ("prices and sizes plain", encoded(todays(), &[PRICES, SIZES].concat(), Encoding::PLAIN)),
        ("EventTime dictionary", dictionary(todays(), "EventTime")),
        ("JournalSequence plain", encoded(todays(), &["JournalSequence"], Encoding::PLAIN)),
        ("Timestamp byte stream split", encoded(todays(), &["Timestamp"], split)),
        ("deltas in 128 / 4 x 32", todays().set_delta_binary_packed_encoder_options(mini(128, 4))),
        ("deltas in 256 / 8 x 32", todays().set_delta_binary_packed_encoder_options(mini(256, 8))),
        (
            "deltas in 1024 / 32 x 32",
            todays().set_delta_binary_packed_encoder_options(mini(1024, 32)),
        ),
        ("Timestamp uncompressed", uncompressed(todays(), &["Timestamp"])),
    ]
}

/// Returns variants with other pages, dictionaries, row groups and indexes.
fn pages() -> Vec<(&'static str, WriterPropertiesBuilder)> {
    let all_pages = EnabledStatistics::Page;
    vec![
        ("pages of 8192 rows", todays().set_data_page_row_count_limit(8_192)),
        ("pages of 65536 rows", todays().set_data_page_row_count_limit(LARGE_PAGE)),
        ("writer version 2.0", todays().set_writer_version(WriterVersion::PARQUET_2_0)),
        ("dictionaries up to 16 KiB", todays().set_dictionary_page_size_limit(16 << 10)),
        ("dictionaries up to 64 KiB", todays().set_dictionary_page_size_limit(64 << 10)),
        ("row groups of 16384", todays().set_max_row_group_row_count(Some(16_384))),
        ("row groups of 32768", todays().set_max_row_group_row_count(Some(32_768))),
        ("batches of 8192 in the writer", todays().set_write_batch_size(8_192)),
        ("statistics of all pages", todays().set_statistics_enabled(all_pages)),
        (
            "no page index",
            todays()
                .set_column_statistics_enabled("Timestamp".into(), EnabledStatistics::Chunk)
                .set_offset_index_disabled(true),
        ),
    ]
}

/// Returns variants with plain sizes, and more compression for the columns that gain by it.
fn combinations() -> Vec<(&'static str, WriterPropertiesBuilder)> {
    let plain = || encoded(todays(), &SIZES, Encoding::PLAIN);
    let large = || plain().set_data_page_row_count_limit(LARGE_PAGE);
    let heavy = ["BestBidSize", "BestAskSize", "EventTime"];
    vec![
        ("sizes plain", plain()),
        ("sizes plain, zstd 3", squeezed(plain(), &SIZES, 3)),
        ("sizes plain, zstd 6", squeezed(plain(), &SIZES, 6)),
        ("sizes, events zstd 3", squeezed(plain(), &heavy, 3)),
        ("65536, sizes plain", large()),
        ("65536, sizes plain zstd 2", squeezed(large(), &SIZES, 2)),
        ("65536, sizes plain zstd 3", squeezed(large(), &SIZES, 3)),
        ("65536, sizes, events zstd 3", squeezed(large(), &heavy, 3)),
        ("65536, sizes, events zstd 6", squeezed(large(), &heavy, 6)),
        ("65536, sizes plain, all zstd 3", large().set_compression(zstd(3))),
    ]
}

/// Returns the layout that resulted from the single changes, and variants that show the cost of the
/// run's name.
fn best() -> Vec<Layout> {
    let layout = |name, columns| Layout { name, columns, properties: chosen().build() };
    vec![
        layout("chosen", Columns::Lake),
        layout("chosen, run by keys", Columns::RunKeys),
        layout("chosen, without Run", Columns::WithoutRun),
    ]
}

/// Returns the chosen settings. Sizes repeat byte for byte, but not often enough for a dictionary.
/// Sizes and event times gain from a higher compression level and from large pages, which let zstd
/// look further back. Pages of the other columns stay small, so that a reader that looks for a time
/// finds it.
pub(crate) fn chosen() -> WriterPropertiesBuilder {
    let heavy = ["BestBidSize", "BestAskSize", "EventTime"];
    let builder = squeezed(encoded(todays(), &SIZES, Encoding::PLAIN), &heavy, 3);
    heavy.into_iter().fold(builder, |builder, name| {
        builder.set_column_data_page_row_count_limit(name.into(), LARGE_PAGE)
    })
}

/// Sets this zstd level for these columns.
fn squeezed(
    builder: WriterPropertiesBuilder,
    columns: &[&str],
    level: i32,
) -> WriterPropertiesBuilder {
    columns
        .iter()
        .fold(builder, |builder, name| builder.set_column_compression((*name).into(), zstd(level)))
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap())
}

/// NB: while a column has a dictionary, its encoding applies only after the dictionary is full.
fn encoded(
    builder: WriterPropertiesBuilder,
    columns: &[&str],
    encoding: Encoding,
) -> WriterPropertiesBuilder {
    columns.iter().fold(builder, |builder, name| {
        let column = ColumnPath::from(*name);
        builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, encoding)
    })
}

fn delta(builder: WriterPropertiesBuilder, columns: &[&str]) -> WriterPropertiesBuilder {
    encoded(builder, columns, Encoding::DELTA_BINARY_PACKED)
}

fn dictionary(builder: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    builder.set_column_dictionary_enabled(column.into(), true)
}

fn uncompressed(builder: WriterPropertiesBuilder, columns: &[&str]) -> WriterPropertiesBuilder {
    columns.iter().fold(builder, |builder, name| {
        builder.set_column_compression((*name).into(), Compression::UNCOMPRESSED)
    })
}

/// Returns quotes and their journal numbers as the columns of a file.
pub(crate) fn batch(
    all_quotes: &[Quote],
    journal: &[i64],
    scales: Scales,
    columns: Columns,
) -> RecordBatch {
    let quotes = || all_quotes.iter();
    let times = quotes().map(|quote| quote.ts_recv.cast_signed());
    let events = quotes().map(|quote| {
        (quote.flags & flags::TS_EVENT_ABSENT == 0).then_some(quote.ts_event.cast_signed())
    });
    let sequences = quotes().map(|quote| (quote.sequence != 0).then_some(quote.sequence));
    let [bid, ask, bid_size, ask_size] = numbers(all_quotes, scales, columns == Columns::Fixed);
    let time = TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC");
    let mut arrays: Vec<(&str, ArrayRef, bool)> = vec![
        ("Timestamp", Arc::new(time), false),
        ("BestBid", bid, true),
        ("BestAsk", ask, true),
        ("BestBidSize", bid_size, true),
        ("BestAskSize", ask_size, true),
        (
            "EventTime",
            Arc::new(events.collect::<TimestampNanosecondArray>().with_timezone("UTC")),
            true,
        ),
        ("Sequence", Arc::new(sequences.collect::<UInt64Array>()), true),
        ("JournalSequence", Arc::new(Int64Array::from(journal.to_vec())), false),
        ("Flags", Arc::new(UInt8Array::from_iter_values(quotes().map(|quote| quote.flags))), false),
    ];
    arrays.extend(run(all_quotes.len(), columns).map(|run| ("Run", run, false)));
    RecordBatch::try_from_iter_with_nullable(arrays).unwrap()
}

/// Returns bid, ask, bid size and ask size; null on an absent side.
fn numbers(quotes: &[Quote], scales: Scales, fixed: bool) -> [ArrayRef; 4] {
    type Side = fn(&Quote) -> (i64, i64);
    let column = |side: Side, price: bool| -> ArrayRef {
        let scale = if price { scales.price } else { scales.size };
        let mantissas = quotes.iter().map(|quote| {
            let (px, sz) = side(quote);
            ((px, sz) != (0, 0)).then_some(if price { px } else { sz })
        });
        if fixed {
            return Arc::new(mantissas.collect::<Int64Array>());
        }
        Arc::new(mantissas.map(|m| m.map(|m| decimal::to_f64(m, scale))).collect::<Float64Array>())
    };
    let bid: Side = |quote| (quote.bid_px, quote.bid_sz);
    let ask: Side = |quote| (quote.ask_px, quote.ask_sz);
    [column(bid, true), column(ask, true), column(bid, false), column(ask, false)]
}

fn run(rows: usize, columns: Columns) -> Option<ArrayRef> {
    match columns {
        Columns::Lake | Columns::Fixed => {
            Some(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(RUN, rows))))
        }
        Columns::RunKeys => {
            let keys = UInt8Array::from_value(0, rows);
            let names = Arc::new(StringArray::from_iter_values([RUN]));
            Some(Arc::new(DictionaryArray::<UInt8Type>::new(keys, names)))
        }
        Columns::WithoutRun => None,
    }
}
