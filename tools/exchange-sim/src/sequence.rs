//! Update ids of the simulated venues: where a symbol's ids start, and the step from one to the
//! next.

/// Returns a number in `0..span` that depends on the symbol, so that symbols start at different
/// ids.
pub(crate) fn scattered(symbol: &str, span: u64) -> u64 {
    let hash = symbol.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 11) % span
}

/// Returns the id after `last` in a sequence with irregular gaps. The same `last` always gives the
/// same id.
pub(crate) fn with_gaps(last: u64) -> u64 {
    let mixed = last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
    last + 1 + mixed
}
