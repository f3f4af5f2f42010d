//! Writes the model's quotes as a tape, in the format that the simulator plays.
//!
//! The times start at a fixed day, so that the same seed gives the same file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use exchange_sim::{INSTRUMENTS, Model, ModelOptions, VenueAt};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Start of a written tape, 2026-01-01T00:00:00Z, in ns since 1970 UTC.
const BEGIN_NS: u64 = 1_767_225_600_000_000_000;

/// Writes the quotes of the model's first `lasting`. Returns their number.
pub(crate) fn write(
    path: &Path,
    options: &ModelOptions,
    venues: &[VenueAt],
    lasting: Duration,
) -> Result<u64> {
    let file = BufWriter::new(File::create(path)?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut zipped = GzEncoder::new(file, Compression::default());
        let rows = write_rows(&mut zipped, options, venues, lasting)?;
        zipped.finish()?.flush()?;
        return Ok(rows);
    }
    let mut file = file;
    let rows = write_rows(&mut file, options, venues, lasting)?;
    file.flush()?;
    Ok(rows)
}

fn write_rows(
    out: &mut impl Write,
    options: &ModelOptions,
    venues: &[VenueAt],
    lasting: Duration,
) -> Result<u64> {
    let mut options = options.clone();
    options.venues.retain(|it| venues.iter().any(|at| at.name == it.name));
    let mut model = Model::new(&options)?;
    writeln!(out, "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty")?;
    let end_ns = u64::try_from(lasting.as_nanos())?;
    let mut rows = 0;
    loop {
        let quote = model.next_quote();
        if end_ns < quote.at_ns {
            return Ok(rows);
        }
        rows += 1;
        let venue = &options.venues[quote.venue];
        let grid = &INSTRUMENTS[quote.instrument];
        let recv_ns = BEGIN_NS + quote.at_ns;
        let exch_ns = recv_ns - u64::try_from(venue.push_delay.as_nanos())?;
        write!(out, "{recv_ns},{exch_ns},{},", tape_name(&venue.name))?;
        write!(out, "{}", grid.name.replace('/', ""))?;
        for (units, places) in [
            (quote.bid, grid.price_decimals),
            (quote.bid_qty, grid.size_decimals),
            (quote.ask, grid.price_decimals),
            (quote.ask_qty, grid.size_decimals),
        ] {
            write_decimal(out, units, places)?;
        }
        writeln!(out)?;
    }
}

/// Returns the name that a tape gives to a venue.
fn tape_name(venue: &str) -> &str {
    match venue {
        "binance" => "binance_spot",
        "binance-usdm" => "binance_usdm",
        "bybit" => "bybit_spot",
        "okx" => "okx_spot",
        other => other,
    }
}

fn write_decimal(out: &mut impl Write, units: u64, places: usize) -> io::Result<()> {
    let scale = (0..places).fold(1, |scale: u64, _| scale * 10);
    if places == 0 {
        return write!(out, ",{units}");
    }
    write!(out, ",{}.{:0places$}", units / scale, units % scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_tape_is_the_same_for_the_same_seed_and_can_be_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let venues: Vec<_> =
            ["binance", "okx"].iter().map(|name| VenueAt::any_port(name)).collect();
        let one_second = Duration::from_secs(1);
        let mut written = Vec::new();
        for name in ["a.csv", "b.csv"] {
            let path = folder.path().join(name);
            let rows =
                write(&path, &ModelOptions::default(), &venues, one_second).expect("written");
            assert!((4_000..6_000).contains(&rows), "{rows}");
            written.push(std::fs::read_to_string(path).expect("written"));
        }
        assert_eq!(written[0], written[1]);

        let zipped = folder.path().join("c.csv.gz");
        let rows = write(&zipped, &ModelOptions::default(), &venues, one_second).expect("written");
        let options = exchange_sim::TapeOptions { path: zipped, ..Default::default() };
        let survey = exchange_sim::survey(&options, &["binance", "okx"]).expect("good tape");
        assert_eq!((survey.rows, survey.instruments.len()), (rows, 20));
        assert_eq!(survey.instruments.iter().map(|it| it.price_decimals).max(), Some(8));
    }

    #[test]
    fn decimals_keep_their_zeros() {
        for (units, places, text) in [(1143, 8, ",0.00001143"), (500, 2, ",5.00"), (7, 0, ",7")] {
            let mut out = Vec::new();
            write_decimal(&mut out, units, places).expect("memory");
            assert_eq!(String::from_utf8(out).expect("text"), text);
        }
    }
}
