//! The messages of `spreadwire.v1.bin`: fixed little-endian layouts, each behind a header of eight
//! bytes.
//!
//! `docs/broadcast.md` has every field with its offset, and a test compares the two. A WebSocket
//! message holds one or more of these messages, one behind the other. A reader skips by `length`
//! what it does not know. Numbers are those of the engine's records: mantissas at the scales that
//! the message itself repeats, venues and instruments by their place in the catalogue.

use super::conflation::Missed;
use super::event::{Delivery, Event, Topic};
use super::snapshot::Part;
use super::text::{Text, tidy};
use bytemuck::{Pod, Zeroable};
use spreadwire_market::instrument::{Catalogue, InstrumentId};
use spreadwire_market::record::{Ended, Gap, Recording, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::State;
use std::mem::{offset_of, size_of};
use std::sync::Arc;

/// The version of every layout here.
const VERSION: u8 = 1;

/// Flag of the latest of its key, after the client was too slow for the rest.
const CONFLATED: u16 = 1;
/// Flag of a state or spread that belongs to the snapshot whose head came before it.
const IN_SNAPSHOT: u16 = 1 << 1;

/// `reason` of a gap of one client, which was too slow.
const SLOW_CLIENT: u8 = 1;
/// `reason` of a gap of the engine's own.
const ENGINE: u8 = 2;

/// Most bytes of the id of a snapshot's filter.
const ID_BYTES: usize = 64;

/// Codes of messages.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Code {
    Catalogue = 1,
    Spread = 2,
    Status = 3,
    Gap = 4,
    Recording = 5,
    Snapshot = 6,
    Ended = 7,
}

/// What every message begins with.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Header {
    kind: u8,
    version: u8,
    flags: u16,
    length: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SpreadMessage {
    header: Header,
    seq: u64,
    ts_recv: u64,
    quote_seq: u64,
    buy_px: i64,
    sell_px: i64,
    buy_sz: i64,
    sell_sz: i64,
    net: f64,
    instrument: u32,
    buy_venue: u8,
    sell_venue: u8,
    price_scale: u8,
    size_scale: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct StatusMessage {
    header: Header,
    ts_recv: u64,
    instrument: u32,
    venue: u8,
    state: u8,
    previous: u8,
    reason: u8,
    health: u8,
    reserved: [u8; 7],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct EndedMessage {
    header: Header,
    seq: u64,
    ts_recv: u64,
    quote_seq: u64,
    instrument: u32,
    buy_venue: u8,
    sell_venue: u8,
    reason: u8,
    reserved: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GapMessage {
    header: Header,
    missed: u64,
    from_seq: u64,
    to_seq: u64,
    ts_recv: u64,
    reason: u8,
    reserved: [u8; 7],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct RecordingMessage {
    header: Header,
    ts_recv: u64,
    lost: u64,
    state: u8,
    reserved: [u8; 7],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SnapshotHead {
    header: Header,
    seq: u64,
    states: u32,
    spreads: u32,
    last: u8,
    id_length: u8,
    reserved: [u8; 6],
    id: [u8; ID_BYTES],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct CatalogueHead {
    header: Header,
    venues: u32,
    instruments: u32,
    engine_offset: u32,
    engine_length: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct VenueRow {
    name_offset: u32,
    name_length: u32,
    taker_fee_bps: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct InstrumentRow {
    name_offset: u32,
    name_length: u32,
    venues: u64,
    price_scale: u8,
    size_scale: u8,
    reserved: [u8; 6],
}

const _: () = assert!(cfg!(target_endian = "little"), "structures are sent as they stand");
const _: () = assert!(size_of::<Header>() == 8 && offset_of!(Header, length) == 4);
const _: () = assert!(size_of::<SpreadMessage>() == 80 && offset_of!(SpreadMessage, net) == 64);
const _: () = assert!(size_of::<StatusMessage>() == 32 && offset_of!(StatusMessage, reason) == 23);
const _: () = assert!(size_of::<EndedMessage>() == 40 && offset_of!(EndedMessage, reason) == 38);
const _: () = assert!(size_of::<GapMessage>() == 48 && offset_of!(GapMessage, reason) == 40);
const _: () = assert!(size_of::<RecordingMessage>() == 32);
const _: () = assert!(size_of::<SnapshotHead>() == 96 && offset_of!(SnapshotHead, id) == 32);
const _: () = assert!(size_of::<CatalogueHead>() == 24);
const _: () = assert!(size_of::<VenueRow>() == 16 && size_of::<InstrumentRow>() == 24);
/// A bit of `InstrumentRow::venues` for each venue.
const _: () = assert!(spreadwire_market::instrument::VENUES_MAX <= 64);

fn header<T>(code: Code, flags: u16) -> Header {
    // The asserts above have every size.
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    Header { kind: code as u8, version: VERSION, flags, length }
}

/// Writes binary messages for the names and scales of a catalogue.
#[derive(Debug)]
pub(super) struct Binary {
    catalogue: Arc<Catalogue>,
}

impl Binary {
    /// Keeps the catalogue.
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Binary {
        Binary { catalogue }
    }

    /// Writes a spread, a status, a gap of the engine's or a recording.
    #[inline]
    pub(super) fn event(&self, out: &mut Text, event: &Event, delivery: Delivery) {
        self.flagged(out, event, if delivery == Delivery::Conflated { CONFLATED } else { 0 });
    }

    #[inline]
    fn flagged(&self, out: &mut Text, event: &Event, flags: u16) {
        match event.topic() {
            Some(Topic::Spread(spread)) => self.spread(out, event.seq, spread, flags),
            Some(Topic::Status(status)) => {
                out.append(bytemuck::bytes_of(&status_of(status, flags)))
            }
            Some(Topic::Ended(ended)) => {
                out.append(bytemuck::bytes_of(&ended_of(ended, event.seq, flags)));
            }
            Some(Topic::Gap(gap)) => out.append(bytemuck::bytes_of(&engine_gap_of(gap, flags))),
            Some(Topic::Recording(recording)) => {
                out.append(bytemuck::bytes_of(&recording_of(recording, flags)));
            }
            None => debug_assert!(false, "clients are not told about {:?}", event.record),
        }
    }

    #[inline]
    fn spread(&self, out: &mut Text, seq: u64, spread: &Spread, flags: u16) {
        let instrument = &self.catalogue.instruments[spread.instrument.index()];
        let message = SpreadMessage {
            header: header::<SpreadMessage>(Code::Spread, flags),
            seq,
            ts_recv: spread.ts_recv,
            quote_seq: spread.sequence,
            buy_px: spread.buy_px,
            sell_px: spread.sell_px,
            buy_sz: spread.buy_sz,
            sell_sz: spread.sell_sz,
            net: spread.net,
            instrument: spread.instrument.0,
            buy_venue: spread.buy_venue.0,
            sell_venue: spread.sell_venue.0,
            price_scale: instrument.price_scale,
            size_scale: instrument.size_scale,
        };
        out.put(&bytemuck::cast::<_, [u8; size_of::<SpreadMessage>()]>(message));
    }

    /// Writes a gap of one client.
    pub(super) fn client_gap(&self, out: &mut Text, missed: &Missed) {
        let message = GapMessage {
            header: header::<GapMessage>(Code::Gap, 0),
            missed: missed.count,
            from_seq: missed.from_seq,
            to_seq: missed.to_seq,
            reason: SLOW_CLIENT,
            ..GapMessage::zeroed()
        };
        out.append(bytemuck::bytes_of(&message));
    }

    /// Writes a part of a snapshot: its head, then its states and its spreads.
    pub(super) fn snapshot(&self, out: &mut Text, part: &mut Part<'_>) {
        // The head says how many items there are, so it is written once they are.
        let place = out.bytes().len();
        out.append(&[0; size_of::<SnapshotHead>()]);
        let (mut states, mut spreads) = (0, 0);
        while let Some(event) = part.next() {
            self.flagged(out, event, IN_SNAPSHOT);
            *(if part.is_state(event) { &mut states } else { &mut spreads }) += 1;
        }
        let id = &part.id().as_bytes()[..part.id().len().min(ID_BYTES)];
        let mut head = SnapshotHead {
            header: header::<SnapshotHead>(Code::Snapshot, 0),
            seq: part.seq(),
            states,
            spreads,
            last: u8::from(part.covered().last),
            id_length: u8::try_from(id.len()).unwrap_or(0),
            ..SnapshotHead::zeroed()
        };
        head.id[..id.len()].copy_from_slice(id);
        let kept = &mut out.bytes_mut()[place..place + size_of::<SnapshotHead>()];
        kept.copy_from_slice(bytemuck::bytes_of(&head));
    }

    /// Writes the catalogue: rows of fixed size, then all names.
    pub(super) fn catalogue(&self, out: &mut Text, engine: &str) {
        write_catalogue(out, &self.catalogue, engine);
    }
}

fn status_of(status: &Status, flags: u16) -> StatusMessage {
    StatusMessage {
        header: header::<StatusMessage>(Code::Status, flags),
        ts_recv: status.ts_recv,
        instrument: status.instrument.0,
        venue: status.venue.0,
        state: basic(status.state),
        previous: basic(status.previous),
        reason: status.reason,
        health: status.state,
        reserved: [0; 7],
    }
}

/// Returns the code of a state in the terms of the first five; a code that this version does not
/// know stays as it is.
fn basic(code: u8) -> u8 {
    State::of_code(code).map_or(code, |state| state.basic().code())
}

fn ended_of(ended: &Ended, seq: u64, flags: u16) -> EndedMessage {
    EndedMessage {
        header: header::<EndedMessage>(Code::Ended, flags),
        seq,
        ts_recv: ended.ts_recv,
        quote_seq: ended.sequence,
        instrument: ended.instrument.0,
        buy_venue: ended.buy_venue.0,
        sell_venue: ended.sell_venue.0,
        reason: ended.flags,
        reserved: 0,
    }
}

fn engine_gap_of(gap: &Gap, flags: u16) -> GapMessage {
    GapMessage {
        header: header::<GapMessage>(Code::Gap, flags),
        missed: gap.missed,
        ts_recv: gap.ts_recv,
        reason: ENGINE,
        ..GapMessage::zeroed()
    }
}

fn recording_of(recording: &Recording, flags: u16) -> RecordingMessage {
    RecordingMessage {
        header: header::<RecordingMessage>(Code::Recording, flags),
        ts_recv: recording.ts_recv,
        lost: recording.lost,
        state: recording.state,
        reserved: [0; 7],
    }
}

fn write_catalogue(out: &mut Text, catalogue: &Catalogue, engine: &str) {
    let rows = size_of::<CatalogueHead>()
        + catalogue.venues.len() * size_of::<VenueRow>()
        + catalogue.instruments.len() * size_of::<InstrumentRow>();
    let mut names: Vec<u8> = Vec::new();
    let mut name = |text: &str| {
        let place = u32::try_from(rows + names.len()).unwrap_or(u32::MAX);
        names.extend(text.as_bytes());
        (place, u32::try_from(text.len()).unwrap_or(u32::MAX))
    };
    let (engine_offset, engine_length) = name(engine);
    let mut table: Vec<u8> = Vec::new();
    for venue in &catalogue.venues {
        let (name_offset, name_length) = name(&venue.name);
        let taker_fee_bps = tidy(venue.taker_fee * BPS);
        table.extend(bytemuck::bytes_of(&VenueRow { name_offset, name_length, taker_fee_bps }));
    }
    for (instrument, id) in catalogue.instruments.iter().zip(0..) {
        let (name_offset, name_length) = name(&instrument.name);
        let listed = catalogue.venues_of(InstrumentId(id)).into_iter();
        let row = InstrumentRow {
            name_offset,
            name_length,
            venues: listed.fold(0, |bits, venue| bits | 1 << venue.index()),
            price_scale: instrument.price_scale,
            size_scale: instrument.size_scale,
            reserved: [0; 6],
        };
        table.extend(bytemuck::bytes_of(&row));
    }
    names.resize(names.len().next_multiple_of(8), 0);
    let head = CatalogueHead {
        header: Header {
            length: u32::try_from(rows + names.len()).unwrap_or(u32::MAX),
            ..header::<CatalogueHead>(Code::Catalogue, 0)
        },
        venues: u32::try_from(catalogue.venues.len()).unwrap_or(u32::MAX),
        instruments: u32::try_from(catalogue.instruments.len()).unwrap_or(u32::MAX),
        engine_offset,
        engine_length,
    };
    out.append(bytemuck::bytes_of(&head));
    out.append(&table);
    out.append(&names);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The table of a layout, as the document has it but for the last column.
    macro_rules! table {
        ($from:literal, $layout:ty, $($field:ident: $kind:literal),+) => {{
            let mut table = String::new();
            $(writeln!(
                table, "| {}{} | {} | `{}` |",
                $from, offset_of!($layout, $field), $kind, stringify!($field)
            ).unwrap();)+
            table
        }};
    }

    #[test]
    fn the_document_has_every_field_at_its_offset() {
        let document = include_str!("../../../docs/broadcast.md");
        let section = document.split("\n## ").find(|s| s.starts_with("The binary protocol"));
        let section = section.unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
        let drawn: String = rows
            .filter(|row| row.split('|').nth(3).is_some_and(|cell| cell.starts_with(" `")))
            .map(|row| row.split('|').take(4).collect::<Vec<_>>().join("|") + "|\n")
            .collect();
        let expected = [
            table!("", Header, kind: "u8", version: "u8", flags: "u16", length: "u32"),
            table!("", CatalogueHead, venues: "u32", instruments: "u32", engine_offset: "u32", engine_length: "u32"),
            table!("+", VenueRow, name_offset: "u32", name_length: "u32", taker_fee_bps: "f64"),
            table!("+", InstrumentRow, name_offset: "u32", name_length: "u32", venues: "u64", price_scale: "u8", size_scale: "u8"),
            table!("", SpreadMessage, seq: "u64", ts_recv: "u64", quote_seq: "u64", buy_px: "i64", sell_px: "i64", buy_sz: "i64", sell_sz: "i64", net: "f64", instrument: "u32", buy_venue: "u8", sell_venue: "u8", price_scale: "u8", size_scale: "u8"),
            table!("", StatusMessage, ts_recv: "u64", instrument: "u32", venue: "u8", state: "u8", previous: "u8", reason: "u8", health: "u8"),
            table!("", GapMessage, missed: "u64", from_seq: "u64", to_seq: "u64", ts_recv: "u64", reason: "u8"),
            table!("", RecordingMessage, ts_recv: "u64", lost: "u64", state: "u8"),
            table!("", SnapshotHead, seq: "u64", states: "u32", spreads: "u32", last: "u8", id_length: "u8", id: "[u8; 64]"),
            table!("", EndedMessage, seq: "u64", ts_recv: "u64", quote_seq: "u64", instrument: "u32", buy_venue: "u8", sell_venue: "u8", reason: "u8"),
        ];
        assert_eq!(drawn, expected.concat());
    }

    #[test]
    fn the_document_has_every_code() {
        use spreadwire_market::record::RecordingState;
        use spreadwire_market::state::{EndReason, Reason, State};
        let document = include_str!("../../../docs/broadcast.md");
        let list = |names: &[(u8, &str)]| {
            let codes: Vec<String> = names.iter().map(|(c, n)| format!("{c} `{n}`")).collect();
            codes.join(", ")
        };
        for codes in [
            list(&State::ALL.map(|s| (s as u8, s.name()))),
            list(&Reason::ALL.map(|r| (r as u8, r.name()))),
            list(&EndReason::ALL.map(|r| (r as u8, r.name()))),
            list(&RecordingState::ALL.map(|s| (s as u8, s.name()))),
        ] {
            assert!(document.contains(&codes), "{codes}");
        }
        for (name, code, length) in [
            ("spread", Code::Spread, size_of::<SpreadMessage>()),
            ("status", Code::Status, size_of::<StatusMessage>()),
            ("gap", Code::Gap, size_of::<GapMessage>()),
            ("recording", Code::Recording, size_of::<RecordingMessage>()),
            ("ended", Code::Ended, size_of::<EndedMessage>()),
            ("snapshot", Code::Snapshot, size_of::<SnapshotHead>()),
        ] {
            let title = format!("**{name}** (kind {}), {length} bytes", code as u8);
            assert!(document.contains(&title), "{title}");
        }
        assert!(document.contains(&format!("**catalogue** (kind {})", Code::Catalogue as u8)));
    }
}
