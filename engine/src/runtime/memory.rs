//! Memory that is there before it is needed: locked into RAM, stacks touched, huge pages told.
//!
//! A page that is touched for the first time, or was swapped out, costs its thread a fault of a
//! microsecond to milliseconds. [`lock`] has the kernel bring in and keep every page of the process,
//! those mapped later too; [`touch_stack`] does it for a thread's stack where nothing is locked.
//! Huge pages are the allocator's to ask for (`docs/tuning.md` says how); [`huge_bytes`] says how
//! much came of it.

use procfs::ProcResult;
use procfs::process::Process;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use std::io;

/// Bytes of stack that an agent's calls may reach; the deepest here stay far below.
const STACK_BYTES: usize = 256 << 10;

/// Why memory is not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The limit would let some of it be locked, and later allocations fail.
    #[error(
        "memory cannot be locked, the limit is {limit_bytes} bytes: set LimitMEMLOCK=infinity in \
         the systemd unit (`ulimit -l unlimited` in a shell), or memory.lock = false"
    )]
    Limited {
        /// `RLIMIT_MEMLOCK`, bytes.
        limit_bytes: u64,
    },
    /// The kernel refused.
    #[error("memory cannot be locked: {0}; make room, or set memory.lock = false")]
    Refused(#[source] io::Error),
}

/// Brings every page of the process into RAM and keeps it there, those mapped later too.
///
/// # Errors
/// [`LockError`], where nothing was locked.
pub fn lock() -> Result<(), LockError> {
    if let Some(limit_bytes) = limit() {
        return Err(LockError::Limited { limit_bytes });
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    mlockall(flags).map_err(|error| LockError::Refused(error.into()))
}

/// The limit in bytes, where there is one: raised as far as it may be, and of no meaning to whom the
/// kernel permits to lock.
fn limit() -> Option<u64> {
    let permitted =
        capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::IPC_LOCK));
    if permitted {
        return None;
    }
    let Rlimit { current, maximum } = getrlimit(Resource::Memlock);
    let raised = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}

/// Touches the calling thread's stack as far down as an agent's calls reach.
#[inline(never)]
pub fn touch_stack() {
    let mut stack = [0_u8; STACK_BYTES];
    std::hint::black_box(&mut stack);
}

/// Bytes of this process that lie in huge pages.
///
/// # Errors
/// If the kernel does not tell.
pub fn huge_bytes() -> ProcResult<u64> {
    mapped(&["AnonHugePages", "Private_Hugetlb", "Shared_Hugetlb"])
}

/// Bytes of this process that are there and locked. The status's `VmLck` would count what allocators
/// only reserve.
///
/// # Errors
/// If the kernel does not tell.
pub fn locked_bytes() -> ProcResult<u64> {
    mapped(&["Locked"])
}

/// The sum of these rows over all mappings.
fn mapped(rows: &[&str]) -> ProcResult<u64> {
    let maps = Process::myself()?.smaps_rollup()?.memory_map_rollup;
    let bytes = |name| maps.iter().filter_map(|map| map.extension.map.get(name)).sum::<u64>();
    Ok(rows.iter().copied().map(bytes).sum())
}
