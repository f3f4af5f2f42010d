//! The 64-byte record that every ring carries and every journal stores, and its kinds.
//!
//! All kinds share the last eight bytes (instrument, venue, peer, kind, flags), so that a reader can
//! tell what it holds; the first 56 are the kind's own. The layout is the journal's format: the
//! asserts below keep it. Times are ns since 1970 UTC; prices and sizes are mantissas at the
//! instrument's scale. It must not know who writes or reads a record.

use crate::clock::Nanos;
use crate::coded;
use crate::instrument::{InstrumentId, VenueId};
use bytemuck::{Pod, Zeroable};

coded! {
    /// What a record is.
    pub enum Kind {
        /// A venue's best bid and ask: [`Quote`].
        Quote = 1 => "quote",
        /// What a pair of venues pays: [`Spread`].
        Spread = 2 => "spread",
        /// A (venue, instrument) changed state: [`Status`].
        Status = 3 => "status",
        /// Records are missing here: [`Gap`].
        Gap = 4 => "gap",
        /// An opportunity opened: [`Opened`].
        Opened = 5 => "opened",
        /// An opportunity closed: [`Closed`].
        Closed = 6 => "closed",
        /// The journal stopped or resumed recording: [`Recording`].
        Recording = 7 => "recording",
    }
}

/// Any record: what rings and journals hold. Use [`Record::get`], or [`Record::kind`] and then
/// [`Record::view`].
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Record {
    body: [u64; 7],
    /// The instrument, by its place in the catalogue.
    pub instrument: InstrumentId,
    /// The venue; of a spread the one to buy on.
    pub venue: VenueId,
    /// Of a spread the venue to sell on, otherwise 0.
    pub peer: VenueId,
    tag: Tag,
    /// Bits of the kind's own.
    pub flags: u8,
}

impl PartialEq for Record {
    /// Compares all 64 bytes, the kind among them.
    fn eq(&self, other: &Record) -> bool {
        bytemuck::bytes_of(self) == bytemuck::bytes_of(other)
    }
}

impl Eq for Record {}

/// The place where a [`Record`] keeps the code of its kind.
///
/// Nobody sets it by hand: converting a typed value [into a `Record`](Record::from) writes it, whatever
/// was there. It does not take part in comparisons, because the type says the kind already.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Tag(u8);

impl PartialEq for Tag {
    fn eq(&self, _: &Tag) -> bool {
        true
    }
}

impl Eq for Tag {}

/// What a kind of record is for a consumer. Who does not care about a new kind looks at this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What the calculator takes and numbers: it alone decides everything that is derived.
    Input,
    /// What was computed from inputs. It takes no number and can be computed again.
    Derived,
    /// A mark in the stream that records are missing.
    Mark,
    /// A notice of an agent about itself.
    Notice,
}

impl Kind {
    /// The class of the kind.
    #[must_use]
    #[inline]
    pub fn class(self) -> Class {
        match self {
            Kind::Quote | Kind::Status => Class::Input,
            Kind::Spread | Kind::Opened | Kind::Closed => Class::Derived,
            Kind::Gap => Class::Mark,
            Kind::Recording => Class::Notice,
        }
    }
}

/// A 64-byte type that is one kind of [`Record`].
pub trait Typed: Pod {
    /// The kind's code in the record.
    const KIND: Kind;
}

impl Record {
    /// What the record is; `None` for a code that this version does not know.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Option<Kind> {
        Kind::of_code(self.tag.0)
    }

    /// The class of the record's kind; `None` for a kind that this version does not know.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Option<Class> {
        self.kind().map(Kind::class)
    }

    /// Whether the record is a `T`.
    #[must_use]
    #[inline]
    pub fn is<T: Typed>(&self) -> bool {
        self.tag.0 == T::KIND.code()
    }

    /// The record as a `T`; `None` if it is of another kind.
    #[must_use]
    #[inline]
    pub fn get<T: Typed>(&self) -> Option<&T> {
        self.is::<T>().then(|| bytemuck::cast_ref(self))
    }

    /// The record as the type of its kind.
    ///
    /// # Panics
    /// If it is of another kind.
    #[must_use]
    #[inline]
    pub fn view<T: Typed>(&self) -> &T {
        assert!(self.is::<T>(), "a record of kind {} is no {:?}", self.tag.0, T::KIND);
        bytemuck::cast_ref(self)
    }
}

impl<T: Typed> From<T> for Record {
    #[inline]
    fn from(typed: T) -> Record {
        let record: Record = bytemuck::cast(typed);
        Record { tag: Tag(T::KIND.code()), ..record }
    }
}

/// Flag bits of a [`Quote`].
pub mod flags {
    /// Quotes of this instrument were lost before this one.
    pub const GAP: u8 = 1;
    /// A full picture, not a change: the first after a subscription or a reset.
    pub const SNAPSHOT: u8 = 1 << 1;
    /// Bid above ask: recorded, used for no spread.
    pub const CROSSED: u8 = 1 << 2;
    /// The venue sent no event time; `ts_event` is 0.
    pub const TS_EVENT_ABSENT: u8 = 1 << 3;
    /// The venue repeated its last quote as a sign of life.
    pub const REPEAT: u8 = 1 << 4;
}

/// A venue's best bid and ask with sizes. An absent side has price and size 0.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Quote {
    /// When its bytes were read from the socket.
    pub ts_recv: Nanos,
    /// The venue's event time, 0 with [`flags::TS_EVENT_ABSENT`] where it sends none.
    pub ts_event: Nanos,
    /// Best bid; 0 if nobody bids.
    pub bid_px: i64,
    /// Best ask; 0 if nobody offers.
    pub ask_px: i64,
    /// Size at the bid, in base units.
    pub bid_sz: i64,
    /// Size at the ask, in base units.
    pub ask_sz: i64,
    /// The venue's sequence number, 0 if it sends none.
    pub sequence: u64,
    /// What is quoted.
    pub instrument: InstrumentId,
    /// Where.
    pub venue: VenueId,
    /// Zero.
    pub reserved: u8,
    /// The place of the kind's code.
    pub tag: Tag,
    /// See [`flags`].
    pub flags: u8,
}

/// What buying on one venue and selling on another pays at the moment of one quote.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Spread {
    /// Receive time of the quote that led to it.
    pub ts_recv: Nanos,
    /// Global sequence of that quote: its place in the calculator's order.
    pub sequence: u64,
    /// Ask on the buy venue.
    pub buy_px: i64,
    /// Bid on the sell venue.
    pub sell_px: i64,
    /// Size at that ask.
    pub buy_sz: i64,
    /// Size at that bid.
    pub sell_sz: i64,
    /// Net of both taker fees, as a fraction: 0.0001 is one basis point.
    pub net: f64,
    /// What is traded.
    pub instrument: InstrumentId,
    /// Where to buy.
    pub buy_venue: VenueId,
    /// Where to sell.
    pub sell_venue: VenueId,
    /// The place of the kind's code.
    pub tag: Tag,
    /// [`Spread::SELL_LED`] or zero.
    pub flags: u8,
}

/// A (venue, instrument) changed its state.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Status {
    /// When.
    pub ts_recv: Nanos,
    /// The new [`State`](crate::state::State)'s code.
    pub state: u8,
    /// The state before.
    pub previous: u8,
    /// Why: a [`Reason`](crate::state::Reason)'s code.
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 45],
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue.
    pub venue: VenueId,
    /// Zero.
    pub reserved_peer: u8,
    /// The place of the kind's code.
    pub tag: Tag,
    /// Zero.
    pub flags: u8,
}

coded! {
    /// What is missing where a [`Gap`] stands, and why: its flags.
    pub enum GapCause {
        /// Inputs of the calculator that the edge had no room for.
        Edge = 0 => "edge",
        /// Inputs of the calculator that the journal could not write.
        Disk = 1 => "disk",
        /// Spreads that were to be recorded and did not fit: they take no numbers.
        Spreads = 2 => "spreads",
        /// Opportunities that were to be recorded and did not fit: they take no numbers.
        Opportunities = 3 => "opportunities",
    }
}

impl GapCause {
    /// Whether what is missing were inputs, which the calculator had numbered.
    #[must_use]
    pub fn is_numbered(self) -> bool {
        matches!(self, GapCause::Edge | GapCause::Disk)
    }
}

/// What an edge could not take: the consumer missed `missed` records here.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Gap {
    /// Receive time of the first record that did not fit.
    pub ts_recv: Nanos,
    /// How many records are missing.
    pub missed: u64,
    /// Zero.
    pub reserved: [u64; 5],
    /// Zero.
    pub reserved_ids: [u8; 6],
    /// The place of the kind's code.
    pub tag: Tag,
    /// A [`GapCause`]'s code.
    pub flags: u8,
}

/// An opportunity opened: a net spread passed the entry threshold.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Opened {
    /// Counts up from 1 within a run.
    pub id: u64,
    /// Receive time of the quote that opened it.
    pub ts_recv: Nanos,
    /// Ask on the buy venue.
    pub buy_px: i64,
    /// Bid on the sell venue.
    pub sell_px: i64,
    /// Size at that ask.
    pub buy_sz: i64,
    /// Size at that bid.
    pub sell_sz: i64,
    /// Net spread, fraction.
    pub net: f64,
    /// What is traded.
    pub instrument: InstrumentId,
    /// Where to buy.
    pub buy_venue: VenueId,
    /// Where to sell.
    pub sell_venue: VenueId,
    /// The place of the kind's code.
    pub tag: Tag,
    /// Zero.
    pub flags: u8,
}

/// An opportunity closed.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Closed {
    /// The id it opened with.
    pub id: u64,
    /// When it opened.
    pub ts_open: Nanos,
    /// When it closed; lifetime is the difference.
    pub ts_close: Nanos,
    /// The largest net spread it reached, fraction.
    pub net_peak: f64,
    /// When it first reached that.
    pub ts_peak: Nanos,
    /// The last net spread seen, fraction.
    pub net_last: f64,
    /// Spreads seen while it was open, the opening one included.
    pub updates: u64,
    /// What was traded.
    pub instrument: InstrumentId,
    /// Where to buy.
    pub buy_venue: VenueId,
    /// Where to sell.
    pub sell_venue: VenueId,
    /// The place of the kind's code.
    pub tag: Tag,
    /// A [`CloseReason`](crate::state::CloseReason)'s code.
    pub flags: u8,
}

/// The journal stopped or resumed recording.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Recording {
    /// When.
    pub ts_recv: Nanos,
    /// Inputs that were not recorded since the run began.
    pub lost: u64,
    /// A [`RecordingState`]'s code.
    pub state: u8,
    /// Zero.
    pub reserved: [u8; 39],
    /// Zero.
    pub reserved_ids: [u8; 6],
    /// The place of the kind's code.
    pub tag: Tag,
    /// Zero.
    pub flags: u8,
}

coded! {
    /// Whether the journal records, and if not, why.
    pub enum RecordingState {
        /// It records.
        On = 0 => "on",
        /// The disk is full, or less is free than the reserve.
        DiskFull = 1 => "disk_full",
        /// The folder or its file is gone.
        Vanished = 2 => "vanished",
        /// The operating system refused for another reason: read-only, no permission, an I/O error.
        Refused = 3 => "refused",
    }
}

macro_rules! typed {
    ($($Type:ident)*) => {$(
        impl Typed for $Type {
            const KIND: Kind = Kind::$Type;
        }

        impl Default for $Type {
            /// All zeros.
            fn default() -> $Type {
                $Type::zeroed()
            }
        }
    )*};
}

typed!(Quote Spread Status Gap Opened Closed Recording);

impl Gap {
    /// A gap of `missed` records that begins at `ts_recv`.
    #[must_use]
    pub fn new(ts_recv: Nanos, missed: u64) -> Gap {
        Gap { ts_recv, missed, ..Gap::zeroed() }
    }

    /// The same gap with its cause; [`GapCause::Edge`] is what [`Gap::new`] gives.
    #[must_use]
    pub fn because(self, cause: GapCause) -> Gap {
        Gap { flags: cause as u8, ..self }
    }

    /// Why the records are missing; `None` for a code that this version does not know.
    #[must_use]
    pub fn cause(&self) -> Option<GapCause> {
        GapCause::of_code(self.flags)
    }
}

impl Spread {
    /// Flag: the quote that led to the spread is the sell venue's; without it, the buy venue's.
    /// Spreads that were recorded before this flag was have none.
    pub const SELL_LED: u8 = 1;

    /// The same, led to by a quote of `venue`.
    #[must_use]
    #[inline]
    pub fn led_by(self, venue: VenueId) -> Spread {
        let flags = if venue == self.sell_venue { Spread::SELL_LED } else { 0 };
        Spread { flags, ..self }
    }

    /// The venue whose quote led to the spread.
    #[must_use]
    #[inline]
    pub fn leader(&self) -> VenueId {
        if self.flags & Spread::SELL_LED == 0 { self.buy_venue } else { self.sell_venue }
    }
}

impl Record {
    /// The first time in the record, which of every kind but the opportunities is its receive time.
    #[must_use]
    #[inline]
    pub fn ts_recv(&self) -> Nanos {
        match self.kind() {
            Some(Kind::Opened) => self.view::<Opened>().ts_recv,
            Some(Kind::Closed) => self.view::<Closed>().ts_close,
            _ => self.body[0],
        }
    }
}

/// How many of the calculator's numbers a record takes: 1, of a gap what it stands for if those were
/// inputs, of a kind that is no input none.
#[must_use]
#[inline]
pub fn numbers_taken(record: &Record) -> u64 {
    if let Some(gap) = record.get::<Gap>() {
        // An unknown cause is of a later version, and every cause that takes no numbers is known.
        return if gap.cause().is_none_or(GapCause::is_numbered) { gap.missed } else { 0 };
    }
    u64::from(is_input(record))
}

/// Whether a record is one that the calculator used and numbered.
#[must_use]
#[inline]
pub fn is_input(record: &Record) -> bool {
    record.class() == Some(Class::Input)
}

/// The layout is the journal's format, version 1.
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    macro_rules! same_tail {
        ($($record:ty),*) => {$(
            assert!(size_of::<$record>() == 64 && align_of::<$record>() == 64);
            assert!(offset_of!($record, tag) == 62 && offset_of!($record, flags) == 63);
        )*};
    }
    same_tail!(Record, Quote, Spread, Status, Gap, Opened, Closed, Recording);
    assert!(offset_of!(Quote, ts_recv) == 0 && offset_of!(Quote, ts_event) == 8);
    assert!(offset_of!(Quote, bid_px) == 16 && offset_of!(Quote, ask_px) == 24);
    assert!(offset_of!(Quote, bid_sz) == 32 && offset_of!(Quote, ask_sz) == 40);
    assert!(offset_of!(Quote, sequence) == 48 && offset_of!(Quote, instrument) == 56);
    assert!(offset_of!(Quote, venue) == 60 && offset_of!(Spread, sell_venue) == 61);
    assert!(offset_of!(Status, instrument) == 56 && offset_of!(Spread, instrument) == 56);
    assert!(offset_of!(Closed, instrument) == 56 && offset_of!(Opened, instrument) == 56);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_keeps_its_bytes_as_a_record() {
        let quote = Quote {
            ts_recv: 1,
            ts_event: 2,
            bid_px: -3,
            ask_px: 4,
            bid_sz: 5,
            ask_sz: 6,
            sequence: 7,
            instrument: InstrumentId(0x0A0B_0C0D),
            venue: VenueId(9),

            flags: flags::GAP,
            ..Quote::zeroed()
        };
        let record = Record::from(quote);
        assert_eq!(record.kind(), Some(Kind::Quote));
        assert_eq!(*record.view::<Quote>(), quote);
        let bytes = bytemuck::bytes_of(&record);
        // Golden: version 1 of the journal's record.
        let mut expected = [0_u8; 64];
        expected[0] = 1;
        expected[8] = 2;
        expected[16..24].copy_from_slice(&(-3_i64).to_le_bytes());
        expected[24] = 4;
        expected[32] = 5;
        expected[40] = 6;
        expected[48] = 7;
        expected[56..60].copy_from_slice(&[0x0D, 0x0C, 0x0B, 0x0A]);
        expected[60] = 9;
        expected[62] = 1;
        expected[63] = 1;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_record_has_the_kind_of_the_type_it_was_made_from() {
        let records: [Record; 7] = [
            Quote::default().into(),
            Spread::default().into(),
            Status::default().into(),
            Gap::default().into(),
            Opened::default().into(),
            Closed::default().into(),
            Recording::default().into(),
        ];
        assert_eq!(records.map(|record| record.kind()), Kind::ALL.map(Some));
        assert!(records[0].get::<Quote>().is_some() && records[0].get::<Gap>().is_none());
        // A gap that was read as a quote's bytes and turned back is a gap again.
        let gap: Gap = *records[3].view();
        let quote: Quote = bytemuck::cast(gap);
        assert_eq!(Record::from(quote).kind(), Some(Kind::Quote));
        assert_eq!(Record::from(bytemuck::cast::<Quote, Gap>(quote)).kind(), Some(Kind::Gap));
        assert_eq!(quote, Quote::default(), "the type alone says the kind");
        assert_ne!(Record::from(quote), Record::from(gap));
    }

    #[test]
    fn classes_say_what_consumers_do_with_a_kind() {
        use Class::{Derived, Input, Mark, Notice};
        let wanted = [Input, Derived, Input, Mark, Derived, Derived, Notice];
        assert_eq!(Kind::ALL.map(Kind::class), wanted);
    }

    #[test]
    fn an_unknown_kind_has_none() {
        assert_eq!((Record::zeroed().kind(), Record::zeroed().class()), (None, None));
        let unknown = Record { tag: Tag(8), ..Record::zeroed() };
        assert_eq!((unknown.kind(), unknown.get::<Quote>()), (None, None));
    }
}
