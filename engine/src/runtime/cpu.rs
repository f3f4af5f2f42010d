//! The CPUs that this process may use.

/// Numbers of the CPUs that the process may run on, ascending.
#[must_use]
pub fn available() -> Vec<usize> {
    let mut cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    cpus.sort_unstable();
    cpus
}
