//! How far a long piece of work is: a bar on a terminal, nothing anywhere else.
//!
//! It goes to standard error, so that a pipe sees only what was asked for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar over `steps` of `what`; hidden if standard error is no terminal or `quiet` is wanted.
///
/// # Panics
/// Never: the template is a constant that indicatif takes.
#[must_use]
pub fn bar(what: &'static str, steps: u64, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {eta} {wide_msg}")
        .expect("the template is well formed");
    ProgressBar::new(steps).with_style(style.progress_chars("=> ")).with_prefix(what)
}
