//! A progress bar for long work, shown only on a terminal.
//!
//! It is drawn on standard error, so that a pipe gets only the requested output.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spreadwire_output::Stream;

/// Returns a bar of `steps` steps, labelled `what`. It is hidden if standard error is not a
/// terminal or `quiet` is set.
///
/// # Panics
/// Never: the template is a valid constant.
#[must_use]
pub fn bar(what: &'static str, steps: u64, quiet: bool) -> ProgressBar {
    if quiet || !Stream::Err.is_terminal() {
        return ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {eta} {wide_msg}")
        .expect("the template is well formed");
    ProgressBar::new(steps).with_style(style.progress_chars("=> ")).with_prefix(what)
}
