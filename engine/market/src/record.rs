//! The 64-byte record that every ring carries and every journal stores, and its kinds.
//!
//! All kinds share the last eight bytes (instrument, venue, peer, kind, flags), so a reader can
//! tell which kind it has. The first 56 bytes belong to the kind. The layout is the journal's file
//! format; the assertions below guard it. Times are ns since 1970 UTC. Prices and sizes are
//! mantissas at the instrument's scale.

use crate::clock::Nanos;
use crate::coded;
use crate::instrument::{InstrumentId, VenueId};
use bytemuck::{Pod, Zeroable};

coded! {
    /// Kind of a record.
    pub enum Kind {
        /// A venue's best bid and ask: [`Quote`].
        Quote = 1 => "quote",
        /// The profit of trading between two venues: [`Spread`].
        Spread = 2 => "spread",
        /// A (venue, instrument) changed state: [`Status`].
        Status = 3 => "status",
        /// Records are missing at this point: [`Gap`].
        Gap = 4 => "gap",
        /// An opportunity opened: [`Opened`].
        Opened = 5 => "opened",
        /// An opportunity closed: [`Closed`].
        Closed = 6 => "closed",
        /// The journal stopped or resumed recording: [`Recording`].
        Recording = 7 => "recording",
        /// A spread no longer holds: [`Ended`].
        Ended = 8 => "ended",
    }
}

/// A record of any kind, as stored in rings and journals. Use [`Record::get`], or check
/// [`Record::kind`] and then use [`Record::view`].
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Record {
    body: [u64; 7],
    /// Dense id of the instrument.
    pub instrument: InstrumentId,
    /// Dense id of the venue; for a spread, the venue to buy on.
    pub venue: VenueId,
    /// For a spread, the venue to sell on; otherwise 0.
    pub peer: VenueId,
    tag: Tag,
    /// Flag bits, whose meaning depends on the kind.
    pub flags: u8,
}

impl PartialEq for Record {
    /// Compares all 64 bytes, including the kind.
    fn eq(&self, other: &Record) -> bool {
        bytemuck::bytes_of(self) == bytemuck::bytes_of(other)
    }
}

impl Eq for Record {}

/// The byte of a [`Record`] that holds the code of its kind.
///
/// It is never set by hand: converting a typed value [into a `Record`](Record::from) writes it and
/// replaces any earlier value. Comparisons of typed values ignore it, because the type implies the
/// kind.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Tag(u8);

impl PartialEq for Tag {
    fn eq(&self, _: &Tag) -> bool {
        true
    }
}

impl Eq for Tag {}

/// Role of a kind of record for its consumers. A consumer that ignores new kinds matches on this
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// An input that the calculator reads and numbers. Inputs alone determine all derived records.
    Input,
    /// Computed from inputs. It takes no sequence number and can be computed again.
    Derived,
    /// Marks records that are missing from the stream.
    Mark,
    /// An agent's notice about itself.
    Notice,
}

impl Kind {
    /// Returns the class of the kind.
    #[must_use]
    #[inline]
    pub fn class(self) -> Class {
        match self {
            Kind::Quote | Kind::Status => Class::Input,
            Kind::Spread | Kind::Ended | Kind::Opened | Kind::Closed => Class::Derived,
            Kind::Gap => Class::Mark,
            Kind::Recording => Class::Notice,
        }
    }
}

/// A 64-byte type that is one kind of [`Record`].
pub trait Typed: Pod {
    /// The code stored in the record.
    const KIND: Kind;
}

impl Record {
    /// Returns the kind of the record; `None` if this version does not know the code.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Option<Kind> {
        Kind::of_code(self.tag.0)
    }

    /// Returns the class of the record's kind; `None` if this version does not know the kind.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Option<Class> {
        self.kind().map(Kind::class)
    }

    /// Returns whether the record is a `T`.
    #[must_use]
    #[inline]
    pub fn is<T: Typed>(&self) -> bool {
        self.tag.0 == T::KIND.code()
    }

    /// Returns the record as a `T`; `None` if it is of another kind.
    #[must_use]
    #[inline]
    pub fn get<T: Typed>(&self) -> Option<&T> {
        self.is::<T>().then(|| bytemuck::cast_ref(self))
    }

    /// Returns the record as a `T`.
    ///
    /// # Panics
    /// If the record is of another kind.
    #[must_use]
    #[inline]
    pub fn view<T: Typed>(&self) -> &T {
        assert!(self.is::<T>(), "a record of kind {} is not a {:?}", self.tag.0, T::KIND);
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
    /// The message is a snapshot, not a change: the first after a subscription or a reset.
    pub const SNAPSHOT: u8 = 1 << 1;
    /// The bid is above the ask. The quote is recorded but used for no spread.
    pub const CROSSED: u8 = 1 << 2;
    /// The venue sent no event time, so `ts_event` is 0.
    pub const TS_EVENT_ABSENT: u8 = 1 << 3;
    /// The venue repeated its last quote to show that it is alive.
    pub const REPEAT: u8 = 1 << 4;
}

/// A venue's best bid and ask with their sizes. The price and size of an absent side are 0.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Quote {
    /// Time at which the bytes were read from the socket.
    pub ts_recv: Nanos,
    /// The venue's event time; 0 with [`flags::TS_EVENT_ABSENT`] if it sends none.
    pub ts_event: Nanos,
    /// Best bid price; 0 if there is no bid.
    pub bid_px: i64,
    /// Best ask price; 0 if there is no ask.
    pub ask_px: i64,
    /// Size at the bid, in base units.
    pub bid_sz: i64,
    /// Size at the ask, in base units.
    pub ask_sz: i64,
    /// The venue's sequence number; 0 if it sends none.
    pub sequence: u64,
    /// The quoted instrument.
    pub instrument: InstrumentId,
    /// The venue that quotes it.
    pub venue: VenueId,
    /// Always zero.
    pub reserved: u8,
    /// Code of the kind.
    pub tag: Tag,
    /// Flag bits, see [`flags`].
    pub flags: u8,
}

/// Result of buying on one venue and selling on another, as of one quote.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Spread {
    /// Receive time of the quote that triggered the spread.
    pub ts_recv: Nanos,
    /// Global sequence number of that quote, assigned by the calculator.
    pub sequence: u64,
    /// Ask price on the buy venue.
    pub buy_px: i64,
    /// Bid price on the sell venue.
    pub sell_px: i64,
    /// Size at that ask.
    pub buy_sz: i64,
    /// Size at that bid.
    pub sell_sz: i64,
    /// Net spread after both taker fees, as a fraction: 0.0001 is one basis point.
    pub net: f64,
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Code of the kind.
    pub tag: Tag,
    /// [`Spread::SELL_LED`] or zero.
    pub flags: u8,
}

/// The end of a spread: from here on the pair cannot be traded, until its next [`Spread`].
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Ended {
    /// Receive time of the quote, or time of the status, that ended it.
    pub ts_recv: Nanos,
    /// Global sequence number of that quote or status.
    pub sequence: u64,
    /// Always zero.
    pub reserved: [u64; 5],
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Code of the kind.
    pub tag: Tag,
    /// Code of the [`EndReason`](crate::state::EndReason).
    pub flags: u8,
}

/// A change of state of a (venue, instrument).
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Status {
    /// Time of the change.
    pub ts_recv: Nanos,
    /// Code of the new [`State`](crate::state::State).
    pub state: u8,
    /// Code of the previous state.
    pub previous: u8,
    /// Code of the [`Reason`](crate::state::Reason) for the change.
    pub reason: u8,
    /// Always zero.
    pub reserved: [u8; 45],
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue.
    pub venue: VenueId,
    /// Always zero.
    pub reserved_peer: u8,
    /// Code of the kind.
    pub tag: Tag,
    /// Always zero.
    pub flags: u8,
}

coded! {
    /// Type of the records missing at a [`Gap`] and the reason they are missing; stored in its
    /// flags.
    pub enum GapCause {
        /// Inputs of the calculator that did not fit in the edge's ring.
        Edge = 0 => "edge",
        /// Inputs of the calculator that the journal could not write.
        Disk = 1 => "disk",
        /// Spreads that were to be recorded but did not fit. They take no sequence numbers.
        Spreads = 2 => "spreads",
        /// Opportunities that were to be recorded but did not fit. They take no sequence numbers.
        Opportunities = 3 => "opportunities",
    }
}

impl GapCause {
    /// Returns whether the missing records were inputs, which the calculator had numbered.
    #[must_use]
    pub fn is_numbered(self) -> bool {
        matches!(self, GapCause::Edge | GapCause::Disk)
    }
}

/// A mark left where a consumer missed `missed` records.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Gap {
    /// Receive time of the first record that did not fit.
    pub ts_recv: Nanos,
    /// Number of missing records.
    pub missed: u64,
    /// Always zero.
    pub reserved: [u64; 5],
    /// Always zero.
    pub reserved_ids: [u8; 6],
    /// Code of the kind.
    pub tag: Tag,
    /// Code of the [`GapCause`].
    pub flags: u8,
}

/// An opportunity opened because a net spread reached the entry threshold.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Opened {
    /// Id of the opportunity, counted up from 1 within a run.
    pub id: u64,
    /// Receive time of the quote that opened it.
    pub ts_recv: Nanos,
    /// Ask price on the buy venue.
    pub buy_px: i64,
    /// Bid price on the sell venue.
    pub sell_px: i64,
    /// Size at that ask.
    pub buy_sz: i64,
    /// Size at that bid.
    pub sell_sz: i64,
    /// Net spread, fraction.
    pub net: f64,
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Code of the kind.
    pub tag: Tag,
    /// Always zero.
    pub flags: u8,
}

/// An opportunity closed.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Closed {
    /// Id of the opportunity, as in its [`Opened`] record.
    pub id: u64,
    /// Time at which it opened.
    pub ts_open: Nanos,
    /// Time at which it closed.
    pub ts_close: Nanos,
    /// Largest net spread while it was open, fraction.
    pub net_peak: f64,
    /// Time at which the peak was first reached.
    pub ts_peak: Nanos,
    /// Last net spread seen, fraction.
    pub net_last: f64,
    /// Number of spreads seen while it was open, including the opening one.
    pub updates: u64,
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Code of the kind.
    pub tag: Tag,
    /// Code of the [`CloseReason`](crate::state::CloseReason).
    pub flags: u8,
}

/// The journal stopped or resumed recording.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Recording {
    /// Time of the change.
    pub ts_recv: Nanos,
    /// Number of inputs not recorded since the run began.
    pub lost: u64,
    /// Code of the [`RecordingState`].
    pub state: u8,
    /// Always zero.
    pub reserved: [u8; 39],
    /// Always zero.
    pub reserved_ids: [u8; 6],
    /// Code of the kind.
    pub tag: Tag,
    /// Always zero.
    pub flags: u8,
}

coded! {
    /// Whether the journal is recording and, if it is not, the reason.
    pub enum RecordingState {
        /// Recording.
        On = 0 => "on",
        /// The disk is full, or its free space is below the reserve.
        DiskFull = 1 => "disk_full",
        /// The folder or its file no longer exists.
        Vanished = 2 => "vanished",
        /// The operating system refused for another reason: read-only, no permission, an I/O error.
        Refused = 3 => "refused",
        /// The process has no file descriptor left.
        NoDescriptor = 4 => "no_descriptor",
        /// The lake was moved or deleted, or another engine holds its lock.
        Displaced = 5 => "displaced",
    }
}

impl RecordingState {
    /// Returns why nothing is recorded, and what a person can do, in words.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            RecordingState::On => "recording",
            RecordingState::DiskFull => {
                "the disk is full, or has less free space than journal.disk_reserve_mb; make room"
            }
            RecordingState::Vanished => "the journal's folder or file is gone; bring the disk back",
            RecordingState::Refused => {
                "the disk refuses: read-only, no permission, or an I/O error; mend it"
            }
            RecordingState::NoDescriptor => {
                "the process has no file descriptor left; raise LimitNOFILE in the systemd unit \
                 (`ulimit -Hn` in a shell)"
            }
            RecordingState::Displaced => {
                "the lake was moved or deleted, or another engine holds its recording.lock; put the \
                 lake back and end the other engine, or restart this one"
            }
        }
    }
}

macro_rules! typed {
    ($($Type:ident)*) => {$(
        impl Typed for $Type {
            const KIND: Kind = Kind::$Type;
        }

        impl Default for $Type {
            /// Returns a record whose fields are all zero.
            fn default() -> $Type {
                $Type::zeroed()
            }
        }
    )*};
}

typed!(Quote Spread Ended Status Gap Opened Closed Recording);

impl Gap {
    /// Creates a gap of `missed` records that begins at `ts_recv`, with the cause
    /// [`GapCause::Edge`].
    #[must_use]
    pub fn new(ts_recv: Nanos, missed: u64) -> Gap {
        Gap { ts_recv, missed, ..Gap::zeroed() }
    }

    /// Returns the same gap with another cause.
    #[must_use]
    pub fn because(self, cause: GapCause) -> Gap {
        Gap { flags: cause as u8, ..self }
    }

    /// Returns the cause; `None` if this version does not know the code.
    #[must_use]
    pub fn cause(&self) -> Option<GapCause> {
        GapCause::of_code(self.flags)
    }
}

impl Spread {
    /// Flag: the quote of the sell venue triggered the spread; if it is not set, that of the buy
    /// venue did. Spreads recorded before this flag was introduced never have it.
    pub const SELL_LED: u8 = 1;

    /// Returns the same spread, marked as triggered by a quote of `venue`.
    #[must_use]
    #[inline]
    pub fn led_by(self, venue: VenueId) -> Spread {
        let flags = if venue == self.sell_venue { Spread::SELL_LED } else { 0 };
        Spread { flags, ..self }
    }

    /// Returns the venue whose quote triggered the spread.
    #[must_use]
    #[inline]
    pub fn leader(&self) -> VenueId {
        if self.flags & Spread::SELL_LED == 0 { self.buy_venue } else { self.sell_venue }
    }
}

impl Record {
    /// Returns the first time in the record. It is the receive time for all kinds except
    /// opportunities.
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

/// Returns how many of the calculator's sequence numbers a record takes: 1 for an input, the number
/// of missing records for a gap of inputs, and 0 for everything else.
#[must_use]
#[inline]
pub fn numbers_taken(record: &Record) -> u64 {
    if let Some(gap) = record.get::<Gap>() {
        // An unknown cause comes from a later version. All causes that take no numbers are known.
        return if gap.cause().is_none_or(GapCause::is_numbered) { gap.missed } else { 0 };
    }
    u64::from(is_input(record))
}

/// Returns whether a record is an input, which the calculator numbered.
#[must_use]
#[inline]
pub fn is_input(record: &Record) -> bool {
    record.class() == Some(Class::Input)
}

/// Checks the layout, which is version 1 of the journal's format.
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
        // Golden: the record of journal version 1.
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
        let records: [Record; 8] = [
            Quote::default().into(),
            Spread::default().into(),
            Status::default().into(),
            Gap::default().into(),
            Opened::default().into(),
            Closed::default().into(),
            Recording::default().into(),
            Ended::default().into(),
        ];
        assert_eq!(records.map(|record| record.kind()), Kind::ALL.map(Some));
        assert!(records[0].get::<Quote>().is_some() && records[0].get::<Gap>().is_none());
        // A gap whose bytes were read as a quote becomes a gap again when it is converted back.
        let gap: Gap = *records[3].view();
        let quote: Quote = bytemuck::cast(gap);
        assert_eq!(Record::from(quote).kind(), Some(Kind::Quote));
        assert_eq!(Record::from(bytemuck::cast::<Quote, Gap>(quote)).kind(), Some(Kind::Gap));
        assert_eq!(quote, Quote::default(), "the tag takes no part in comparisons");
        assert_ne!(Record::from(quote), Record::from(gap));
    }

    #[test]
    fn classes_say_what_consumers_do_with_a_kind() {
        use Class::{Derived, Input, Mark, Notice};
        let wanted = [Input, Derived, Input, Mark, Derived, Derived, Notice, Derived];
        assert_eq!(Kind::ALL.map(Kind::class), wanted);
    }

    #[test]
    fn an_unknown_kind_has_none() {
        assert_eq!((Record::zeroed().kind(), Record::zeroed().class()), (None, None));
        let unknown = Record { tag: Tag(9), ..Record::zeroed() };
        assert_eq!((unknown.kind(), unknown.get::<Quote>()), (None, None));
    }
}
