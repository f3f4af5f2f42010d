//! A batch of records through an edge, on one thread: what pushing and draining costs.
//!
//! Group `ring/<records of a batch>`: our edge that counts, the raw rtrb ring below it, and a
//! crossbeam `ArrayQueue`, all with the same 64-byte record. No cache line moves between cores here:
//! what a hand-off to another core costs cannot be seen.

mod header;

use bytemuck::Zeroable;
use criterion::{Criterion, Throughput};
use crossbeam::queue::ArrayQueue;
use rtrb::RingBuffer;
use spreadwire::record::{Kind, Quote, Record};
use spreadwire::ring::{self, EdgeCounters};
use std::hint::black_box;
use std::time::Duration;

const CAPACITY: usize = 1024;

fn batch(records: u64) -> Vec<Record> {
    let quote = |ts_recv| Quote { ts_recv, kind: Kind::Quote as u8, ..Quote::zeroed() };
    (1..=records).map(|ts_recv| quote(ts_recv).into()).collect()
}

/// Checks once that a way through gives back what went in.
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

fn main() {
    header::print("ring");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    batches(&mut criterion);
    criterion.final_summary();
}
