//! Measures records through an edge: to another core and back, and a batch on one thread.
//!
//! A hop sends a record to a thread on another core, which returns it; the round trip is halved.
//! Quantiles are over single round trips, including the clock readings. Then criterion's group
//! `ring/<records of a batch>` measures pushing and draining without cache lines moving between
//! cores. Both parts compare our counting edge, the raw rtrb ring below it, and a crossbeam
//! `ArrayQueue`, with the same 64-byte record.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use benches::{header, results, timing};
use core_affinity::CoreId;
use criterion::{Criterion, Throughput};
use crossbeam::queue::ArrayQueue;
use rtrb::RingBuffer;
use spreadwire_engine::runtime::cpu;
use spreadwire_engine::runtime::latency::Latency;
use spreadwire_engine::runtime::ring::{self, EdgeCounters};
use spreadwire_kit::records::quote;
use spreadwire_market::clock::Clock;
use spreadwire_market::record::Record;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CAPACITY: usize = 1024;
/// Number of turns of each contestant, and of round trips in a turn.
const TURNS: (usize, usize) = (20, 20_000);

fn batch(records: u64) -> Vec<Record> {
    (1..=records).map(quote).collect()
}

/// Checks once that a pass returns the records that were sent.
fn checked(mut pass: impl FnMut() -> u64, expected: u64) -> impl FnMut() -> u64 {
    assert_eq!(pass(), expected);
    pass
}

fn batches(criterion: &mut Criterion) {
    for records in [1, 16, 256] {
        let batch = batch(records);
        let expected = records * (records + 1) / 2;
        let mut group = criterion.benchmark_group(format!("ring/{records}"));
        group.throughput(Throughput::Elements(records));

        let (mut sender, mut receiver) = ring::count(CAPACITY, EdgeCounters::default());
        let edge = || {
            for record in black_box(&batch) {
                sender.offer(*record);
            }
            let mut sum = 0;
            receiver.drain(|record| sum += record.ts_recv());
            sum
        };
        let mut edge = checked(edge, expected);
        group.bench_function("edge", |bencher| bencher.iter(&mut edge));

        let (mut producer, mut consumer) = RingBuffer::<Record>::new(CAPACITY);
        let raw = || {
            for record in black_box(&batch) {
                assert!(producer.push(*record).is_ok());
            }
            let mut sum = 0;
            if let Ok(chunk) = consumer.read_chunk(consumer.slots()) {
                let (first, second) = chunk.as_slices();
                first.iter().for_each(|record| sum += record.ts_recv());
                second.iter().for_each(|record| sum += record.ts_recv());
                chunk.commit_all();
            }
            sum
        };
        let mut raw = checked(raw, expected);
        group.bench_function("rtrb", |bencher| bencher.iter(&mut raw));

        let queue = ArrayQueue::<Record>::new(CAPACITY);
        let array = || {
            for record in black_box(&batch) {
                assert!(queue.push(*record).is_ok());
            }
            std::iter::from_fn(|| queue.pop()).map(|record| record.ts_recv()).sum()
        };
        let mut array = checked(array, expected);
        group.bench_function("crossbeam_array_queue", |bencher| bencher.iter(&mut array));
        group.finish();
    }
}

/// Measures round trips to a thread on `core`: `send` and `receive` run on this thread, `echo` on
/// that one.
fn round_trips(
    core: Option<usize>,
    count: usize,
    mut send: impl FnMut(Record),
    mut receive: impl FnMut() -> bool,
    mut echo: impl FnMut() + Send,
) -> Latency {
    let (clock, stop) = (Clock::host(), AtomicBool::new(false));
    let (mut latency, record) = (Latency::new(), batch(1)[0]);
    std::thread::scope(|scope| {
        let far = || {
            core.into_iter().for_each(pin);
            while !stop.load(Ordering::Relaxed) {
                echo();
            }
        };
        let started = std::thread::Builder::new().name("echo".to_owned()).spawn_scoped(scope, far);
        assert!(started.is_ok(), "no thread");
        for number in 0..count + count / 10 {
            let start = clock.now();
            send(black_box(record));
            while !receive() {
                std::hint::spin_loop();
            }
            if count / 10 <= number {
                latency.record(0, (clock.now() - start) / 2);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    latency
}

fn pin(cpu: usize) {
    assert!(core_affinity::set_for_current(CoreId { id: cpu }), "cannot pin to CPU {cpu}");
}

fn through_edges(core: Option<usize>, count: usize) -> Latency {
    let (mut there, mut arrived) = ring::count(CAPACITY, EdgeCounters::default());
    let (mut back, mut returned) = ring::count(CAPACITY, EdgeCounters::default());
    let send = |record| assert!(there.offer(record));
    let receive = || 0 < returned.drain(|_| ());
    let echo = || {
        arrived.drain(|record| assert!(back.offer(*record)));
    };
    round_trips(core, count, send, receive, echo)
}

fn through_rtrb(core: Option<usize>, count: usize) -> Latency {
    let (mut there, mut arrived) = RingBuffer::<Record>::new(CAPACITY);
    let (mut back, mut returned) = RingBuffer::<Record>::new(CAPACITY);
    let send = |record| assert!(there.push(record).is_ok());
    let echo = || {
        if let Ok(record) = arrived.pop() {
            assert!(back.push(record).is_ok());
        }
    };
    round_trips(core, count, send, || returned.pop().is_ok(), echo)
}

fn through_array_queue(core: Option<usize>, count: usize) -> Latency {
    let (there, back) = (ArrayQueue::<Record>::new(CAPACITY), ArrayQueue::<Record>::new(CAPACITY));
    let send = |record| assert!(there.push(record).is_ok());
    let echo = || {
        if let Some(record) = there.pop() {
            assert!(back.push(record).is_ok());
        }
    };
    round_trips(core, count, send, || back.pop().is_some(), echo)
}

/// Measures hops between the last two cores, with the contestants in turn.
fn hops() {
    let cpus = cpu::available();
    let (near, far) = match cpus[..] {
        [.., near, far] if timing::measuring() => (Some(near), Some(far)),
        [_, _, ..] => (None, None),
        _ => return println!("one CPU: no hop to another"),
    };
    near.into_iter().for_each(pin);
    let (turns, count) = if timing::measuring() { TURNS } else { (1, 20) };
    type Way = fn(Option<usize>, usize) -> Latency;
    let ways: [(&str, Way); 3] = [
        ("rtrb", through_rtrb),
        ("edge", through_edges),
        ("crossbeam ArrayQueue", through_array_queue),
    ];
    let mut all = ways.map(|_| Latency::new());
    for _ in 0..turns {
        for ((_, way), sum) in ways.iter().zip(&mut all) {
            sum.merge(&way(far, count));
        }
    }
    for ((who, _), latency) in ways.iter().zip(&all) {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| latency.quantile(quantile));
        println!("hop, {who}: p50 {p50} ns, p99 {p99}, p99.9 {p999}, max {}", latency.max());
        let row = results::row("ring", "hop to another core", who, latency);
        results::append_compared(row, latency, &all[0]);
    }
}

fn main() {
    header::print("ring");
    hops();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    batches(&mut criterion);
    criterion.final_summary();
}
