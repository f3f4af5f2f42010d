//! Tests the capture agent with a manual clock: the contents of its files, when they are written,
//! and what happens to frames when a ring or the disk is full.
//!
//! Files are read as any user would read them, with a zstd decoder and no code of the engine.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use spreadwire_engine::capture::{
    self, BLOCK_BYTES, Capture, ConnectionName, RETRY_INTERVAL, Source, WRITE_INTERVAL,
};
use spreadwire_engine::runtime::agent::{Agent, Report};
use spreadwire_engine::runtime::frame_ring::{self, Frame, FrameSender};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::Counters;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 2024-08-08 23:59:58 UTC.
const START: Nanos = 1_723_161_598 * SECOND;
const RUN: &str = "run";

/// A capture of one feed with two connections of one venue and one of another.
struct Bench {
    lake: TempDir,
    feed: FrameSender,
    capture: Capture,
    counters: Counters,
}

impl Bench {
    fn new(ring_bytes: usize) -> Bench {
        let lake = tempfile::tempdir().unwrap();
        let (feed, frames) = frame_ring::frames(ring_bytes, &[true; 3]);
        let name = |venue: &str, connection| ConnectionName {
            venue: venue.to_owned(),
            connection,
            line: 0,
        };
        let connections = vec![name("okx", 0), name("binance-usdm", 0), name("okx", 1)];
        let (source, counters) = (Source { frames, connections }, Counters::default());
        let capture = Capture::new(vec![source], lake.path(), RUN, &counters).unwrap();
        Bench { lake, feed, capture, counters }
    }

    fn offer(&mut self, connection: usize, ts_recv: Nanos, text: &str) -> bool {
        self.feed.offer(connection, ts_recv, Frame::Text(text.as_bytes()))
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.expect(&format!("capture.{name}"))
    }

    /// Ends in order, and returns the files with their texts and the failures.
    fn end(self) -> (TempDir, Vec<(String, String)>, Vec<String>) {
        let Bench { lake, feed, mut capture, .. } = self;
        drop(feed);
        while !capture.is_finished() {
            capture.do_work(START);
        }
        capture.on_close();
        let mut report = Report::default();
        capture.report(&mut report);
        let files = files(lake.path());
        (lake, files, report.failures)
    }
}

/// Returns all files of the capture by relative path, with their readable contents.
fn files(lake: &Path) -> Vec<(String, String)> {
    let root = lake.join("capture");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, readable(&fs::read(path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

/// Returns what a decoder reads from a file before it fails.
fn readable(bytes: &[u8]) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    let mut decoder = zstd::Decoder::new(bytes).unwrap();
    while let Ok(count @ 1..) = decoder.read(&mut buffer) {
        text.extend(&buffer[..count]);
    }
    String::from_utf8(text).unwrap()
}

fn pairs<const N: usize>(files: [(&str, &str); N]) -> Vec<(String, String)> {
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec()
}

#[test]
fn lines_are_as_documented_and_every_connection_has_its_file() {
    let mut bench = Bench::new(1 << 16);
    bench.offer(0, START, r#"{"a":1}"#);
    bench.offer(2, START + 1, "pong");
    bench.offer(0, START + 2, "x\ny");
    bench.offer(0, START + 3, "#lost 1");
    bench.feed.offer(1, START + 4, Frame::Binary(&[0, 1]));
    bench.offer(1, START + 5, "");
    bench.capture.do_work(START + 5);
    let counters = bench.counters.clone();
    let (_lake, files, failures) = bench.end();
    assert_eq!(
        files,
        pairs([
            (
                "exchange=binance_usdm/date=2024-08-08/run-0-000000.frames.zst",
                "1723161598000000004 #binary AAE=\n1723161598000000005 \n",
            ),
            (
                "exchange=okx/date=2024-08-08/run-0-000000.frames.zst",
                "1723161598000000000 {\"a\":1}\n1723161598000000002 #text eAp5\n\
             1723161598000000003 #text I2xvc3QgMQ==\n",
            ),
            ("exchange=okx/date=2024-08-08/run-1-000000.frames.zst", "1723161598000000001 pong\n",),
        ])
    );
    assert!(failures.is_empty(), "{failures:?}");
    let count = |name: &str| counters.expect(&format!("capture.{name}"));
    assert_eq!((count("frames"), count("bytes"), count("dropped")), (6, 7 + 4 + 3 + 7 + 2, 0));
    let on_disk = |(name, _): &(String, String)| {
        fs::metadata(_lake.path().join("capture").join(name)).unwrap().len()
    };
    assert_eq!(count("written_bytes"), files.iter().map(on_disk).sum::<u64>());
}

#[test]
fn lines_are_readable_a_second_after_they_came_or_when_they_are_many() {
    let mut bench = Bench::new(1 << 22);
    bench.offer(0, START, "a");
    bench.capture.do_work(START);
    bench.capture.do_work(START + WRITE_INTERVAL - 1);
    assert_eq!(files(bench.lake.path()), []);
    bench.capture.do_work(START + WRITE_INTERVAL);
    let open = "exchange=okx/date=2024-08-08/run-0-000000.frames.zst.open";
    assert_eq!(files(bench.lake.path()), pairs([(open, &format!("{START} a\n"))]));
    let long = "b".repeat(BLOCK_BYTES / 4);
    (0..4).for_each(|_| assert!(bench.offer(0, START + WRITE_INTERVAL, &long)));
    bench.capture.do_work(START + WRITE_INTERVAL);
    assert_eq!(files(bench.lake.path())[0].1.lines().count(), 5);
    assert_eq!(bench.count("frames"), 5);
}

#[test]
fn each_hour_has_its_files_and_one_that_is_over_is_closed_without_a_frame() {
    let midnight = START + 2 * SECOND;
    let mut bench = Bench::new(1 << 16);
    bench.offer(0, midnight - 1, "a");
    bench.offer(0, midnight, "b");
    bench.offer(2, midnight - 1, "c");
    bench.capture.do_work(midnight);
    let first = ["exchange=okx/date=2024-08-08/run-0-000000.frames.zst", "1723161599999999999 a\n"];
    assert_eq!(files(bench.lake.path()), pairs([(first[0], first[1])]));
    bench.capture.do_work(midnight + 5 * SECOND);
    let is_open = |lake: &Path| {
        let open = files(lake).into_iter().filter(|(name, _)| name.ends_with(".open"));
        open.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(
        is_open(bench.lake.path()),
        [
            "exchange=okx/date=2024-08-08/run-1-000000.frames.zst.open",
            "exchange=okx/date=2024-08-09/run-0-000001.frames.zst.open",
        ]
    );
    bench.capture.do_work(midnight + 10 * SECOND);
    assert_eq!(
        is_open(bench.lake.path()),
        ["exchange=okx/date=2024-08-09/run-0-000001.frames.zst.open"]
    );
}

#[test]
fn what_the_ring_has_no_room_for_is_a_line_before_the_next_frame_and_at_the_end() {
    let mut bench = Bench::new(3 * 24 + 24 + 2 * 17);
    let offered = [(0, 1), (0, 2), (2, 3), (0, 4)].map(|(c, at)| bench.offer(c, START + at, "a"));
    assert_eq!(offered, [true, true, false, false]);
    bench.capture.do_work(START + 5);
    assert!(bench.offer(0, START + 6, "b"));
    let counters = bench.counters.clone();
    let (_lake, files, failures) = bench.end();
    let texts: Vec<_> = files.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "1723161598000000001 a\n1723161598000000002 a\n1723161598000000004 #lost 1\n\
         1723161598000000006 b\n",
            "1723161598000000003 #lost 1\n",
        ]
    );
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(counters.expect("capture.dropped"), 2);
    assert_eq!(counters.expect("capture.frames"), 3);
}

#[test]
fn a_lake_that_cannot_be_written_is_tried_again_and_the_loss_is_told() {
    let mut bench = Bench::new(1 << 16);
    let in_the_way = bench.lake.path().join("capture");
    fs::write(&in_the_way, "a file").unwrap();
    let mut now = START - SECOND;
    bench.offer(0, now, "a");
    bench.capture.do_work(now);
    now += WRITE_INTERVAL;
    bench.offer(0, now, "b");
    bench.capture.do_work(now);
    assert_eq!((bench.count("frames"), bench.count("dropped")), (0, 2));
    bench.offer(0, now + 1, "c");
    bench.capture.do_work(now + RETRY_INTERVAL - 1);
    assert_eq!(bench.count("dropped"), 3, "nothing is kept in memory meanwhile");
    fs::remove_file(&in_the_way).unwrap();
    now += RETRY_INTERVAL;
    bench.offer(0, now, "d");
    bench.capture.do_work(now);
    let (frames, counters) = (4, bench.counters.clone());
    let (_lake, files, failures) = bench.end();
    let text = format!("{} #lost 3\n{now} d\n", START - SECOND);
    assert_eq!(
        files,
        pairs([("exchange=okx/date=2024-08-09/run-0-000000.frames.zst", text.as_str())])
    );
    assert!(failures.is_empty(), "{failures:?}");
    let count = |name: &str| counters.expect(&format!("capture.{name}"));
    assert_eq!(count("frames") + count("dropped"), frames);
}

#[test]
fn a_lake_that_cannot_be_written_to_the_end_is_a_failure() {
    let mut bench = Bench::new(1 << 16);
    fs::write(bench.lake.path().join("capture"), "a file").unwrap();
    bench.offer(1, START, "a");
    let (_lake, _, failures) = bench.end();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].contains("1 missing frames"), "{failures:?}");
}

/// Writes a file of several zstd frames as a killed run leaves it; returns its path, bytes and
/// lines.
fn killed(bench: &mut Bench) -> (PathBuf, Vec<u8>, String) {
    for at in 0..8 {
        let now = START - 10 * SECOND + at * WRITE_INTERVAL;
        bench.offer(0, now, &format!("{{\"price\":{at}}}"));
        bench.offer(0, now + 1, &format!("{{\"size\":{at}}}"));
        bench.capture.do_work(now);
        bench.capture.do_work(now + WRITE_INTERVAL);
    }
    let (name, text) = files(bench.lake.path()).remove(0);
    let path = bench.lake.path().join("capture").join(name);
    let bytes = fs::read(&path).unwrap();
    (path, bytes, text)
}

#[test]
fn a_file_cut_at_any_byte_gives_all_lines_of_the_blocks_before() {
    let mut bench = Bench::new(1 << 16);
    let (_, bytes, text) = killed(&mut bench);
    assert_eq!(text.lines().count(), 16);
    let mut ends = vec![0];
    while let Some(&end) = ends.last().filter(|end| **end < bytes.len()) {
        ends.push(end + zstd::zstd_safe::find_frame_compressed_size(&bytes[end..]).unwrap());
    }
    assert_eq!(ends.len(), 9, "eight blocks of two lines");
    for cut in 0..bytes.len() {
        let got = readable(&bytes[..cut]);
        assert!(text.starts_with(&got), "{cut}: {got}");
        let blocks = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert!(2 * blocks <= got.lines().count(), "{cut}: {blocks} blocks are whole: {got}");
    }
}

#[test]
fn files_of_a_killed_run_get_their_names_at_the_next_start() {
    let mut bench = Bench::new(1 << 16);
    let lake = bench.lake.path().to_owned();
    assert_eq!(capture::finish_leftovers(&lake).unwrap(), 0);
    let (path, bytes, _) = killed(&mut bench);
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let empty = path.with_file_name("run-7-000000.frames.zst.open");
    fs::write(&empty, "").unwrap();
    assert_eq!(capture::finish_leftovers(&lake).unwrap(), 2);
    let left = files(&lake);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.ends_with("/run-0-000000.frames.zst"), "{left:?}");
    assert!(14 <= left[0].1.lines().count(), "{left:?}");
    // A final name that is taken must not be overwritten.
    fs::write(&path, "other").unwrap();
    assert!(capture::finish_leftovers(&lake).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"other");
}
