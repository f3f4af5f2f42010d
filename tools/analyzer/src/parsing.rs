//! Parses a command line and tells all values that cannot be parsed, where clap tells the first.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;

/// Parses a command line. Options whose value cannot be parsed are left out, and told.
///
/// # Errors
/// Returns clap's error if something else is wrong, such as an unknown option.
pub fn parse<P: Parser>(mut line: Vec<OsString>) -> (Result<P, Error>, Vec<String>) {
    let mut told = Vec::new();
    loop {
        let error = match P::try_parse_from(&line) {
            Ok(parsed) => return (Ok(parsed), told),
            Err(error) => error,
        };
        let Some(bad) = Bad::of(&error) else { return (Err(error), told) };
        let Some(words) = bad.words(&line) else { return (Err(error), told) };
        told.push(bad.told);
        line.drain(words);
    }
}

/// An option with a value that cannot be parsed.
struct Bad {
    option: String,
    value: String,
    told: String,
}

impl Bad {
    fn of(error: &Error) -> Option<Bad> {
        let remedy = if error.kind() == ErrorKind::ValueValidation {
            let why = error.source().map(ToString::to_string);
            format!("{}; see --help", why.unwrap_or_else(|| "it cannot be read".to_owned()))
        } else if error.kind() != ErrorKind::InvalidValue {
            return None;
        } else if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
            format!("it is unknown; possible values: {}", values.join(", "))
        } else {
            "a value is missing; see --help".to_owned()
        };
        let text = |kind: ContextKind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let option = text(ContextKind::InvalidArg)?;
        let option = option.split_whitespace().next().unwrap_or(&option).to_owned();
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        let told = format!("{option}: {value:?}: {remedy}");
        Some(Bad { option, value, told })
    }

    /// Returns the words of a command line that are the option with its value.
    fn words(&self, line: &[OsString]) -> Option<std::ops::Range<usize>> {
        let joined = format!("{}=", self.option);
        line.iter().enumerate().find_map(|(at, word)| {
            let word = word.to_str()?;
            if let Some(value) = word.strip_prefix(&joined) {
                return value.contains(&self.value).then_some(at..at + 1);
            }
            if word != self.option {
                return None;
            }
            let value = line.get(at + 1).and_then(|next| next.to_str());
            match value.filter(|_| !self.value.is_empty()) {
                Some(value) if value.contains(&self.value) => Some(at..at + 2),
                Some(_) => None,
                None => Some(at..at + 1),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Arguments;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(line: &str) -> (Result<Line, Error>, Vec<String>) {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn every_value_that_cannot_be_parsed_is_told_and_the_rest_is_parsed() {
        let line = "analyzer lake --date 2024-13-01 --max-age=abc --metrics some --size 7 \
                    --thresholds 0,x --thresholds=5 --top=-1 --from";
        let (found, told) = parsed(line);
        // Nothing is left of what was wrong.
        assert_eq!(found.unwrap().arguments.size.to_bits(), 7.0_f64.to_bits());
        let options = ["--date", "--max-age", "--metrics", "--thresholds", "--top", "--from"];
        assert_eq!(told.len(), options.len(), "{told:#?}");
        for option in options {
            assert!(told.iter().any(|of| of.starts_with(&format!("{option}: "))), "{told:#?}");
        }
        assert!(told.iter().any(|of| of.contains("possible values: all, compatible")), "{told:#?}");
        let (found, _) = parsed("analyzer lake --max-age abc --nonsense");
        assert!(found.unwrap_err().to_string().contains("--nonsense"));
        assert_eq!(parsed("analyzer lake --size 3").1, [""; 0]);
    }
}
