//! Amounts and rates of one pair in words. A rate says what it is of if less than a day was recorded.

use super::super::exposure;
use super::numbers;
use crate::report::Report;

/// How the amounts and rates of one pair are told.
pub(super) struct Rate {
    currency: String,
    recorded_hours: f64,
    from: Option<String>,
}

impl Rate {
    pub(super) fn new(report: &Report, instrument: &str) -> Rate {
        // `BTC/USDT` is in USDT, and so is a future that goes on behind a colon.
        let quote = instrument.split('/').nth(1).and_then(|quote| quote.split(':').next());
        let quote = quote.filter(|quote| !quote.is_empty()).unwrap_or("quote currency");
        Rate {
            currency: numbers::shorten(&numbers::name(quote), 16),
            recorded_hours: report.recorded_hours,
            from: exposure::from(report),
        }
    }

    /// Returns an amount with its currency.
    pub(super) fn amount(&self, amount: f64) -> String {
        format!("{} {}", numbers::figure(amount), self.currency)
    }

    /// Returns a rate, with what it is of if that is less than a day.
    pub(super) fn per_day(&self, rate: f64) -> String {
        format!("{} a day{}", self.amount(rate), self.exposure())
    }

    /// Returns a rate and its interval, with what they are of if that is less than a day.
    pub(super) fn interval(&self, low: f64, mean: f64, high: f64) -> String {
        let [low, mean, high] = [low, mean, high].map(numbers::figure);
        let currency = &self.currency;
        format!("{low} – {mean} – {high} {currency} a day{}", self.exposure())
    }

    fn exposure(&self) -> String {
        self.from.as_ref().map(|from| format!(", {from}")).unwrap_or_default()
    }

    /// Returns what is drawn of a rate: of less than a day, what was left in the recorded time.
    pub(super) fn drawn(&self, rate: f64) -> f64 {
        match self.from {
            Some(_) => rate * self.recorded_hours / exposure::DAY,
            None => rate,
        }
    }

    /// Returns the name of what is drawn.
    pub(super) fn axis(&self) -> String {
        format!("profit ({} {})", self.currency, self.time())
    }

    /// Returns the time of what is drawn.
    pub(super) fn time(&self) -> String {
        match self.from {
            Some(_) => format!("in {:.1} h recorded", self.recorded_hours),
            None => "a day".to_owned(),
        }
    }

    pub(super) fn currency(&self) -> &str {
        &self.currency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_day_is_told_and_not_scaled_up() {
        let mut report = Report { recorded_hours: 48.0, ..Report::default() };
        let long = Rate::new(&report, "BTC/USDT:USDT");
        assert_eq!(long.per_day(12.0), "12.00 USDT a day");
        assert_eq!((long.drawn(12.0), long.axis()), (12.0, "profit (USDT a day)".to_owned()));
        report.recorded_hours = 6.0;
        let short = Rate::new(&report, "BTC/USDT");
        assert_eq!(
            short.interval(-1.0, 2.0, 3.0),
            "−1.00 – 2.00 – 3.00 USDT a day, from 6.0 h recorded"
        );
        let axis = "profit (USDT in 6.0 h recorded)".to_owned();
        assert_eq!((short.drawn(12.0), short.axis()), (3.0, axis));
        assert_eq!(Rate::new(&report, "BTC").amount(1.0), "1.00 quote currency");
    }
}
