//! The layouts of `spreadwire.v1.bin`: fixed, little-endian, each behind a header of eight bytes.
//!
//! `docs/broadcast.md` has every field with its offset, and a test compares the two. A WebSocket
//! message holds one or more of these, one behind the other. Whoever reads skips by `length` what it
//! does not know. Numbers are those of the engine's records: mantissas at the scales that the
//! message itself repeats, venues and instruments by their place in the catalogue. It must not know
//! clients or sockets.

use super::conflation::Missed;
use super::market::Event;
use super::text::Text;
use bytemuck::{Pod, Zeroable};
use spreadwire_market::instrument::{Catalogue, InstrumentId};
use spreadwire_market::record::{Gap, Recording, Spread, Status};
use spreadwire_market::spread::BPS;
use std::mem::{offset_of, size_of};

/// The version of every layout here.
pub(super) const VERSION: u8 = 1;

/// The latest of its key, after the client was too slow for the rest.
pub(super) const CONFLATED: u16 = 1;
/// Belongs to the snapshot whose head came before it.
pub(super) const IN_SNAPSHOT: u16 = 1 << 1;

/// A snapshot's filter has a name of at most so many bytes.
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
const _: () = assert!(size_of::<StatusMessage>() == 24 && offset_of!(StatusMessage, reason) == 23);
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

/// Writes a spread.
#[inline]
pub(super) fn spread(
    out: &mut Text,
    seq: u64,
    spread: &Spread,
    (price_scale, size_scale): (u8, u8),
    flags: u16,
) {
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
        price_scale,
        size_scale,
    };
    out.put(&bytemuck::cast::<_, [u8; size_of::<SpreadMessage>()]>(message));
}

/// Writes a status.
pub(super) fn status(out: &mut Text, status: &Status, flags: u16) {
    let message = StatusMessage {
        header: header::<StatusMessage>(Code::Status, flags),
        ts_recv: status.ts_recv,
        instrument: status.instrument.0,
        venue: status.venue.0,
        state: status.state,
        previous: status.previous,
        reason: status.reason,
    };
    out.append(bytemuck::bytes_of(&message));
}

/// Writes a gap of one client.
pub(super) fn client_gap(out: &mut Text, missed: &Missed) {
    let message = GapMessage {
        header: header::<GapMessage>(Code::Gap, 0),
        missed: missed.count,
        from_seq: missed.from_seq,
        to_seq: missed.to_seq,
        reason: 1,
        ..GapMessage::zeroed()
    };
    out.append(bytemuck::bytes_of(&message));
}

/// Writes a gap of the engine's own.
pub(super) fn engine_gap(out: &mut Text, gap: &Gap) {
    let message = GapMessage {
        header: header::<GapMessage>(Code::Gap, 0),
        missed: gap.missed,
        ts_recv: gap.ts_recv,
        reason: 2,
        ..GapMessage::zeroed()
    };
    out.append(bytemuck::bytes_of(&message));
}

/// Writes whether quotes are recorded.
pub(super) fn recording(out: &mut Text, recording: &Recording) {
    let message = RecordingMessage {
        header: header::<RecordingMessage>(Code::Recording, 0),
        ts_recv: recording.ts_recv,
        lost: recording.lost,
        state: recording.state,
        reserved: [0; 7],
    };
    out.append(bytemuck::bytes_of(&message));
}

/// The head of a snapshot message, which is known only when its items are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SnapshotOf<'a> {
    /// The filter.
    pub(super) id: &'a str,
    /// The last spread that it takes into account.
    pub(super) seq: u64,
    /// States behind it.
    pub(super) states: u32,
    /// Spreads behind the states.
    pub(super) spreads: u32,
    /// Whether no more parts follow.
    pub(super) last: bool,
}

/// Bytes of a snapshot's head.
pub(super) const SNAPSHOT_HEAD_BYTES: usize = size_of::<SnapshotHead>();

/// Writes a snapshot's head to the place that was kept for it.
pub(super) fn snapshot_head(into: &mut [u8], of: &SnapshotOf<'_>) {
    let mut head = SnapshotHead {
        header: header::<SnapshotHead>(Code::Snapshot, 0),
        seq: of.seq,
        states: of.states,
        spreads: of.spreads,
        last: u8::from(of.last),
        ..SnapshotHead::zeroed()
    };
    let length = of.id.len().min(ID_BYTES);
    head.id[..length].copy_from_slice(&of.id.as_bytes()[..length]);
    head.id_length = u8::try_from(length).unwrap_or(0);
    into.copy_from_slice(bytemuck::bytes_of(&head));
}

/// An event as the message of its kind; `false` if it is of none.
pub(super) fn event(out: &mut Text, event: &Event, catalogue: &Catalogue, flags: u16) -> bool {
    use spreadwire_market::record::Kind;
    match event.record.kind() {
        Some(Kind::Spread) => {
            let view: &Spread = event.record.view();
            let of = &catalogue.instruments[view.instrument.index()];
            spread(out, event.seq, view, (of.price_scale, of.size_scale), flags);
        }
        Some(Kind::Status) => status(out, event.record.view(), flags),
        Some(Kind::Gap) => engine_gap(out, event.record.view()),
        Some(Kind::Recording) => recording(out, event.record.view()),
        _ => return false,
    }
    true
}

/// Writes the catalogue: rows of fixed size, then all names.
pub(super) fn catalogue(out: &mut Text, catalogue: &Catalogue, engine: &str) {
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
        let taker_fee_bps = super::message::tidy(venue.taker_fee * BPS);
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
            table!("", StatusMessage, ts_recv: "u64", instrument: "u32", venue: "u8", state: "u8", previous: "u8", reason: "u8"),
            table!("", GapMessage, missed: "u64", from_seq: "u64", to_seq: "u64", ts_recv: "u64", reason: "u8"),
            table!("", RecordingMessage, ts_recv: "u64", lost: "u64", state: "u8"),
            table!("", SnapshotHead, seq: "u64", states: "u32", spreads: "u32", last: "u8", id_length: "u8", id: "[u8; 64]"),
        ];
        assert_eq!(drawn, expected.concat());
    }

    #[test]
    fn the_document_has_every_code() {
        use spreadwire_market::record::RecordingState;
        use spreadwire_market::state::{Reason, State};
        let document = include_str!("../../../docs/broadcast.md");
        let list = |names: &[(u8, &str)]| {
            let codes: Vec<String> = names.iter().map(|(c, n)| format!("{c} `{n}`")).collect();
            codes.join(", ")
        };
        for codes in [
            list(&State::ALL.map(|s| (s as u8, s.name()))),
            list(&Reason::ALL.map(|r| (r as u8, r.name()))),
            list(&RecordingState::ALL.map(|s| (s as u8, s.name()))),
        ] {
            assert!(document.contains(&codes), "{codes}");
        }
        for (name, code, length) in [
            ("spread", Code::Spread, size_of::<SpreadMessage>()),
            ("status", Code::Status, size_of::<StatusMessage>()),
            ("gap", Code::Gap, size_of::<GapMessage>()),
            ("recording", Code::Recording, size_of::<RecordingMessage>()),
            ("snapshot", Code::Snapshot, size_of::<SnapshotHead>()),
        ] {
            let title = format!("**{name}** (kind {}), {length} bytes", code as u8);
            assert!(document.contains(&title), "{title}");
        }
        assert!(document.contains(&format!("**catalogue** (kind {})", Code::Catalogue as u8)));
    }
}
