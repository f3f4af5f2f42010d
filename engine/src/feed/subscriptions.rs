//! The subscriptions of one line: what was asked for, what the venue answered, and what is asked
//! again.
//!
//! Requests and answers are matched by the number that a request carries, or by the symbol that an
//! answer names. Only what was refused, or not answered, is asked again: a refused symbol alone, so
//! that it cannot take others with it, after waits that grow to an hour. A symbol that should have
//! been quoted and was not is unsubscribed and subscribed again, after waits that grow likewise.
//! Times are handed in.

use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_venues::venue::{Answer, Protocol, Symbols, VenueSpec};

/// Wait before a refused symbol is asked for again; doubles up to [`WAIT_MAX`].
const WAIT_FIRST: Nanos = 15 * SECOND;
/// Longest wait.
const WAIT_MAX: Nanos = 3_600 * SECOND;
/// A request that has not been answered for this long, and whose symbols give no quotes, is sent
/// again.
const ANSWER_WITHIN: Nanos = 60 * SECOND;

/// A request that waits for its answer.
#[derive(Debug)]
struct Pending {
    request: u64,
    symbols: Vec<usize>,
    since: Nanos,
}

/// What is to be asked for at a time.
#[derive(Debug)]
struct Due {
    at: Nanos,
    symbols: Vec<usize>,
}

/// How often a symbol was asked for again.
#[derive(Clone, Copy, Debug, Default)]
struct Again {
    times: u32,
    /// Not before this time.
    from: Nanos,
}

impl Again {
    /// Counts one more, and returns the time of the next.
    fn wait(&mut self, now: Nanos) -> Nanos {
        let wait = WAIT_FIRST.saturating_mul(1 << self.times.min(16)).min(WAIT_MAX);
        self.times += 1;
        self.from = now + wait;
        self.from
    }
}

/// The subscriptions of one line.
#[derive(Debug)]
pub(super) struct Subscriptions {
    per_message: usize,
    refuses_whole_requests: bool,
    last_request: u64,
    pending: Vec<Pending>,
    due: Vec<Due>,
    /// By symbol: requests after a refusal.
    refused: Vec<Again>,
    /// By symbol: renewals of a subscription that gives nothing.
    renewed: Vec<Again>,
}

impl Subscriptions {
    /// Makes the subscriptions of a line that is not open yet, for so many symbols.
    pub(super) fn new(spec: &VenueSpec, symbols: usize) -> Subscriptions {
        Subscriptions {
            per_message: spec.symbols_per_message,
            refuses_whole_requests: spec.refuses_whole_requests,
            last_request: 0,
            pending: Vec::new(),
            due: Vec::new(),
            refused: vec![Again::default(); symbols],
            renewed: vec![Again::default(); symbols],
        }
    }

    /// Starts over on a new socket: every symbol is asked for, but for those that the venue refused
    /// and whose time has not come. Returns the messages.
    pub(super) fn open(
        &mut self,
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
    ) -> Vec<String> {
        self.pending.clear();
        self.due.clear();
        let (mut good, mut later) = (Vec::new(), Vec::new());
        for place in 0..symbols.list().len() {
            if self.refused[place].from <= now { &mut good } else { &mut later }.push(place);
        }
        for place in later {
            self.due.push(Due { at: self.refused[place].from, symbols: vec![place] });
        }
        // A symbol that was refused before is asked for alone.
        let (once, never): (Vec<usize>, Vec<usize>) =
            good.into_iter().partition(|place| 0 < self.refused[*place].times);
        let mut messages = self.ask(&never, protocol, symbols, now);
        for place in once {
            messages.extend(self.ask(&[place], protocol, symbols, now));
        }
        messages
    }

    /// Returns the messages that are due. `is_quoted` tells whether a symbol gives quotes, so that
    /// it needs no further request.
    pub(super) fn ask_again(
        &mut self,
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
        is_quoted: impl Fn(usize) -> bool,
    ) -> Vec<String> {
        self.expire(now);
        let mut messages = Vec::new();
        let mut place = 0;
        while place < self.due.len() {
            if now < self.due[place].at {
                place += 1;
                continue;
            }
            let due = self.due.swap_remove(place);
            let open: Vec<usize> = due.symbols.into_iter().filter(|s| !is_quoted(*s)).collect();
            messages.extend(self.ask(&open, protocol, symbols, now));
        }
        messages
    }

    /// Returns the messages that subscribe a symbol anew that gives nothing, unless that was done a
    /// short time ago.
    pub(super) fn renew(
        &mut self,
        symbol: usize,
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
    ) -> Vec<String> {
        if now < self.renewed[symbol].from || self.is_asked(symbol) {
            return Vec::new();
        }
        self.renewed[symbol].wait(now);
        self.last_request += 1;
        let text = symbols.list()[symbol].text.as_str();
        let mut messages = vec![protocol.unsubscribe(self.last_request, &[text])];
        messages.extend(self.ask(&[symbol], protocol, symbols, now));
        messages
    }

    /// Returns how often a symbol was subscribed anew since it last gave quotes.
    pub(super) fn renewals(&self, symbol: usize) -> u32 {
        self.renewed[symbol].times
    }

    /// Notes that a symbol has given quotes for a while.
    pub(super) fn is_well(&mut self, symbol: usize) {
        self.renewed[symbol] = Again::default();
        self.refused[symbol] = Again::default();
    }

    /// Notes that a subscription was accepted. Returns its symbols.
    pub(super) fn on_accepted(&mut self, answer: Answer) -> Vec<usize> {
        match answer {
            Answer { symbol: Some(symbol), .. } => {
                self.answered(symbol);
                vec![symbol]
            }
            Answer { request: Some(request), .. } => {
                let place = self.pending.iter().position(|pending| pending.request == request);
                place.map_or(Vec::new(), |place| self.pending.swap_remove(place).symbols)
            }
            Answer { request: None, symbol: None } => Vec::new(),
        }
    }

    /// Notes a refusal. Returns the symbol that was refused, if that is known.
    pub(super) fn on_refused(&mut self, answer: Answer, now: Nanos) -> Option<usize> {
        let place = self.pending.iter().position(|p| Some(p.request) == answer.request);
        let symbol =
            answer.symbol.or_else(|| match place.map(|at| &self.pending[at].symbols[..]) {
                Some([only]) => Some(*only),
                _ => None,
            });
        if let Some(symbol) = symbol {
            let at = self.refused[symbol].wait(now);
            self.due.push(Due { at, symbols: vec![symbol] });
        }
        match place {
            Some(place) if symbol.is_none() || self.refuses_whole_requests => {
                let rest = self.pending.swap_remove(place).symbols;
                self.split(rest.into_iter().filter(|s| Some(*s) != symbol).collect(), symbol, now);
            }
            _ => symbol.into_iter().for_each(|symbol| self.answered(symbol)),
        }
        symbol
    }

    /// Asks again for the rest of a request that was refused as a whole: together if the bad symbol
    /// is known, otherwise in halves until it is.
    fn split(&mut self, rest: Vec<usize>, bad: Option<usize>, now: Nanos) {
        let parts = if bad.is_some() { 1 } else { 2 };
        for part in rest.chunks(rest.len().div_ceil(parts).max(1)) {
            self.due.push(Due { at: now, symbols: part.to_vec() });
        }
    }

    /// Removes a symbol from the requests that wait.
    fn answered(&mut self, symbol: usize) {
        for pending in &mut self.pending {
            pending.symbols.retain(|other| *other != symbol);
        }
        self.pending.retain(|pending| !pending.symbols.is_empty());
    }

    fn is_asked(&self, symbol: usize) -> bool {
        self.pending.iter().any(|pending| pending.symbols.contains(&symbol))
            || self.due.iter().any(|due| due.symbols.contains(&symbol))
    }

    /// Gives up waiting for answers that did not come.
    fn expire(&mut self, now: Nanos) {
        let Subscriptions { pending, due, .. } = self;
        pending.retain_mut(|pending| {
            let waits = now <= pending.since + ANSWER_WITHIN;
            if !waits {
                due.push(Due { at: now, symbols: std::mem::take(&mut pending.symbols) });
            }
            waits
        });
    }

    fn ask(
        &mut self,
        places: &[usize],
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
    ) -> Vec<String> {
        let mut messages = Vec::new();
        for part in places.chunks(self.per_message) {
            self.last_request += 1;
            let texts: Vec<&str> = part.iter().map(|s| symbols.list()[*s].text.as_str()).collect();
            messages.push(protocol.subscribe(self.last_request, &texts));
            self.pending.push(Pending {
                request: self.last_request,
                symbols: part.to_vec(),
                since: now,
            });
        }
        messages
    }
}
