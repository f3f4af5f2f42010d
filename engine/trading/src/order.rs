//! Orders, and what a gateway says of them.

use crate::amount::Amount;
use crate::short_text::{ShortText, shown_as_text};
use serde::{Deserialize, Serialize};
use spreadwire_market::clock::Nanos;
use spreadwire_market::coded;
pub use spreadwire_market::execution::Side;
use spreadwire_market::instrument::{InstrumentId, VenueId};

/// Longest own name in client ids, characters.
pub const OWNER_MAX: usize = 8;

/// Who places orders: it begins every client id, so that own orders can be told from others'. One to
/// eight lower-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(ShortText<OWNER_MAX>);

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Owner").field(&self.name()).finish()
    }
}

impl Owner {
    /// Returns an owner of that name; `None` unless it is 1 to 8 lower-case letters and digits.
    #[must_use]
    pub fn new(name: &str) -> Option<Owner> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        ShortText::new(name).filter(|_| name.bytes().all(plain)).map(Owner)
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the text of a client id: `sw`, the owner's name and 16 hexadecimal digits. At most 26
    /// letters and digits, which every venue takes.
    #[must_use]
    pub fn client_text(&self, id: ClientId) -> String {
        format!("sw{}{:016x}", self.name(), id.0)
    }

    /// Reads the text of a client id; `None` if this owner did not write it.
    #[must_use]
    pub fn client_id(&self, text: &str) -> Option<ClientId> {
        let digits = text.strip_prefix("sw")?.strip_prefix(self.name())?;
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digits.len() != 16 || !digits.bytes().all(plain) {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(ClientId)
    }
}

/// Our own number of an order: counted up, never used twice by an owner, not even after a restart.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClientId(pub u64);

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// One of the two legs that open a deal.
    Entry,
    /// One of the two legs that close a deal once its spread has converged.
    Exit,
    /// Brings a residual to zero: completes the leg that is short, or reverses the one that is long.
    Hedge,
}

/// An order: a limit order that is filled at once as far as it can be, the rest being cancelled (IOC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Our own number.
    pub id: ClientId,
    /// The deal that it belongs to.
    pub deal: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The instrument.
    #[serde(with = "instrument_id")]
    pub instrument: InstrumentId,
    /// The venue.
    #[serde(with = "venue_id")]
    pub venue: VenueId,
    /// Direction.
    pub side: Side,
    /// Limit price, mantissa at the instrument's price scale, above 0.
    pub px: i64,
    /// Size, mantissa at the instrument's size scale, above 0, a whole number of lots.
    pub sz: i64,
    /// Time of the decision, ns since 1970 UTC.
    pub ts: Nanos,
}

/// Longest id that a venue gives to an order or a trade, bytes.
pub const VENUE_ID_MAX: usize = 47;

/// A venue's id of an order or a trade, as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueText(ShortText<VENUE_ID_MAX>);

impl VenueText {
    /// Returns the id; `None` if it is empty, longer than 47 bytes, or has characters other than
    /// visible ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<VenueText> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        ShortText::new(text).filter(|_| plain).map(VenueText)
    }

    /// Returns the decimal digits of a number.
    ///
    /// # Panics
    /// Never: a number has at most 20 digits.
    #[must_use]
    pub fn of_number(number: u64) -> VenueText {
        let (mut digits, mut place, mut rest) = ([0; 20], 20, number);
        loop {
            place -= 1;
            digits[place] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let text = std::str::from_utf8(&digits[place..]).expect("digits");
        VenueText(ShortText::new(text).expect("1 to 20 digits"))
    }
}

shown_as_text!(VenueText, "not an id of a venue");

/// Longest name of an asset, bytes.
pub const ASSET_NAME_MAX: usize = 23;

/// Name of an asset, as `BTC` or `USDT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetName(ShortText<ASSET_NAME_MAX>);

impl AssetName {
    /// Returns the name; `None` if it is empty, longer than 23 bytes, or has white space or control
    /// characters.
    #[must_use]
    pub fn new(text: &str) -> Option<AssetName> {
        let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
        ShortText::new(text).filter(|_| plain).map(AssetName)
    }
}

shown_as_text!(AssetName, "not the name of an asset");

/// A fill: a trade of the venue that an order took part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The order; `None` for a trade that no order of ours asked for (liquidation, ADL).
    pub order: Option<ClientId>,
    /// The venue's id of the trade, unique for a venue and an instrument.
    pub trade: VenueText,
    /// The instrument.
    #[serde(with = "instrument_id")]
    pub instrument: InstrumentId,
    /// The venue.
    #[serde(with = "venue_id")]
    pub venue: VenueId,
    /// Direction.
    pub side: Side,
    /// Price, mantissa.
    pub px: i64,
    /// Size, mantissa, above 0.
    pub sz: i64,
    /// Fee, in `fee_asset`; below 0 for a rebate.
    pub fee: Amount,
    /// Asset that the fee was taken in.
    pub fee_asset: AssetName,
    /// Time of the trade by the venue's clock, ns since 1970 UTC.
    pub ts: Nanos,
}

coded! {
    /// Why a venue, or the gateway to it, did not take an order.
    pub enum Reject {
        /// The venue gave a reason that is not among the others.
        Other = 0 => "other",
        /// Balance too small.
        Balance = 1 => "balance",
        /// Price, size or notional break a rule of the market.
        Filter = 2 => "filter",
        /// Too many orders or requests.
        RateLimit = 3 => "rate_limit",
        /// Key, signature or time stamp were refused.
        Auth = 4 => "auth",
        /// The market does not trade.
        Halted = 5 => "halted",
        /// The client id was used before.
        Duplicate = 6 => "duplicate",
        /// The order arrived after its own expiry.
        Expired = 7 => "expired",
        /// The order was not sent: the gateway has no connection.
        NotSent = 8 => "not_sent",
    }
}

coded! {
    /// How an order ended.
    pub enum Ended {
        /// All of it was filled.
        Filled = 0 => "filled",
        /// The rest found nothing at its limit and was cancelled by the venue, as IOC says.
        Unfilled = 1 => "unfilled",
        /// It was cancelled.
        Cancelled = 2 => "cancelled",
        /// The venue has no such order and never had.
        NeverThere = 3 => "never_there",
    }
}

/// What a gateway says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The venue has the order. This is not a fill.
    Acked {
        /// The order.
        id: ClientId,
        /// The venue's id of it.
        venue_order: VenueText,
        /// Between its arrival at the venue and the answer leaving it, ns; 0 if the venue does not say.
        venue_latency: Nanos,
    },
    /// A trade.
    Filled(Fill),
    /// The order is over. `filled` is the size that was filled in all: fills may still come, but not
    /// beyond that.
    Done {
        /// The order.
        id: ClientId,
        /// How it ended.
        #[serde(with = "named_ended")]
        how: Ended,
        /// Size filled in all, mantissa.
        filled: i64,
    },
    /// The order was not taken.
    Rejected {
        /// The order.
        id: ClientId,
        /// Why.
        #[serde(with = "named_reject")]
        why: Reject,
        /// The venue's code; 0 if there is none.
        code: i64,
    },
    /// What became of the order is not known: no answer came in time, the connection was lost, or the
    /// market was not seen when it arrived.
    Unknown {
        /// The order.
        id: ClientId,
    },
    /// The balance of an asset at a venue, as the venue says.
    Balance {
        /// The venue.
        #[serde(with = "venue_id")]
        venue: VenueId,
        /// The asset.
        asset: AssetName,
        /// What is there in all, locked or not.
        total: Amount,
    },
    /// Everything that was asked for by a reconciliation of a venue has been said.
    Reconciled {
        /// The venue.
        #[serde(with = "venue_id")]
        venue: VenueId,
    },
    /// The connection to a venue is ready for orders, or no longer.
    Connection {
        /// The venue.
        #[serde(with = "venue_id")]
        venue: VenueId,
        /// Whether orders can be placed.
        is_up: bool,
    },
}

macro_rules! as_number {
    ($module:ident, $Type:ident, $Inner:ty) => {
        mod $module {
            use super::$Type;
            use serde::{Deserialize, Deserializer, Serialize, Serializer};
            pub(super) fn serialize<S: Serializer>(id: &$Type, to: S) -> Result<S::Ok, S::Error> {
                id.0.serialize(to)
            }
            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$Type, D::Error> {
                <$Inner>::deserialize(from).map($Type)
            }
        }
    };
}
as_number!(instrument_id, InstrumentId, u32);
as_number!(venue_id, VenueId, u8);

macro_rules! as_name {
    ($module:ident, $Type:ident) => {
        mod $module {
            use super::$Type;
            use serde::{Deserialize, Deserializer, Serializer};
            pub(super) fn serialize<S: Serializer>(it: &$Type, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(it.name())
            }
            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$Type, D::Error> {
                let name = <std::borrow::Cow<'_, str>>::deserialize(from)?;
                $Type::of_name(&name).ok_or_else(|| serde::de::Error::custom("unknown name"))
            }
        }
    };
}
as_name!(named_ended, Ended);
as_name!(named_reject, Reject);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_client_ids_are_told_from_others() {
        let owner = Owner::new("desk1").unwrap();
        let text = owner.client_text(ClientId(0xab));
        assert_eq!(text, "swdesk100000000000000ab");
        assert_eq!(owner.client_id(&text), Some(ClientId(0xab)));
        let other = Owner::new("desk").unwrap();
        assert_eq!(other.client_id(&text), None, "one digit too many");
        for foreign in ["", "sw", "web_1234", "swdesk100000000000000AB", "swdesk10000000000000ab"] {
            assert_eq!(owner.client_id(foreign), None, "{foreign}");
        }
        for name in ["", "Desk", "desk-1", "longerthan8"] {
            assert_eq!(Owner::new(name), None, "{name}");
        }
        let longest = Owner::new("12345678").unwrap().client_text(ClientId(u64::MAX));
        assert!(longest.len() <= 32 && longest.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn texts_of_venues_are_kept_or_refused() {
        assert_eq!(VenueText::of_number(0).as_str(), "0");
        assert_eq!(VenueText::of_number(u64::MAX).as_str(), "18446744073709551615");
        assert_eq!(
            VenueText::new("0ab1bdf7-4219-438b-b30a-32ec863018f7").unwrap().as_str().len(),
            36
        );
        for bad in ["", "a b", "\u{7f}", &"x".repeat(48)] {
            assert_eq!(VenueText::new(bad), None, "{bad:?}");
        }
        assert_eq!(AssetName::new("牛来").unwrap().as_str(), "牛来");
        assert_eq!(AssetName::new("A B"), None);
    }

    #[test]
    fn answers_are_read_back_as_written() {
        let fill = Fill {
            order: Some(ClientId(7)),
            trade: VenueText::of_number(9),
            instrument: InstrumentId(1),
            venue: VenueId(2),
            side: Side::Sell,
            px: 10,
            sz: 20,
            fee: Amount::parse("-0.1").unwrap(),
            fee_asset: AssetName::new("BNB").unwrap(),
            ts: 5,
        };
        let answers = [
            Answer::Filled(fill),
            Answer::Done { id: ClientId(7), how: Ended::Unfilled, filled: 20 },
            Answer::Rejected { id: ClientId(8), why: Reject::RateLimit, code: -1003 },
            Answer::Connection { venue: VenueId(1), is_up: true },
        ];
        for answer in answers {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
    }
}
