//! An entry of the journal of decisions as a line of JSON, for people and machines, and back.
//!
//! A line begins with the mode, so that nobody takes paper for money, and names venues, instruments and
//! assets. Prices, sizes and amounts are exact decimals in texts. Sizes of entries that do not name their
//! instrument (`filled_units`, `sz_units`, `residual_units`, `displayed_units`) are mantissas at the size
//! scale of the instrument of their order, deal or opportunity. Fractions are texts too, in the shortest
//! form that gives the same number back.

use crate::amount::Amount;
use crate::entry::{Capturable, Decided, Entry, Event, Halt, Markout, Outcome, Settled, Stage};
use crate::gateway::Mode;
use crate::order::{
    Answer, AssetName, ClientId, Ended, Fill, Order, Purpose, Reject, Side, VenueText,
};
use crate::terms::Assets;
use serde::{Deserialize, Serialize};
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, DecimalError};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use std::borrow::Cow;

/// Why a line is not an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or without a field that it needs.
    #[error("not an entry: {0}")]
    Malformed(String),
    /// A venue that the configuration does not have.
    #[error("the venue {0:?} is not configured")]
    Venue(String),
    /// An instrument that the configuration does not have.
    #[error("the instrument {0:?} is not configured")]
    Instrument(String),
    /// An asset that the configuration does not trade.
    #[error("the asset {0:?} is not traded by this configuration")]
    Asset(String),
    /// A word that this version does not know.
    #[error("the {what} {word:?} is not known to this version")]
    Word {
        /// What it should be.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// A price, size or fraction that cannot be read.
    #[error("{text:?} is not a number of {of}: {why}")]
    Number {
        /// The text.
        text: String,
        /// The instrument, or what it is.
        of: String,
        /// Why.
        why: String,
    },
}

/// The names by which lines are read.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Venues and instruments.
    pub catalogue: &'a Catalogue,
    /// Assets.
    pub assets: &'a Assets,
}

/// A line as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    mode: Cow<'a, str>,
    ts: Nanos,
    #[serde(flatten)]
    words: Words<'a>,
}

/// An event in names and texts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Words<'a> {
    Funded { venue: Cow<'a, str>, asset: AssetName, amount: Amount },
    Decided(DecidedWords<'a>),
    Placed(PlacedWords<'a>),
    Acked { order: u64, venue_order: VenueText, venue_latency: Nanos },
    Filled(FilledWords<'a>),
    Done { order: u64, how: Cow<'a, str>, filled_units: i64 },
    Rejected { order: u64, why: Cow<'a, str>, code: i64 },
    Unknown { order: u64 },
    Balance { venue: Cow<'a, str>, asset: AssetName, total: Amount },
    Reconciled { venue: Cow<'a, str> },
    Connection { venue: Cow<'a, str>, is_up: bool },
    Stage { deal: u64, stage: Cow<'a, str> },
    Settled(SettledWords<'a>),
    Halted { why: Cow<'a, str> },
    Resumed,
    Adopted { venue: Cow<'a, str>, asset: AssetName, amount: Amount },
    Capturable { opportunity: u64, after: Nanos, displayed_units: i64, sz_units: Option<i64> },
    Markout { order: u64, after: Nanos, gain: Option<Cow<'a, str>> },
}

#[derive(Debug, Serialize, Deserialize)]
struct DecidedWords<'a> {
    deal: u64,
    opportunity: u64,
    instrument: Cow<'a, str>,
    buy_venue: Cow<'a, str>,
    sell_venue: Cow<'a, str>,
    buy_px: Cow<'a, str>,
    sell_px: Cow<'a, str>,
    sz: Cow<'a, str>,
    net: Cow<'a, str>,
    age: Nanos,
}

#[derive(Debug, Serialize, Deserialize)]
struct PlacedWords<'a> {
    order: u64,
    deal: u64,
    purpose: Purpose,
    instrument: Cow<'a, str>,
    venue: Cow<'a, str>,
    side: Side,
    px: Cow<'a, str>,
    sz: Cow<'a, str>,
    decided_at: Nanos,
}

#[derive(Debug, Serialize, Deserialize)]
struct FilledWords<'a> {
    order: Option<u64>,
    trade: VenueText,
    instrument: Cow<'a, str>,
    venue: Cow<'a, str>,
    side: Side,
    px: Cow<'a, str>,
    sz: Cow<'a, str>,
    fee: Amount,
    fee_asset: AssetName,
    traded_at: Nanos,
}

#[derive(Debug, Serialize, Deserialize)]
struct SettledWords<'a> {
    deal: u64,
    outcome: Cow<'a, str>,
    failed: bool,
    profit: Amount,
    fees: Amount,
    sz_units: i64,
    residual_units: i64,
}

/// Returns an entry as one line of JSON, without an end of line.
///
/// # Panics
/// If the entry has an id that is not in the catalogue.
#[must_use]
pub fn write(entry: &Entry, mode: Mode, catalogue: &Catalogue) -> String {
    let words = words(&entry.event, catalogue);
    let line = Line { mode: mode.name().into(), ts: entry.ts, words };
    serde_json::to_string(&line).expect("texts and integers have a form in JSON")
}

/// Reads a line. Fields that it does not know are ignored.
///
/// # Errors
/// [`LineError`], which names what is unknown or malformed.
pub fn read(text: &str, names: Names<'_>) -> Result<(Mode, Entry), LineError> {
    let line: Line<'_> =
        serde_json::from_str(text).map_err(|error| LineError::Malformed(error.to_string()))?;
    let mode = word("mode", &line.mode, Mode::of_name)?;
    Ok((mode, Entry { ts: line.ts, event: names.event(line.words)? }))
}

fn words<'a>(event: &Event, catalogue: &'a Catalogue) -> Words<'a> {
    let venue_name = |id: VenueId| Cow::from(catalogue.venue(id).name.as_str());
    match *event {
        Event::Funded { venue, asset, amount } => {
            Words::Funded { venue: venue_name(venue), asset, amount }
        }
        Event::Decided(decided) => Words::Decided(decided_words(&decided, catalogue)),
        Event::Placed(order) => Words::Placed(placed_words(&order, catalogue)),
        Event::Answered(answer) => answer_words(&answer, catalogue),
        Event::Stage { deal, stage } => Words::Stage { deal, stage: stage.name().into() },
        Event::Settled(settled) => {
            let Settled { deal, outcome, failed, profit, fees, sz, residual } = settled;
            let outcome = outcome.name().into();
            let (sz_units, residual_units) = (sz, residual);
            Words::Settled(SettledWords {
                deal,
                outcome,
                failed,
                profit,
                fees,
                sz_units,
                residual_units,
            })
        }
        Event::Halted(halt) => Words::Halted { why: halt.name().into() },
        Event::Resumed => Words::Resumed,
        Event::Adopted { venue, asset, amount } => {
            Words::Adopted { venue: venue_name(venue), asset, amount }
        }
        Event::Capturable(Capturable { opportunity, after, displayed, sz }) => {
            Words::Capturable { opportunity, after, displayed_units: displayed, sz_units: sz }
        }
        Event::Markout(Markout { order, after, gain }) => {
            Words::Markout { order, after, gain: gain.map(|gain| gain.to_string().into()) }
        }
    }
}

fn decided_words<'a>(decided: &Decided, catalogue: &'a Catalogue) -> DecidedWords<'a> {
    let Decided { deal, opportunity, instrument, buy_venue, sell_venue, net, age, .. } = *decided;
    let of = catalogue.instrument(instrument);
    let px = |mantissa| decimal::to_text(mantissa, of.price_scale).into();
    DecidedWords {
        deal,
        opportunity,
        instrument: of.name.as_str().into(),
        buy_venue: catalogue.venue(buy_venue).name.as_str().into(),
        sell_venue: catalogue.venue(sell_venue).name.as_str().into(),
        buy_px: px(decided.buy_px),
        sell_px: px(decided.sell_px),
        sz: decimal::to_text(decided.sz, of.size_scale).into(),
        net: net.to_string().into(),
        age,
    }
}

fn placed_words<'a>(order: &Order, catalogue: &'a Catalogue) -> PlacedWords<'a> {
    let Order { id, deal, purpose, instrument, venue, side, px, sz, ts } = *order;
    let of = catalogue.instrument(instrument);
    PlacedWords {
        order: id.0,
        deal,
        purpose,
        instrument: of.name.as_str().into(),
        venue: catalogue.venue(venue).name.as_str().into(),
        side,
        px: decimal::to_text(px, of.price_scale).into(),
        sz: decimal::to_text(sz, of.size_scale).into(),
        decided_at: ts,
    }
}

fn answer_words<'a>(answer: &Answer, catalogue: &'a Catalogue) -> Words<'a> {
    let venue_name = |id: VenueId| Cow::from(catalogue.venue(id).name.as_str());
    match *answer {
        Answer::Acked { id, venue_order, venue_latency } => {
            Words::Acked { order: id.0, venue_order, venue_latency }
        }
        Answer::Filled(fill) => Words::Filled(filled_words(&fill, catalogue)),
        Answer::Done { id, how, filled } => {
            Words::Done { order: id.0, how: how.name().into(), filled_units: filled }
        }
        Answer::Rejected { id, why, code } => {
            Words::Rejected { order: id.0, why: why.name().into(), code }
        }
        Answer::Unknown { id } => Words::Unknown { order: id.0 },
        Answer::Balance { venue, asset, total } => {
            Words::Balance { venue: venue_name(venue), asset, total }
        }
        Answer::Reconciled { venue } => Words::Reconciled { venue: venue_name(venue) },
        Answer::Connection { venue, is_up } => {
            Words::Connection { venue: venue_name(venue), is_up }
        }
    }
}

fn filled_words<'a>(fill: &Fill, catalogue: &'a Catalogue) -> FilledWords<'a> {
    let Fill { order, trade, instrument, venue, side, px, sz, fee, fee_asset, ts } = *fill;
    let of = catalogue.instrument(instrument);
    FilledWords {
        order: order.map(|id| id.0),
        trade,
        instrument: of.name.as_str().into(),
        venue: catalogue.venue(venue).name.as_str().into(),
        side,
        px: decimal::to_text(px, of.price_scale).into(),
        sz: decimal::to_text(sz, of.size_scale).into(),
        fee,
        fee_asset,
        traded_at: ts,
    }
}

impl Names<'_> {
    fn event(self, words: Words<'_>) -> Result<Event, LineError> {
        Ok(match words {
            Words::Funded { venue, asset, amount } => {
                Event::Funded { venue: self.venue(&venue)?, asset: self.asset(asset)?, amount }
            }
            Words::Adopted { venue, asset, amount } => {
                Event::Adopted { venue: self.venue(&venue)?, asset: self.asset(asset)?, amount }
            }
            Words::Decided(decided) => Event::Decided(self.decided(&decided)?),
            Words::Placed(placed) => Event::Placed(self.placed(&placed)?),
            Words::Stage { deal, stage } => {
                Event::Stage { deal, stage: word("stage", &stage, Stage::of_name)? }
            }
            Words::Settled(settled) => Event::Settled(self::settled(&settled)?),
            Words::Halted { why } => Event::Halted(word("halt", &why, Halt::of_name)?),
            Words::Resumed => Event::Resumed,
            Words::Capturable { opportunity, after, displayed_units, sz_units } => {
                let (displayed, sz) = (displayed_units, sz_units);
                Event::Capturable(Capturable { opportunity, after, displayed, sz })
            }
            Words::Markout { order, after, gain } => {
                let gain = gain.map(|gain| fraction("gain", &gain)).transpose()?;
                Event::Markout(Markout { order, after, gain })
            }
            answer @ (Words::Acked { .. }
            | Words::Filled(_)
            | Words::Done { .. }
            | Words::Rejected { .. }
            | Words::Unknown { .. }
            | Words::Balance { .. }
            | Words::Reconciled { .. }
            | Words::Connection { .. }) => Event::Answered(self.answer(answer)?),
        })
    }

    fn answer(self, words: Words<'_>) -> Result<Answer, LineError> {
        Ok(match words {
            Words::Acked { order, venue_order, venue_latency } => {
                Answer::Acked { id: ClientId(order), venue_order, venue_latency }
            }
            Words::Filled(filled) => Answer::Filled(self.filled(&filled)?),
            Words::Done { order, how, filled_units } => {
                let how = word("end", &how, Ended::of_name)?;
                Answer::Done { id: ClientId(order), how, filled: filled_units }
            }
            Words::Rejected { order, why, code } => {
                let why = word("reason", &why, Reject::of_name)?;
                Answer::Rejected { id: ClientId(order), why, code }
            }
            Words::Unknown { order } => Answer::Unknown { id: ClientId(order) },
            Words::Balance { venue, asset, total } => {
                Answer::Balance { venue: self.venue(&venue)?, asset, total }
            }
            Words::Reconciled { venue } => Answer::Reconciled { venue: self.venue(&venue)? },
            Words::Connection { venue, is_up } => {
                Answer::Connection { venue: self.venue(&venue)?, is_up }
            }
            Words::Funded { .. }
            | Words::Adopted { .. }
            | Words::Decided(_)
            | Words::Placed(_)
            | Words::Stage { .. }
            | Words::Settled(_)
            | Words::Halted { .. }
            | Words::Resumed
            | Words::Capturable { .. }
            | Words::Markout { .. } => {
                return Err(LineError::Malformed("not an answer".to_owned()));
            }
        })
    }

    fn decided(self, words: &DecidedWords<'_>) -> Result<Decided, LineError> {
        let instrument = self.instrument(&words.instrument)?;
        Ok(Decided {
            deal: words.deal,
            opportunity: words.opportunity,
            instrument,
            buy_venue: self.venue(&words.buy_venue)?,
            sell_venue: self.venue(&words.sell_venue)?,
            buy_px: self.px(instrument, &words.buy_px)?,
            sell_px: self.px(instrument, &words.sell_px)?,
            sz: self.sz(instrument, &words.sz)?,
            net: fraction("net", &words.net)?,
            age: words.age,
        })
    }

    fn placed(self, words: &PlacedWords<'_>) -> Result<Order, LineError> {
        let instrument = self.instrument(&words.instrument)?;
        Ok(Order {
            id: ClientId(words.order),
            deal: words.deal,
            purpose: words.purpose,
            instrument,
            venue: self.venue(&words.venue)?,
            side: words.side,
            px: self.px(instrument, &words.px)?,
            sz: self.sz(instrument, &words.sz)?,
            ts: words.decided_at,
        })
    }

    /// Reads a fill. The asset of its fee may be one that nothing else is traded in: the desk halts at
    /// it, as it did when it was heard.
    fn filled(self, words: &FilledWords<'_>) -> Result<Fill, LineError> {
        let instrument = self.instrument(&words.instrument)?;
        Ok(Fill {
            order: words.order.map(ClientId),
            trade: words.trade,
            instrument,
            venue: self.venue(&words.venue)?,
            side: words.side,
            px: self.px(instrument, &words.px)?,
            sz: self.sz(instrument, &words.sz)?,
            fee: words.fee,
            fee_asset: words.fee_asset,
            ts: words.traded_at,
        })
    }

    fn venue(self, name: &str) -> Result<VenueId, LineError> {
        self.catalogue.venue_named(name).ok_or_else(|| LineError::Venue(name.to_owned()))
    }

    fn instrument(self, name: &str) -> Result<InstrumentId, LineError> {
        let found = self.catalogue.instrument_named(name);
        found.ok_or_else(|| LineError::Instrument(name.to_owned()))
    }

    fn asset(self, name: AssetName) -> Result<AssetName, LineError> {
        let found = self.assets.find(name).map(|_| name);
        found.ok_or_else(|| LineError::Asset(name.as_str().to_owned()))
    }

    fn px(self, instrument: InstrumentId, text: &str) -> Result<i64, LineError> {
        self.mantissa(instrument, text, self.catalogue.instrument(instrument).price_scale)
    }

    fn sz(self, instrument: InstrumentId, text: &str) -> Result<i64, LineError> {
        self.mantissa(instrument, text, self.catalogue.instrument(instrument).size_scale)
    }

    fn mantissa(self, of: InstrumentId, text: &str, scale: u8) -> Result<i64, LineError> {
        decimal::parse(text.as_bytes(), scale).map_err(|error: DecimalError| LineError::Number {
            text: text.to_owned(),
            of: self.catalogue.instrument(of).name.clone(),
            why: error.to_string(),
        })
    }
}

fn settled(words: &SettledWords<'_>) -> Result<Settled, LineError> {
    let SettledWords { deal, failed, profit, fees, sz_units, residual_units, .. } = *words;
    let outcome = word("outcome", &words.outcome, Outcome::of_name)?;
    Ok(Settled { deal, outcome, failed, profit, fees, sz: sz_units, residual: residual_units })
}

fn word<T>(
    what: &'static str,
    word: &str,
    of_name: impl Fn(&str) -> Option<T>,
) -> Result<T, LineError> {
    of_name(word).ok_or_else(|| LineError::Word { what, word: word.to_owned() })
}

fn fraction(of: &str, text: &str) -> Result<f64, LineError> {
    text.parse().map_err(|error: std::num::ParseFloatError| LineError::Number {
        text: text.to_owned(),
        of: of.to_owned(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spreadwire_market::instrument::{Instrument, VenueInfo};

    fn catalogue() -> Catalogue {
        let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: 0.0, max_age: 1 };
        let instrument = |name: &str, scales: (u8, u8)| Instrument {
            name: name.into(),
            price_scale: scales.0,
            size_scale: scales.1,
        };
        Catalogue {
            instruments: vec![instrument("A/B", (2, 3)), instrument("牛来/USDT", (8, 0))],
            venues: vec![venue("x"), venue("y-usdm")],
            listings: Vec::new(),
        }
    }

    fn asset(text: &str) -> AssetName {
        AssetName::new(text).unwrap()
    }

    fn assets() -> Assets {
        let mut assets = Assets::default();
        for name in ["A", "B", "牛来", "USDT"] {
            assets.intern(asset(name));
        }
        assets
    }

    fn answers(seed: i64, amount: Amount, side: Side) -> [Answer; 8] {
        let (instrument, venue, unsigned) = (InstrumentId(1), VenueId(1), seed.unsigned_abs());
        let fill = Fill {
            order: (seed % 3 == 0).then_some(ClientId(unsigned)),
            trade: VenueText::new("t-1\"").unwrap(),
            instrument,
            venue,
            side,
            px: 5,
            sz: 6,
            fee: -amount,
            fee_asset: asset("BNB"),
            ts: 9,
        };
        let id = ClientId(unsigned);
        [
            Answer::Acked { id, venue_order: VenueText::of_number(4), venue_latency: 0 },
            Answer::Filled(fill),
            Answer::Done { id, how: Ended::NeverThere, filled: seed },
            Answer::Rejected { id, why: Reject::RateLimit, code: -1003 },
            Answer::Unknown { id },
            Answer::Balance { venue, asset: asset("C"), total: amount },
            Answer::Reconciled { venue },
            Answer::Connection { venue, is_up: seed % 2 == 0 },
        ]
    }

    /// One of each event, with the extremes of its numbers.
    fn events(seed: i64, net: f64) -> Vec<Event> {
        let (instrument, venue) = (InstrumentId(1), VenueId(1));
        let amount = Amount::of_units(i128::from(seed) * 1_000_000_007);
        let (unsigned, side) =
            (seed.unsigned_abs(), if seed % 2 == 0 { Side::Buy } else { Side::Sell });
        let order = Order {
            id: ClientId(u64::MAX - unsigned),
            deal: unsigned,
            purpose: Purpose::Hedge,
            instrument,
            venue,
            side,
            px: seed,
            sz: i64::MAX,
            ts: u64::MAX,
        };
        let decided = Decided {
            deal: unsigned,
            opportunity: 2,
            instrument: InstrumentId(0),
            buy_venue: VenueId(0),
            sell_venue: venue,
            buy_px: i64::MAX,
            sell_px: seed,
            sz: 7,
            net,
            age: 3,
        };
        let settled = Settled {
            deal: 1,
            outcome: Outcome::Kept,
            failed: true,
            profit: amount,
            fees: -amount,
            sz: seed,
            residual: -7,
        };
        let mut events = vec![
            Event::Funded { venue, asset: asset("牛来"), amount },
            Event::Adopted { venue: VenueId(0), asset: asset("B"), amount },
            Event::Decided(decided),
            Event::Placed(order),
            Event::Settled(settled),
            Event::Resumed,
            Event::Capturable(Capturable { opportunity: 1, after: 0, displayed: seed, sz: None }),
            Event::Capturable(Capturable {
                opportunity: 1,
                after: 5,
                displayed: 1,
                sz: Some(seed),
            }),
            Event::Markout(Markout { order: 1, after: 5, gain: None }),
            Event::Markout(Markout { order: 1, after: 5, gain: Some(net) }),
        ];
        events.extend(answers(seed, amount, side).map(Event::Answered));
        events.extend(Halt::ALL.map(Event::Halted));
        events.extend(Stage::ALL.map(|stage| Event::Stage { deal: unsigned, stage }));
        events
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seed in any::<i64>(), net in proptest::num::f64::NORMAL, ts in any::<u64>()) {
            prop_assume!(seed != i64::MIN);
            let (catalogue, assets) = (catalogue(), assets());
            let names = Names { catalogue: &catalogue, assets: &assets };
            for event in events(seed, net) {
                let entry = Entry { ts, event };
                for mode in Mode::ALL {
                    let line = write(&entry, mode, &catalogue);
                    prop_assert!(line.starts_with(&format!("{{\"mode\":\"{}\",", mode.name())), "{}", line);
                    prop_assert!(!line.contains('\n'));
                    prop_assert_eq!(read(&line, names), Ok((mode, entry)), "{}", line);
                }
            }
        }
    }

    #[test]
    fn a_line_is_for_people() {
        let catalogue = catalogue();
        let order = Order {
            id: ClientId(7),
            deal: 3,
            purpose: Purpose::Entry,
            instrument: InstrumentId(0),
            venue: VenueId(1),
            side: Side::Buy,
            px: 10_050,
            sz: 1_500,
            ts: 8,
        };
        let line = write(&Entry { ts: 9, event: Event::Placed(order) }, Mode::Live, &catalogue);
        let expected = r#"{"mode":"LIVE","ts":9,"event":"placed","order":7,"deal":3,"purpose":"entry","instrument":"A/B","venue":"y-usdm","side":"buy","px":"100.5","sz":"1.5","decided_at":8}"#;
        assert_eq!(line, expected);
    }

    #[test]
    fn what_a_configuration_lacks_is_named() {
        let (catalogue, assets) = (catalogue(), assets());
        let names = Names { catalogue: &catalogue, assets: &assets };
        let order = Order {
            id: ClientId(7),
            deal: 3,
            purpose: Purpose::Entry,
            instrument: InstrumentId(0),
            venue: VenueId(1),
            side: Side::Buy,
            px: 10_050,
            sz: 1_500,
            ts: 8,
        };
        let placed = write(&Entry { ts: 9, event: Event::Placed(order) }, Mode::Paper, &catalogue);
        let funded = Event::Funded { venue: VenueId(0), asset: asset("B"), amount: Amount::ZERO };
        let funded = write(&Entry { ts: 9, event: funded }, Mode::Paper, &catalogue);
        let halted = r#"{"mode":"PAPER","ts":1,"event":"halted","why":"killed"}"#.to_owned();
        for (line, from, to, told) in [
            (&placed, "y-usdm", "okx", "the venue \"okx\" is not configured"),
            (&placed, "A/B", "A/C", "the instrument \"A/C\" is not configured"),
            (&funded, "\"B\"", "\"EUR\"", "the asset \"EUR\" is not traded"),
            (&placed, "100.5", "100.555", "\"100.555\" is not a number of A/B: more decimals"),
            (&placed, "PAPER", "REAL", "the mode \"REAL\" is not known"),
            (&halted, "killed", "bored", "the halt \"bored\" is not known"),
            (&placed, "\"side\":\"buy\",", "", "missing field `side`"),
            (&placed, "placed", "plaited", "unknown variant `plaited`"),
            (&placed, "{", "", "not an entry"),
        ] {
            let changed = line.replacen(from, to, 1);
            assert_ne!(&changed, line);
            let error = read(&changed, names).unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
