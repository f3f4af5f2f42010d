//! A journal from its ring to the lake, on one thread.

pub mod records;
pub mod rig;
pub mod rows;
