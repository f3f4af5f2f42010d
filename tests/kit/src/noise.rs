//! Pseudo-random input for tests that run the bodies of fuzz targets.

/// Returns bytes that look random and are the same in every run (SplitMix64).
#[must_use]
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let word = |at: u64| {
        let mut z = (seed << 32 | at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()
    };
    (0..count as u64).map(|at| word(at)[0]).collect()
}
