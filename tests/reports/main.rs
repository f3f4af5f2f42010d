//! What venues have done to the programs that listen to them, and what is right then.
//!
//! Each row names a public report, or a kind of fault that was found here, and replays it: the frames
//! of the venue in its own words, and what the engine must say, ask and do. Rows run in virtual time
//! ([`rig`]): from a line's frames to opportunities and to the snapshot of a client that comes later.
//! Nothing in them waits, and no socket is opened. Whole engines run in `lines`, against the simulator.

#![allow(clippy::print_stdout, reason = "a test tells what it did")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod connecting;
mod endings;
mod far_venue;
mod frames;
mod kinds;
mod lines;
mod numbers;
mod property;
mod refusals;
mod rig;
mod row;
mod sequences;
mod silence;
mod times;
mod two_lines;
