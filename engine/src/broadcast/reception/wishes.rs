//! The ids of a client's filters, which decide whether a request can be carried out.
//!
//! The filters themselves are the broadcast's. It carries out what is found right here, in the same
//! order, so that both know the same ids.

use crate::broadcast::request::{Refusal, Wish};
use crate::broadcast::subscription::{DEFAULT_ID, Filter};

/// The ids.
#[derive(Debug)]
pub(super) struct Wishes {
    ids: Vec<String>,
    /// Whether only the filter that every client begins with is there.
    untouched: bool,
    given: u64,
}

impl Wishes {
    /// Begins with the filter for everything.
    pub(super) fn new() -> Wishes {
        Wishes { ids: vec![DEFAULT_ID.to_owned()], untouched: true, given: 0 }
    }

    /// Adds a filter. The first one replaces the one that every client begins with: then `true`
    /// comes with it.
    pub(super) fn add(&mut self, mut wish: Wish, max: usize) -> Result<(Filter, bool), Refusal> {
        let held = if self.untouched { &[] } else { &self.ids[..] };
        if max <= held.len() {
            let message = format!("at most {max} filters; unsubscribe one first");
            return Err(Refusal { code: "too_many_filters", message, id: wish.id });
        }
        if let Some(id) = wish.id.as_ref().filter(|id| held.contains(id)) {
            let message = format!("a filter {id:?} is there already; unsubscribe it first");
            return Err(Refusal { code: "duplicate_id", message, id: wish.id });
        }
        let begins = std::mem::take(&mut self.untouched);
        if begins {
            self.ids.clear();
        }
        let id = wish.id.take().unwrap_or_else(|| self.give_id());
        self.ids.push(id.clone());
        Ok((Filter::new(id, wish), begins))
    }

    fn give_id(&mut self) -> String {
        loop {
            self.given += 1;
            let id = self.given.to_string();
            if !self.ids.contains(&id) {
                return id;
            }
        }
    }

    /// Removes one filter or all; returns the ids that are gone.
    pub(super) fn remove(&mut self, id: Option<String>) -> Result<Vec<String>, Refusal> {
        let gone: Vec<String> = match &id {
            None => std::mem::take(&mut self.ids),
            Some(id) => self.ids.extract_if(.., |held| held == id).collect(),
        };
        if gone.is_empty() && id.is_some() {
            let message = format!("no filter of this id; there are {:?}", self.ids);
            return Err(Refusal { code: "unknown_id", message, id });
        }
        self.untouched = false;
        Ok(gone)
    }
}
