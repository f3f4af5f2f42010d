//! Who does work that can be done at once. The kernel knows no thread: whoever drives it may have some.

/// Pieces of work that do not depend on each other.
pub type Work<'a> = Vec<Box<dyn FnOnce() + Send + 'a>>;

/// Does pieces of work.
pub trait Together: Sync {
    /// Does all of it, in any order, and returns when all is done.
    fn all(&self, work: Work<'_>);
}

/// Does one piece after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Together for Alone {
    fn all(&self, work: Work<'_>) {
        work.into_iter().for_each(|piece| piece());
    }
}
