//! Scripted changes of what a venue's list of instruments says.

use std::str::FromStr;

use crate::error::SimError;
use crate::rest::RestInstrument;

/// Number of symbols that are named where one is not known.
const SYMBOLS_TOLD: usize = 5;

/// One scripted change of a venue's list of instruments.
///
/// Its text form, as on the command line, is `<venue>:<symbol>:<change>`, for example
/// `okx:BTC-USDT:halted`. The changes are `halted`, `unlisted`, `renamed=SYMBOL`, `tick=STEP` and
/// `lot=STEP`. The quotes do not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Name of the venue.
    pub venue: String,
    /// The venue's symbol.
    pub symbol: String,
    /// What is other than the source has it.
    pub change: ListingChange,
}

/// What is changed in a venue's list of instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingChange {
    /// The venue says that the instrument does not trade.
    Halted,
    /// The list does not have the instrument.
    Unlisted,
    /// The list has the same base and quote under this symbol.
    Renamed(String),
    /// The step of prices, as the list writes it.
    Tick(String),
    /// The step of sizes, as the list writes it.
    Lot(String),
}

impl FromStr for Listing {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Listing, SimError> {
        let wrong = |why: &str| SimError::Listing { text: text.to_owned(), why: why.to_owned() };
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(symbol), Some(change)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong(
                "expected <venue>:<symbol>:<change>, for example okx:BTC-USDT:halted",
            ));
        };
        let change = change_of(change).ok_or_else(|| {
            wrong(
                "the change must be halted, unlisted, renamed=SYMBOL, tick=STEP or lot=STEP, where \
                 STEP is a number such as 0.01",
            )
        })?;
        Ok(Listing { venue: venue.to_owned(), symbol: symbol.to_owned(), change })
    }
}

fn change_of(text: &str) -> Option<ListingChange> {
    match text.split_once('=') {
        None if text == "halted" => Some(ListingChange::Halted),
        None if text == "unlisted" => Some(ListingChange::Unlisted),
        Some((_, "")) | None => None,
        Some(("renamed", symbol)) => Some(ListingChange::Renamed(symbol.to_owned())),
        Some(("tick", step)) => number(step).map(ListingChange::Tick),
        Some(("lot", step)) => number(step).map(ListingChange::Lot),
        Some(_) => None,
    }
}

/// Returns a step as it is written, if it is a number. One that no venue has is allowed, such as 0.
fn number(text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| text.to_owned())
}

/// Applies the scripted changes of one venue to its list.
///
/// # Errors
///
/// If the list does not have the symbol of a change.
pub(crate) fn change(list: &mut Vec<RestInstrument>, changes: &[&Listing]) -> Result<(), SimError> {
    for Listing { venue, symbol, change } in changes {
        let known: Vec<&str> = list.iter().map(|it| it.symbol.as_str()).collect();
        if !known.contains(&symbol.as_str()) {
            return Err(unknown_symbol("listing", venue, symbol, &known));
        }
        if *change == ListingChange::Unlisted {
            list.retain(|it| it.symbol != *symbol);
        }
        for it in list.iter_mut().filter(|it| it.symbol == *symbol) {
            match change {
                ListingChange::Halted => it.is_halted = true,
                ListingChange::Unlisted => {}
                ListingChange::Renamed(new) => it.symbol.clone_from(new),
                ListingChange::Tick(step) => it.tick.clone_from(step),
                ListingChange::Lot(step) => it.lot.clone_from(step),
            }
        }
    }
    Ok(())
}

/// Returns the error for a symbol that a venue does not have, with what would be right.
pub(crate) fn unknown_symbol(what: &str, venue: &str, symbol: &str, known: &[&str]) -> SimError {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase()
    };
    let first = &known[..known.len().min(SYMBOLS_TOLD)];
    let right = match known.iter().find(|known| plain(known) == plain(symbol)) {
        Some(near) => format!("did you mean {near}?"),
        None if first.is_empty() => "this source lists no instruments".to_owned(),
        None => format!("the source has, for example, {}", first.join(", ")),
    };
    SimError::Option(format!("{what} for {venue}: it has no symbol {symbol}; {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_the_list_are_parsed_and_applied() {
        let mut list = ["A", "B", "C", "D"]
            .map(|symbol| RestInstrument::of("BTC/USDT", symbol, (2, 0)))
            .to_vec();
        let changes: Vec<Listing> =
            ["okx:A:halted", "okx:B:unlisted", "okx:C:renamed=X", "okx:D:tick=1e-8", "okx:D:lot=0"]
                .map(|text| text.parse().expect("a change"))
                .to_vec();
        change(&mut list, &changes.iter().collect::<Vec<_>>()).expect("known symbols");
        let texts: Vec<String> = list
            .iter()
            .map(|it| format!("{} {} {} {}", it.symbol, it.is_halted, it.tick, it.lot))
            .collect();
        assert_eq!(texts, ["A true 0.01 1", "X false 0.01 1", "D false 1e-8 0"]);
        for bad in [
            "okx:A",
            "okx:A:gone",
            "okx:A:tick=",
            "okx:A:tick",
            "okx:A:tick=abc",
            "okx:A:lot=inf",
            "",
        ] {
            assert!(bad.parse::<Listing>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_symbol_that_the_list_does_not_have_is_refused_with_what_would_be_right() {
        let list = || vec![RestInstrument::of("BTC/USDT", "BTC-USDT", (2, 0))];
        for (text, told) in [
            ("okx:BTCUSDT:halted", "okx: it has no symbol BTCUSDT; did you mean BTC-USDT?"),
            ("okx:ETH-USDT:unlisted", "no symbol ETH-USDT; the source has, for example, BTC-USDT"),
        ] {
            let wrong = text.parse().expect("a change");
            let problem = change(&mut list(), &[&wrong]).expect_err(text).to_string();
            assert!(problem.contains(told), "{problem}");
        }
        let any = "okx:BTC-USDT:halted".parse().expect("a change");
        let problem = change(&mut Vec::new(), &[&any]).expect_err("an empty list").to_string();
        assert!(problem.ends_with("this source lists no instruments"), "{problem}");
    }
}
