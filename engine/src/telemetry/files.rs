//! Latency files in the formats of the HdrHistogram tools: an interval log (V2, `.hlog`) that grows
//! once a second, and percentile distributions (`.hgrm`) at the end of the run.
//!
//! The log is written in whole lines directly to the file, so a killed process leaves every
//! interval up to its last second.

use super::units::{NS_PER_US, micros, millis, seconds};
use crate::runtime::latency::Latency;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use spreadwire_lake::{files, folder};
use spreadwire_market::clock::Nanos;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Name of the interval log in the folder.
const LOG: &str = "latency.hlog";
/// Lines of a distribution per halving of the distance to 100 %, as in the other tools.
const TICKS_PER_HALF: u32 = 5;

/// The folder of one run's latency files.
pub(super) struct Files {
    folder: PathBuf,
    log: File,
    began: Nanos,
    serializer: V2DeflateSerializer,
    /// Reused for its allocation.
    bytes: Vec<u8>,
    lines: String,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Files {
    /// Creates the folder and writes the head of the log.
    pub(super) fn create(folder: &Path, began: Nanos) -> io::Result<Files> {
        folder::create(folder)?;
        let mut log = files::output(&folder.join(LOG))?;
        let began_s = seconds(began);
        write!(
            log,
            "#[Interval latencies of spreadwire, ns; one tag for each stage and venue]\n\
             #[Histogram log format version 1.3]\n\
             #[StartTime: {began_s:.3} (seconds since epoch)]\n\
             #[BaseTime: {began_s:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
             \"Interval_Compressed_Histogram\"\n"
        )?;
        let (serializer, bytes) = (V2DeflateSerializer::new(), Vec::new());
        let (folder, lines) = (folder.to_owned(), String::new());
        Ok(Files { folder, log, began, serializer, bytes, lines })
    }

    /// Appends one interval of a stage to the log: a line for each given venue.
    pub(super) fn append(
        &mut self,
        stage: &str,
        since: Nanos,
        until: Nanos,
        venues: &[(&str, &Histogram<u32>)],
    ) -> io::Result<()> {
        self.lines.clear();
        let start = seconds(since.saturating_sub(self.began));
        let length = seconds(until.saturating_sub(since));
        for (venue, histogram) in venues {
            self.bytes.clear();
            self.serializer.serialize(histogram, &mut self.bytes).map_err(io::Error::other)?;
            let max = millis(histogram.max());
            let payload = STANDARD.encode(&self.bytes);
            let line = format!("Tag={stage}.{venue},{start:.3},{length:.3},{max:.3},{payload}\n");
            self.lines.push_str(&line);
        }
        self.log.write_all(self.lines.as_bytes())
    }

    /// Writes a distribution for each stage and venue, and the plots.
    pub(super) fn write_sums(&self, sums: &[(&str, &str, &Latency)]) -> io::Result<()> {
        for (stage, venue, latency) in sums {
            let file = self.folder.join(format!("{stage}.{venue}.hgrm"));
            files::output(&file)?.write_all(distribution(latency.histogram()).as_bytes())?;
        }
        Ok(())
    }
}

/// Returns a distribution in the text format of the HdrHistogram plotter, values in us.
fn distribution(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut seen = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        seen += step.count_since_last_iteration();
        let (value, quantile) = (micros(step.value_iterated_to()), step.quantile_iterated_to());
        let line = if quantile < 1.0 {
            let odds = 1.0 / (1.0 - quantile);
            writeln!(text, "{value:>12.3} {quantile:>2.12} {seen:>10} {odds:>14.2}")
        } else {
            writeln!(text, "{value:>12.3} {quantile:>2.12} {seen:>10}")
        };
        debug_assert!(line.is_ok(), "writing to a string cannot fail");
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_US, histogram.stdev() / NS_PER_US);
    let (max, count) = (micros(histogram.max()), histogram.len());
    text.push_str(&format!(
        "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n\
         #[Max     = {max:>12.3}, Total count    = {count:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
        histogram.buckets(),
        (2 * 10_u32.pow(u32::from(histogram.sigfig()))).next_power_of_two(),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_has_the_columns_of_the_other_tools() {
        let mut latency = Latency::with_digits(2);
        (1..=1_000).for_each(|micro| latency.record(0, micro * 1_000));
        let text = distribution(latency.histogram());
        let mut lines = text.lines();
        let heads = ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
        assert_eq!(lines.next().unwrap().split_whitespace().collect::<Vec<_>>(), heads);
        assert_eq!(lines.next(), Some(""));
        let rows: Vec<Vec<f64>> = lines
            .clone()
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        assert!(rows.windows(2).all(|two| two[0][..3] <= two[1][..3]), "{text}");
        let half = rows.iter().find(|row| 0.5 <= row[1]).unwrap();
        assert!((half[0] - 500.0).abs() < 5.0 && (half[3] - 2.0).abs() < 1e-9, "{half:?}");
        let last = rows.last().unwrap();
        assert_eq!((last.len(), last[2]), (3, 1_000.0));
        assert_eq!(text.lines().filter(|line| line.starts_with("#[")).count(), 3);
    }
}
