//! Sequence numbers of the simulated venues: where a symbol starts, and the step to the next number.

/// A number spread evenly over `0..span`, from a symbol: first sequences differ by symbol.
pub(crate) fn scattered(symbol: &str, span: u64) -> u64 {
    let hash = symbol.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 11) % span
}

/// An increasing sequence with irregular gaps, the same for the same start.
pub(crate) fn with_gaps(last: u64) -> u64 {
    let mixed = last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
    last + 1 + mixed
}
