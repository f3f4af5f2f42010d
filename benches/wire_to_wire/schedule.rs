//! The schedule of a block: frames due at a rate, in bursts, or as recorded.
//!
//! Times are ns from the block's start.

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use spreadwire_market::clock::{MICRO, MILLI, Nanos, SECOND};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Number of frames in a burst, as in one millisecond of the recorded tape.
const BURST_FRAMES: u64 = 182;
/// Duration of a burst.
const BURST_SPAN: Nanos = MILLI;
/// Time from the start of one burst to the next.
const BURST_EVERY: Nanos = 20 * MILLI;
/// Path in the folder of real recordings. The tape has all streams; its worst millisecond has 182
/// frames.
const TAPE: &str = "tapes/binance_usdm_btcusdt_20240808.frames.gz";

/// Kind of schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// This many frames a second, evenly spaced.
    Rate(u32),
    /// 182 frames in a millisecond, 50 times a second.
    Bursts,
    /// The gaps of a tape.
    Tape,
}

/// The gaps of a tape, and their origin.
#[derive(Debug)]
pub(crate) struct Tape {
    times: Vec<Nanos>,
    /// `recorded` or `synthetic`.
    pub(crate) origin: &'static str,
}

impl Case {
    /// Returns the name in the results.
    pub(crate) fn name(&self, tape: &Tape) -> String {
        match self {
            Case::Rate(rate) => format!("{rate}/s"),
            Case::Bursts => format!("bursts of {BURST_FRAMES} in 1 ms"),
            Case::Tape => format!("{} gaps", tape.origin),
        }
    }

    /// Returns the due times of a block of `span`.
    pub(crate) fn due(&self, span: Nanos, tape: &Tape) -> Vec<Nanos> {
        match self {
            Case::Rate(rate) => {
                let frames = u64::from(*rate) * span / SECOND;
                (0..frames).map(|number| number * SECOND / u64::from(*rate)).collect()
            }
            Case::Bursts => {
                let burst = |number| {
                    let start = number * BURST_EVERY;
                    (0..BURST_FRAMES).map(move |frame| start + frame * BURST_SPAN / BURST_FRAMES)
                };
                (0..span / BURST_EVERY).flat_map(burst).collect()
            }
            Case::Tape => tape.busiest(span),
        }
    }
}

impl Tape {
    /// Returns the recorded tape in the folder of `SPREADWIRE_REAL_DATA`, or a synthetic one of the
    /// same shape.
    pub(crate) fn find() -> anyhow::Result<Tape> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let folder = std::env::var_os("SPREADWIRE_REAL_DATA").map_or(beside, PathBuf::from);
        let path = folder.join(TAPE);
        if path.is_file() {
            let times = read(&path).with_context(|| path.display().to_string())?;
            return Ok(Tape { times, origin: "recorded" });
        }
        println!("{} is absent (SPREADWIRE_REAL_DATA): using synthetic gaps", path.display());
        Ok(Tape::made())
    }

    /// Returns a minute in the shape of the recorded tape: half of the gaps are below 27 us, one in
    /// ten is above 14 ms, and each second has 182 frames within a millisecond.
    pub(crate) fn made() -> Tape {
        let gaps = [MICRO / 2, MICRO, 3 * MICRO, 9 * MICRO, 27 * MICRO, 90 * MICRO];
        let rare = [300 * MICRO, MILLI, 4 * MILLI, 14 * MILLI];
        let cycle: Vec<Nanos> = gaps.into_iter().chain(rare).collect();
        let (mut now, mut times) = (0, Vec::new());
        for second in 0..60 {
            let mut turn = cycle.iter().cycle();
            while now < (second + 1) * SECOND - BURST_SPAN {
                times.push(now);
                now += turn.next().unwrap_or(&MILLI);
            }
            times.extend((0..BURST_FRAMES).map(|frame| now + frame * BURST_SPAN / BURST_FRAMES));
            now += BURST_SPAN;
        }
        Tape { times, origin: "synthetic" }
    }

    /// Returns the part of `span` with the most frames, with times from 0.
    fn busiest(&self, span: Nanos) -> Vec<Nanos> {
        let times = &self.times;
        let (mut best, mut first) = (0..0, 0);
        for last in 0..times.len() {
            while span < times[last] - times[first] {
                first += 1;
            }
            if best.len() < last + 1 - first {
                best = first..last + 1;
            }
        }
        let start = times.get(best.start).copied().unwrap_or(0);
        times[best].iter().map(|time| time - start).collect()
    }
}

/// Returns the receive times of a tape's lines, ascending.
fn read(path: &Path) -> anyhow::Result<Vec<Nanos>> {
    let mut times: Vec<Nanos> = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(File::open(path)?)).lines() {
        let line = line?;
        let time = line.split(' ').next().unwrap_or_default().parse::<Nanos>()?;
        times.push(times.last().map_or(time, |last| time.max(*last)));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_order_and_within_its_span() {
        let tape = Tape::made();
        for case in [Case::Rate(1_000), Case::Rate(33_333), Case::Bursts, Case::Tape] {
            let due = case.due(2 * SECOND, &tape);
            assert!(due.is_sorted() && due.last().is_some_and(|last| *last <= 2 * SECOND));
        }
        assert_eq!(Case::Rate(1_000).due(2 * SECOND, &tape).len(), 2_000);
        assert_eq!(Case::Bursts.due(SECOND, &tape).len(), 50 * 182);
    }

    #[test]
    fn busiest_part_holds_a_burst() {
        // A few earlier frames fall within the same millisecond.
        assert!((182..200).contains(&Tape::made().busiest(MILLI).len()));
    }
}
