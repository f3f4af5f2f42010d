//! What a decision is made from: the deals of every strategy that was tried with a pair, and the
//! time that was observed.

/// One deal of a strategy: a position from its opening to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deal {
    /// When it was opened, in ns since 1970.
    pub opened: i64,
    /// When it was closed, or marked at the end of its UTC day, in ns since 1970.
    pub closed: i64,
    /// What it earned after all fees, in quote currency.
    pub profit: f64,
    /// What it would have earned had it been closed as soon as it was opened, in quote currency:
    /// the cost of unwinding, below 0.
    pub at_once: f64,
    /// The least that it would have earned had it been closed at any time, in quote currency: at
    /// most `at_once` and `profit`.
    pub worst: f64,
}

/// One pair of venues.
#[derive(Clone, Debug)]
pub struct Tried<'a> {
    /// The deals of every strategy of the grid, in any order. Deals of one strategy may overlap.
    pub strategies: Vec<&'a [Deal]>,
    /// Hours since 1970 in which the pair was live, with the live time in s, in order.
    pub live: &'a [(i64, f64)],
    /// All hours of the period that were recorded, with the recorded time in s, in order. They are
    /// those of the lake, not of the pair: the denominator of all rates.
    pub recorded: &'a [(i64, f64)],
}
