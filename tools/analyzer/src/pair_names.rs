//! How people name pairs on the command line: `BTC/USDT:okx:binance`, a number, or `all`.

/// What was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Every pair.
    All,
    /// The pair of this number, from 1.
    Number(usize),
    /// Instrument, venue to buy on, venue to sell on.
    Pair(String, String, String),
}

/// Parses a name. An instrument may contain colons, a venue none.
///
/// # Errors
/// What would be right, in words.
pub fn parse(text: &str) -> Result<Named, String> {
    if text == "all" {
        return Ok(Named::All);
    }
    if let Ok(number) = text.parse() {
        return match number {
            0 => Err("numbers begin at 1".to_owned()),
            number => Ok(Named::Number(number)),
        };
    }
    let mut parts = text.rsplitn(3, ':').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(sell), Some(buy), Some(instrument))
            if ![&sell, &buy, &instrument].iter().any(|part| part.is_empty()) =>
        {
            Ok(Named::Pair(instrument, buy, sell))
        }
        _ => Err("write INSTRUMENT:BUY:SELL, as BTC/USDT:okx:binance; a number; or all".to_owned()),
    }
}

/// Returns the places of what was named among pairs with these keys, in the order of the names and
/// each once, or everything that was named and is not there, with `missing` saying more of a pair. `groups` has
/// the places of the pairs that belong together, by number from 1; naming one of them names all.
///
/// # Errors
/// A line for each name without a pair.
pub fn places<'a>(
    named: &[Named],
    keys: &[(&'a str, &'a str, &'a str)],
    groups: &[Vec<usize>],
    missing: impl Fn((&str, &str, &str)) -> String,
) -> Result<Vec<usize>, Vec<String>> {
    let (mut places, mut unknown) = (Vec::new(), Vec::new());
    for named in named {
        match named {
            Named::All => places.extend(0..keys.len()),
            Named::Number(number) => match groups.get(number - 1) {
                Some(group) => places.extend(group),
                None if groups.is_empty() => {
                    unknown.push(format!("there is no pair {number}: there is none at all"));
                }
                None => {
                    let last = groups.len();
                    unknown.push(format!("there is no pair {number}: the last one is {last}"));
                }
            },
            Named::Pair(instrument, buy, sell) => {
                let key = (instrument.as_str(), buy.as_str(), sell.as_str());
                let place = keys.iter().position(|of| *of == key);
                let group = place.and_then(|at| groups.iter().find(|of| of.contains(&at)));
                match group {
                    Some(group) => places.extend(group),
                    None => unknown.push(missing(key)),
                }
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|place| seen.insert(*place));
    if unknown.is_empty() { Ok(places) } else { Err(unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_their_end() {
        let pair = |instrument: &str| Named::Pair(instrument.into(), "okx".into(), "kraken".into());
        assert_eq!(parse("BTC/USDT:okx:kraken"), Ok(pair("BTC/USDT")));
        assert_eq!(parse("BTC/USDT:SPOT-PERP:okx:kraken"), Ok(pair("BTC/USDT:SPOT-PERP")));
        assert_eq!((parse("all"), parse("7")), (Ok(Named::All), Ok(Named::Number(7))));
        for wrong in ["", "0", "-1", "BTC/USDT", "BTC/USDT:okx", ":okx:kraken", "BTC/USDT::kraken"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_pair_is_taken_once_and_all_that_is_missing_is_told() {
        let keys = [("A", "x", "y"), ("B", "x", "y"), ("C", "x", "y")];
        let named =
            |texts: &[&str]| texts.iter().map(|text| parse(text).unwrap()).collect::<Vec<_>>();
        let missing = |key: (&str, &str, &str)| format!("no {}", key.0);
        let alone = [vec![0], vec![1], vec![2]];
        let found = |texts: &[&str]| places(&named(texts), &keys, &alone, missing);
        assert_eq!(found(&["C:x:y", "1", "C:x:y"]), Ok(vec![2, 0]));
        assert_eq!(found(&["2", "all"]), Ok(vec![1, 0, 2]));
        let unknown = found(&["1", "4", "D:x:y", "A:y:x"]).unwrap_err();
        assert_eq!(unknown, ["there is no pair 4: the last one is 3", "no D", "no A"]);
        // What belongs together has one number, and comes together.
        let together = [vec![0, 2], vec![1]];
        let found = |texts: &[&str]| places(&named(texts), &keys, &together, missing);
        assert_eq!(found(&["C:x:y"]), Ok(vec![0, 2]));
        assert_eq!(found(&["2", "1"]), Ok(vec![1, 0, 2]));
        assert_eq!(found(&["3"]).unwrap_err(), ["there is no pair 3: the last one is 2"]);
        let none = places(&named(&["1"]), &[], &[], missing).unwrap_err();
        assert_eq!(none, ["there is no pair 1: there is none at all"]);
    }
}
