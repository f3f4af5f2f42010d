//! Sessions that the broadcast of version 0.1 sent, once as JSON and once in the binary protocol.
//!
//! The reference client reads the JSON. The binary session is decoded here, byte by byte after
//! `docs/broadcast.md`, and compared with the client's records: the engine wrote its own ids,
//! mantissas and net spreads into it, which the client must recover from names and texts.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixtures has failed")]

use serde_json::{Value, json};
use spreadwire_market::client::{Client, Heard, Limits};
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Gap, Kind, Record, Recording, Spread, Status};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// WebSocket opcodes of the frames in a `.bin` file.
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The time at which the sessions are read.
const RECORDED: Nanos = 1_795_988_400_000_000_000;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/fixtures/version-0.1")
}

/// Contents of the sessions, determined by an independent reader.
fn expected(session: &str) -> Value {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["broadcast"][session].clone()
}

/// A message of either protocol, without the parts that only one of them has.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Spread {
        ts_recv: u64,
        quote_seq: u64,
        prices: [i64; 2],
        sizes: [i64; 2],
        net: u64,
        ids: [u32; 3],
    },
    Status {
        ts_recv: u64,
        ids: [u32; 2],
        codes: [u8; 3],
    },
    Gap {
        missed: u64,
    },
    Recording {
        ts_recv: u64,
        lost: u64,
        state: u8,
    },
}

fn of_record(record: &Record) -> Told {
    match record.kind().unwrap() {
        Kind::Spread => {
            let s: &Spread = record.view();
            Told::Spread {
                ts_recv: s.ts_recv,
                quote_seq: s.sequence,
                prices: [s.buy_px, s.sell_px],
                sizes: [s.buy_sz, s.sell_sz],
                net: s.net.to_bits(),
                ids: [s.instrument.0, s.buy_venue.0.into(), s.sell_venue.0.into()],
            }
        }
        Kind::Status => {
            let s: &Status = record.view();
            let ids = [s.instrument.0, s.venue.0.into()];
            Told::Status { ts_recv: s.ts_recv, ids, codes: [s.state, s.previous, s.reason] }
        }
        Kind::Gap => Told::Gap { missed: record.view::<Gap>().missed },
        Kind::Recording => {
            let r: &Recording = record.view();
            Told::Recording { ts_recv: r.ts_recv, lost: r.lost, state: r.state }
        }
        other @ (Kind::Quote | Kind::Opened | Kind::Closed | Kind::Ended) => {
            panic!("{other:?} was not broadcast by version 0.1")
        }
    }
}

/// The numbers of a binary message, by position.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().unwrap()
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.take(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.take(at))
    }
    fn name(&self, at: usize) -> String {
        let (offset, length) = (self.u32(at) as usize, self.u32(at + 4) as usize);
        String::from_utf8(self.0[offset..offset + length].to_vec()).unwrap()
    }

    /// Returns its contents; `None` for the head of a snapshot.
    fn told(&self) -> Option<Told> {
        Some(match self.0[0] {
            2 => Told::Spread {
                ts_recv: self.u64(16),
                quote_seq: self.u64(24),
                prices: [self.i64(32), self.i64(40)],
                sizes: [self.i64(48), self.i64(56)],
                net: self.u64(64),
                ids: [self.u32(72), self.0[76].into(), self.0[77].into()],
            },
            3 => {
                let ids = [self.u32(16), self.0[20].into()];
                // The JSON of a snapshot does not have the previous state.
                let in_snapshot = self.0[2] & 2 != 0;
                let previous = if in_snapshot { self.0[21] } else { self.0[22] };
                let codes = [self.0[21], previous, self.0[23]];
                Told::Status { ts_recv: self.u64(8), ids, codes }
            }
            4 => Told::Gap { missed: self.u64(8) },
            5 => Told::Recording { ts_recv: self.u64(8), lost: self.u64(16), state: self.0[24] },
            6 => return None,
            kind => panic!("version 0.1 had no kind {kind}"),
        })
    }

    /// Returns names and scales of a catalogue, as in `hello`.
    fn catalogue(&self) -> Value {
        let (venues, instruments) = (self.u32(8) as usize, self.u32(12) as usize);
        let venue = |n: usize| self.name(24 + 16 * n);
        let row = |n: usize| 24 + 16 * venues + 24 * n;
        let instrument = |n: usize| {
            let (at, listed) = (row(n), self.u64(row(n) + 8));
            let on: Vec<String> = (0..venues).filter(|v| listed >> v & 1 == 1).map(venue).collect();
            json!([self.name(at), self.0[at + 16], self.0[at + 17], on])
        };
        let venues: Vec<String> = (0..venues).map(venue).collect();
        json!([venues, (0..instruments).map(instrument).collect::<Vec<_>>()])
    }
}

/// Returns the binary messages of a session, one by one.
fn binary_messages(session: &str) -> Vec<Vec<u8>> {
    let packed = std::fs::read(fixtures().join(format!("broadcast/{session}.bin"))).unwrap();
    let (mut rest, mut messages) = (&packed[..], Vec::new());
    while let [opcode, behind @ ..] = rest {
        let (length, behind) = behind.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let (mut frame, behind) = behind.split_at(length);
        rest = behind;
        assert!([TEXT, BINARY].contains(opcode));
        while *opcode == BINARY && !frame.is_empty() {
            let (message, others) = frame.split_at(Bytes(frame).u32(4) as usize);
            messages.push(message.to_vec());
            frame = others;
        }
    }
    messages
}

/// Returns the client's result for a session: its catalogue, its records, and the meaning of each
/// text. The sessions set filters, and of the slow one only some messages were kept, so the numbers
/// have holes.
fn decoded(session: &str) -> (Client, Vec<Record>, Vec<Heard>) {
    let text =
        std::fs::read_to_string(fixtures().join(format!("broadcast/{session}.jsonl"))).unwrap();
    let limits = Limits { filtered: true, ..Limits::timeless() };
    let (mut client, mut records) = (Client::new(limits, RECORDED), Vec::new());
    let heard = text.lines().map(|line| client.take(line, RECORDED, &mut records).unwrap());
    let heard = heard.collect();
    // Where a filter is replaced, the client itself marks that nothing said before still holds.
    records.retain(|record| record.get::<Gap>().is_none_or(|gap| 0 < gap.missed));
    (client, records, heard)
}

#[test]
fn both_protocols_of_one_session_mean_the_same_records() {
    let (client, records, heard) = decoded("session");
    let messages = binary_messages("session");
    let told: Vec<Told> = records.iter().map(of_record).collect();
    let wanted: Vec<Told> = messages[1..].iter().filter_map(|m| Bytes(m).told()).collect();
    assert_eq!(told.len(), wanted.len());
    for (at, (told, wanted)) in told.iter().zip(&wanted).enumerate() {
        assert_eq!(told, wanted, "record {at}");
    }
    assert_eq!(messages[0][0], 1, "the catalogue comes first");
    let catalogue = client.catalogue().unwrap();
    let venue = |v: usize| catalogue.venues[v].name.clone();
    let listed = |(id, instrument): (usize, &spreadwire_market::instrument::Instrument)| {
        let on = catalogue.listings.iter().filter(|l| l.instrument.index() == id);
        let on: Vec<String> = on.map(|l| venue(usize::from(l.venue.0))).collect();
        json!([instrument.name, instrument.price_scale, instrument.size_scale, on])
    };
    let instruments: Vec<Value> = catalogue.instruments.iter().enumerate().map(listed).collect();
    let venues: Vec<String> = (0..catalogue.venues.len()).map(venue).collect();
    assert_eq!(json!([venues, instruments]), Bytes(&messages[0]).catalogue());
    assert_eq!(heard[0], Heard::Hello);
    assert!(!heard.contains(&Heard::CatchingUp), "nothing was missed");
}

#[test]
fn every_message_of_the_sessions_is_decoded() {
    for session in ["session", "slow"] {
        let wanted = expected(session);
        let (_, records, _) = decoded(session);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for record in &records {
            let kind = format!("{:?}", record.kind().unwrap()).to_lowercase();
            *kinds.entry(kind).or_default() += 1;
        }
        let count = |part: &Value| part.as_u64().unwrap_or(0);
        let types = &wanted["types"];
        let spreads = count(&types["spread"]) + count(&wanted["snapshot_spreads"]);
        let states = count(&types["status"]) + count(&wanted["snapshot_states"]);
        let others = [("gap", &types["gap"]), ("recording", &types["recording"])];
        let all = [("spread", spreads), ("status", states)].into_iter();
        for (kind, wanted) in all.chain(others.map(|(kind, part)| (kind, count(part)))) {
            assert_eq!(kinds.get(kind).copied().unwrap_or(0), wanted, "{session}: {kind}");
        }
        let last = records.iter().rfind(|r| r.kind() == Some(Kind::Spread)).unwrap();
        let spread: &Spread = last.view();
        assert_eq!(spread.ts_recv, wanted["last_spread"]["ts_recv"]);
        assert_eq!(spread.sequence, wanted["last_spread"]["quote_seq"]);
        let net_bps = wanted["last_spread"]["net_bps"].as_f64().unwrap();
        assert_eq!(format!("{:.4}", spread.net * 10_000.0), format!("{net_bps:.4}"));
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        let names = ["", "hello", "spread", "status", "gap", "recording", "snapshot"];
        for message in binary_messages(session) {
            *counted.entry(names[usize::from(message[0])]).or_default() += 1;
        }
        assert_eq!(serde_json::to_value(&counted).unwrap(), wanted["binary_messages"]);
    }
}

#[test]
fn a_client_that_was_too_slow_catches_up_after_each_gap() {
    let wanted = expected("slow");
    let (_, records, heard) = decoded("slow");
    let gaps = records.iter().filter(|r| r.kind() == Some(Kind::Gap)).count() as u64;
    assert!(1 < gaps, "both kinds were recorded");
    let behind = heard.iter().filter(|heard| **heard == Heard::CatchingUp).count() as u64;
    assert_eq!(behind, gaps + wanted["conflated"].as_u64().unwrap());
    assert_eq!(heard.last(), Some(&Heard::InStep));
}
