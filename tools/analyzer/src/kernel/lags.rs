//! The distances in time over which a sampled series is compared with itself.

/// Multiples of the sampling interval at which transitions are summed.
pub const MULTIPLES: [u16; 7] = [1, 2, 5, 10, 30, 60, 300];

/// Window lengths of the variance ratio in samples; each is twice the one before.
pub const WINDOWS: [u32; 6] = [2, 4, 8, 16, 32, 64];

/// With fewer transitions there is no half-life.
pub const LEAST_TRANSITIONS: u64 = 30;
