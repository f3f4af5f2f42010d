//! The reasons why a row of a file cannot be a quote.

/// Reason why a row cannot become a quote of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The number of fields differs from the number of columns, or the text is not UTF-8.
    Fields,
    /// A time is not one between 2000 and 2100, or the receive time is absent.
    Time,
    /// A venue or symbol cannot be the name of a folder.
    Name,
    /// The row has neither bid nor ask.
    NoPrice,
    /// A size has no price.
    SizeAlone,
    /// A price, size or sequence is not a decimal number.
    NotANumber,
    /// A price is not above zero, or a size is below zero.
    Negative,
    /// A number has more decimals than the instrument's scale.
    TooPrecise,
    /// A number has too many digits for the instrument's scale.
    TooLarge,
}

impl Refusal {
    /// Returns the name under which it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Fields => "fields",
            Refusal::Time => "time",
            Refusal::Name => "name",
            Refusal::NoPrice => "no_price",
            Refusal::SizeAlone => "size_alone",
            Refusal::NotANumber => "not_a_number",
            Refusal::Negative => "negative",
            Refusal::TooPrecise => "too_precise",
            Refusal::TooLarge => "too_large",
        }
    }

    /// Returns the description for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Fields => "not as many fields as the first line has, or not UTF-8",
            Refusal::Time => {
                "no receive time, or a time that is not between 2000 and 2100 in the column's unit"
            }
            Refusal::Name => {
                "a venue or symbol that cannot name a folder: use --map or --instrument"
            }
            Refusal::NoPrice => "neither bid nor ask",
            Refusal::SizeAlone => "a size without a price",
            Refusal::NotANumber => "a price, size or sequence that is not a decimal number",
            Refusal::Negative => "a price that is not above 0, or a size below 0",
            Refusal::TooPrecise => "more decimals than --price-decimals or --size-decimals allow",
            Refusal::TooLarge => {
                "more than 18 digits: give fewer --price-decimals or --size-decimals"
            }
        }
    }
}
