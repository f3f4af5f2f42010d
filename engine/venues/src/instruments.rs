//! What a venue publishes about its instruments: symbol, status, tick and lot.
//!
//! An [`InstrumentList`] says where a venue's public REST API has them and how the answer is read. The
//! reader turns bytes into [`Listed`] rows and uses no socket: whoever asks the venue hands in what it
//! answered. An answer of another shape than the venue documents is refused as a whole, with the
//! place. A row of another shape is left out and told, unless there is no other. A tick or lot that
//! makes no sense is kept as a fault of its row, because it concerns only whoever uses that
//! instrument.

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use spreadwire_market::decimal::{self, DecimalError, SCALE_MAX};
use std::marker::PhantomData;

/// Most rows of a list that are kept although they cannot be read.
const ODD_MAX: usize = 1_000;

/// Where a venue publishes its instruments.
#[derive(Clone, Copy, Debug)]
pub struct InstrumentList {
    /// Base address without a path, overridable in the configuration: `https://api.binance.com`.
    pub url: &'static str,
    /// Path and query of the first page.
    pub path: &'static str,
    /// JSON that is posted to it, where the venue wants that; otherwise the request is a GET.
    pub post: Option<&'static str>,
    /// Reads one page.
    pub read: fn(&[u8]) -> Result<Page, ListError>,
}

/// One page of a venue's instruments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The instruments of the venue's market on this page, in the order sent.
    pub listed: Vec<Listed>,
    /// Rows that are not as the venue documents them, in the order sent; of very many, the first.
    pub odd: Vec<OddRow>,
    /// What is appended to the path to ask for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// A row that is not as the venue documents it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddRow {
    /// Its symbol, if that much can be read.
    pub symbol: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// The rows of a list.
#[derive(Debug)]
pub struct Rows<T> {
    rows: Vec<T>,
    odd: Vec<OddRow>,
}

impl<T: DeserializeOwned> Rows<T> {
    fn add(&mut self, row: Value) {
        let symbol =
            ["contract_code", "symbol", "instId", "instrument_name", "wsname", "id", "name"]
                .into_iter()
                .find_map(|key| row.get(key)?.as_str());
        let symbol = symbol.map(str::to_owned);
        match serde_json::from_value(row) {
            Ok(row) => self.rows.push(row),
            Err(_) if ODD_MAX <= self.odd.len() => {}
            Err(error) => self.odd.push(OddRow { symbol, reason: error.to_string() }),
        }
    }
}

impl<T> Rows<T> {
    /// Returns the page of these rows. `listed` returns `None` for what is of no concern.
    ///
    /// # Errors
    /// [`ListError::Unexpected`] if there are rows and none can be read.
    pub fn page(
        self,
        listed: impl Fn(T) -> Option<Listed>,
        next: Option<String>,
    ) -> Result<Page, ListError> {
        match self.odd.first() {
            Some(first) if self.rows.is_empty() => Err(ListError::Unexpected(first.reason.clone())),
            _ => Ok(Page {
                listed: self.rows.into_iter().filter_map(listed).collect(),
                odd: self.odd,
                next,
            }),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rows<T>, D::Error> {
        // Some venues send an object with a row for each name.
        deserializer.deserialize_any(RowsVisitor(PhantomData))
    }
}

struct RowsVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for RowsVisitor<T> {
    type Value = Rows<T>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows<T>, A::Error> {
        let mut all = Rows { rows: Vec::new(), odd: Vec::new() };
        while let Some(row) = list.next_element::<Value>()? {
            all.add(row);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut list: A) -> Result<Rows<T>, A::Error> {
        let mut all = Rows { rows: Vec::new(), odd: Vec::new() };
        while let Some((IgnoredAny, row)) = list.next_entry::<IgnoredAny, Value>()? {
            all.add(row);
        }
        Ok(all)
    }
}

/// One instrument as a venue publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The venue's spelling, as subscriptions and quotes have it.
    pub symbol: String,
    /// The asset that is bought and sold: `BTC`.
    pub base: String,
    /// The currency that it is paid with: `USDT`.
    pub quote: String,
    /// Why it does not trade, in the venue's word; `None` while it trades.
    pub halted: Option<String>,
    /// Step of prices.
    pub tick: Result<Step, StepFault>,
    /// Step of sizes, in base units.
    pub lot: Result<Step, StepFault>,
    /// Base units of one contract, where sizes count contracts.
    pub contract: Option<Result<Step, StepFault>>,
    /// A tick that the venue has announced and that does not hold yet.
    pub next_tick: Option<Step>,
}

/// A positive step of prices or sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its shortest text without an exponent: `0.001`.
    pub text: String,
    /// Number of decimals that every multiple of it can be written with.
    pub decimals: u8,
}

/// Why a tick or lot is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// The venue does not state it.
    #[error("is missing")]
    Missing,
    /// It is zero or negative.
    #[error("is {0}, which is no step")]
    NotPositive(String),
    /// It is no decimal number.
    #[error("is {0:?}, which is no number")]
    NotANumber(String),
    /// It is too fine or too large for our numbers.
    #[error("is {0}, which has more than {SCALE_MAX} decimals or is too large")]
    OutOfRange(String),
}

impl Step {
    /// Reads a step; `None` stands for one that the venue does not state.
    ///
    /// # Errors
    /// [`StepFault`] if it is not a positive decimal that our numbers can hold.
    pub fn parse(text: Option<&str>) -> Result<Step, StepFault> {
        let text = text.filter(|text| !text.is_empty()).ok_or(StepFault::Missing)?;
        let owned = || text.to_owned();
        for decimals in 0..=SCALE_MAX {
            match decimal::parse(text.as_bytes(), decimals) {
                Ok(mantissa) if mantissa <= 0 => return Err(StepFault::NotPositive(owned())),
                Ok(mantissa) => {
                    return Ok(Step { text: decimal::to_text(mantissa, decimals), decimals });
                }
                Err(DecimalError::TooPrecise) => {}
                Err(DecimalError::Malformed) => return Err(StepFault::NotANumber(owned())),
                Err(DecimalError::TooLarge) => break,
            }
        }
        Err(StepFault::OutOfRange(owned()))
    }
}

/// Returns the product of two steps: a lot in contracts and the size of a contract.
///
/// # Errors
/// The fault of either, or [`StepFault::OutOfRange`] if our numbers cannot hold the product.
pub fn product(
    one: &Result<Step, StepFault>,
    other: &Result<Step, StepFault>,
) -> Result<Step, StepFault> {
    let (one, other) = (one.clone()?, other.clone()?);
    let beyond = || StepFault::OutOfRange(format!("{} x {}", one.text, other.text));
    let mantissa = |step: &Step| decimal::parse(step.text.as_bytes(), step.decimals).ok();
    let units = mantissa(&one).and_then(|a| a.checked_mul(mantissa(&other)?));
    let decimals = one.decimals + other.decimals;
    if SCALE_MAX < decimals {
        return Err(beyond());
    }
    Step::parse(Some(&decimal::to_text(units.ok_or_else(beyond)?, decimals)))
}

/// Returns the step of numbers with so many decimals: 0.01 for 2.
///
/// # Errors
/// [`StepFault`] if it is not stated or no such number.
pub fn step_of_decimals(field: Option<&Text>) -> Result<Step, StepFault> {
    let text = field.map(|text| text.0.as_str()).filter(|text| !text.is_empty());
    let text = text.ok_or(StepFault::Missing)?;
    let decimals: u8 = text.parse().map_err(|_| StepFault::NotANumber(text.to_owned()))?;
    if SCALE_MAX < decimals {
        return Err(StepFault::OutOfRange(format!("10^-{decimals}")));
    }
    Step::parse(Some(&decimal::to_text(1, decimals)))
}

/// A venue's answer that is no list of instruments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not JSON, is truncated, or has another shape than the venue documents.
    #[error("the answer is not the documented JSON: {0}")]
    Unexpected(String),
    /// The venue says that it will not answer.
    #[error("the venue refuses: {code} {message}")]
    Refused {
        /// The venue's code.
        code: String,
        /// The venue's words.
        message: String,
    },
}

/// Parses an answer into the fields of `T`; others are ignored.
///
/// # Errors
/// [`ListError::Unexpected`] with the place of the first difference.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ListError> {
    // A byte order mark says nothing, and JSON does not have it.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| ListError::Unexpected(error.to_string()))
}

/// Returns the `data` of an answer that has it beside a `code`, which is `success` if the venue does answer, and
/// words in `msg`.
///
/// # Errors
/// [`ListError::Refused`] with any other code, and [`ListError::Unexpected`] as [`parse`] and without `data`.
pub fn data_of<T: DeserializeOwned>(body: &[u8], success: &str) -> Result<T, ListError> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Answer<T> {
        code: Text,
        #[serde(default)]
        msg: String,
        data: Option<T>,
    }
    let Answer { code: Text(code), msg: message, data } = parse(body)?;
    if code != success {
        return Err(ListError::Refused { code, message });
    }
    data.ok_or_else(|| ListError::Unexpected("there is no `data`".to_owned()))
}

/// A code or number that venues send as a string or as a JSON number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Sent {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(Text(match Sent::deserialize(deserializer)? {
            Sent::Text(text) => text,
            Sent::Number(number) => number.to_string(),
        }))
    }
}

/// Returns the step that a field states.
///
/// # Errors
/// As [`Step::parse`].
pub fn step(field: Option<&Text>) -> Result<Step, StepFault> {
    Step::parse(field.map(|text| text.0.as_str()))
}

/// Returns the venue's word for a status if it is not the one that means trading.
#[must_use]
pub fn halted(status: String, trading: &str) -> Option<String> {
    (status != trading).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_as_many_decimals_as_its_multiples_need() {
        for (text, expected) in [
            ("0.01", Ok(("0.01", 2))),
            ("0.00000100", Ok(("0.000001", 6))),
            ("1e-8", Ok(("0.00000001", 8))),
            ("5E-3", Ok(("0.005", 3))),
            ("0.25", Ok(("0.25", 2))),
            ("1", Ok(("1", 0))),
            ("1.00000000", Ok(("1", 0))),
            ("1000", Ok(("1000", 0))),
            ("0", Err(StepFault::NotPositive("0".to_owned()))),
            ("0.00000000", Err(StepFault::NotPositive("0.00000000".to_owned()))),
            ("-0.1", Err(StepFault::NotPositive("-0.1".to_owned()))),
            ("", Err(StepFault::Missing)),
            ("1e-19", Err(StepFault::OutOfRange("1e-19".to_owned()))),
            ("1e-900", Err(StepFault::OutOfRange("1e-900".to_owned()))),
            ("99999999999999999999", Err(StepFault::OutOfRange("99999999999999999999".to_owned()))),
            ("NaN", Err(StepFault::NotANumber("NaN".to_owned()))),
            (".1", Err(StepFault::NotANumber(".1".to_owned()))),
        ] {
            let got = Step::parse(Some(text)).map(|step| (step.text, step.decimals));
            let expected = expected.map(|(text, decimals): (&str, u8)| (text.to_owned(), decimals));
            assert_eq!(got, expected, "{text:?}");
        }
        assert_eq!(Step::parse(None), Err(StepFault::Missing));
    }

    #[test]
    fn a_lot_of_contracts_is_a_lot_of_base_units() {
        let step = |text: &str| Step::parse(Some(text));
        for (one, other, expected) in [
            ("1", "0.0001", Some(("0.0001", 4))),
            ("0.1", "0.01", Some(("0.001", 3))),
            ("10", "0.05", Some(("0.5", 1))),
            ("5", "100", Some(("500", 0))),
            ("0.000000001", "0.0000000001", None),
            ("4000000000", "4000000000", None),
        ] {
            let got = product(&step(one), &step(other)).ok().map(|it| (it.text, it.decimals));
            let expected = expected.map(|(text, decimals)| (text.to_owned(), decimals));
            assert_eq!(got, expected, "{one} x {other}");
        }
        assert_eq!(product(&step("1"), &step("0")), Err(StepFault::NotPositive("0".to_owned())));
        let of = |text: &str| step_of_decimals(Some(&Text(text.to_owned()))).map(|it| it.text);
        assert_eq!(of("2"), Ok("0.01".to_owned()));
        assert_eq!(of("0"), Ok("1".to_owned()));
        assert_eq!(of(""), Err(StepFault::Missing));
        assert_eq!(of("-1"), Err(StepFault::NotANumber("-1".to_owned())));
        assert_eq!(of("19"), Err(StepFault::OutOfRange("10^-19".to_owned())));
    }

    #[test]
    fn numbers_may_be_sent_without_quotes() {
        let texts: Vec<Text> = parse(br#"["0.01",0.01,1e-8,7]"#).unwrap();
        let steps: Vec<String> = texts.iter().map(|it| step(Some(it)).unwrap().text).collect();
        assert_eq!(steps, ["0.01", "0.01", "0.00000001", "7"]);
        assert!(parse::<Text>(b"null").is_err() && parse::<Text>(b"{}").is_err());
    }
}
