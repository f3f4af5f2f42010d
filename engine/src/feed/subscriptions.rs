//! The subscriptions of one line: what was asked for, what the venue answered, and what is asked
//! again.
//!
//! Requests and answers are matched by the number that a request carries, or by the symbol that an
//! answer names. Only what was refused, or not answered, is asked again: a refused symbol alone, so
//! that it cannot take others with it, after waits that grow to an hour. Symbols that should have
//! been quoted and were not are unsubscribed and subscribed again, many by one request, after waits
//! that grow likewise. Each request is made when it can be sent at once: nothing is queued for a
//! symbol that may be quoted meanwhile. Times are handed in.

use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_venues::venue::{Answer, Protocol, Request, Symbols, VenueSpec};

/// Wait before a refused symbol is asked for again; doubles up to [`WAIT_MAX`].
const WAIT_FIRST: Nanos = 15 * SECOND;
/// Longest wait.
const WAIT_MAX: Nanos = 3_600 * SECOND;
/// A request that has not been answered for this long, and whose symbols give no quotes, is sent
/// again. The time doubles with each request that is not answered, up to [`WAIT_MAX`].
const ANSWER_WITHIN: Nanos = 60 * SECOND;

/// The same for the rest of a request of which one symbol was refused.
const REST_WITHIN: Nanos = 5 * SECOND;

/// A request that waits for its answer.
#[derive(Debug)]
struct Pending {
    request: u64,
    symbols: Vec<usize>,
    /// The answer is waited for until this time.
    until: Nanos,
}

/// What is to be asked for at a time.
#[derive(Debug)]
struct Due {
    at: Nanos,
    symbols: Vec<usize>,
}

/// Messages to be sent, and the symbols that they ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) messages: Vec<String>,
    pub(super) symbols: Vec<usize>,
}

/// How often a symbol was asked for again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Again {
    times: u32,
    /// Not before this time.
    from: Nanos,
}

impl Again {
    /// Returns how often it was.
    pub(super) fn times(self) -> u32 {
        self.times
    }

    /// Returns the time of the next.
    pub(super) fn from(self) -> Nanos {
        self.from
    }

    /// Counts one more, and returns the time of the next.
    pub(super) fn wait(&mut self, now: Nanos) -> Nanos {
        let wait = doubled(WAIT_FIRST, self.times);
        self.times += 1;
        self.from = now + wait;
        self.from
    }
}

/// Returns a wait that was doubled so many times, at most [`WAIT_MAX`].
fn doubled(first: Nanos, times: u32) -> Nanos {
    first.saturating_mul(1 << times.min(16)).min(WAIT_MAX)
}

/// The subscriptions of one line.
#[derive(Debug)]
pub(super) struct Subscriptions {
    per_message: usize,
    refuses_whole_requests: bool,
    ends_on_unknown: bool,
    last_request: u64,
    pending: Vec<Pending>,
    due: Vec<Due>,
    /// By symbol: requests after a refusal.
    refused: Vec<Again>,
    /// By symbol: whether the last answer was a refusal.
    is_refused: Vec<bool>,
    /// By symbol: when it was asked for last.
    asked_at: Vec<Nanos>,
    /// By symbol: renewals of a subscription that gives nothing.
    renewed: Vec<Again>,
    /// By symbol: requests in a row that were not answered.
    unanswered: Vec<u32>,
}

impl Subscriptions {
    /// Makes the subscriptions of a line that is not open yet, for so many symbols.
    pub(super) fn new(spec: &VenueSpec, symbols: usize) -> Subscriptions {
        Subscriptions {
            per_message: spec.symbols_per_message,
            refuses_whole_requests: spec.refuses_whole_requests,
            ends_on_unknown: spec.ends_on_unknown,
            last_request: 0,
            pending: Vec::new(),
            due: Vec::new(),
            refused: vec![Again::default(); symbols],
            is_refused: vec![false; symbols],
            asked_at: vec![0; symbols],
            renewed: vec![Again::default(); symbols],
            unanswered: vec![0; symbols],
        }
    }

    /// Returns whether a symbol was refused and its time has not come.
    pub(super) fn is_put_off(&self, symbol: usize, now: Nanos) -> bool {
        now < self.refused[symbol].from
    }

    /// Returns whether the last answer about a symbol was a refusal.
    pub(super) fn is_refused(&self, symbol: usize) -> bool {
        self.is_refused[symbol]
    }

    /// Returns the refusals of a symbol, and when it is asked for again.
    pub(super) fn refusals(&self, symbol: usize) -> Again {
        self.refused[symbol]
    }

    /// Returns when a symbol was asked for last.
    pub(super) fn asked_at(&self, symbol: usize) -> Nanos {
        self.asked_at[symbol]
    }

    /// Notes that the last socket has ended. Where a venue ends it because of a symbol that it does not
    /// know, the first request that was not answered counts as refused; a loss for another reason costs
    /// its symbol a short wait. Returns that symbol.
    pub(super) fn on_lost(&mut self, now: Nanos) -> Option<usize> {
        let first = self.pending.iter().min_by_key(|pending| pending.request);
        let symbol = match first.map(|pending| &pending.symbols[..]) {
            Some([only]) if self.ends_on_unknown => *only,
            Some(_) | None => return None,
        };
        self.pending.clear();
        self.refused[symbol].wait(now);
        Some(symbol)
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
            self.is_refused[place] = self.is_put_off(place, now);
            if self.is_refused[place] { &mut later } else { &mut good }.push(place);
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

    /// Returns the next request that is due. `is_quoted` tells whether a symbol gives quotes, so that
    /// it needs no further request.
    pub(super) fn ask_again(
        &mut self,
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
        is_quoted: impl Fn(usize) -> bool,
    ) -> Asking {
        self.expire(now);
        while let Some(place) = self.due.iter().position(|due| due.at <= now) {
            let due = self.due.remove(place);
            let open: Vec<usize> = due.symbols.into_iter().filter(|s| !is_quoted(*s)).collect();
            if !open.is_empty() {
                let messages = self.ask(&open, protocol, symbols, now);
                return Asking { messages, symbols: open };
            }
        }
        Asking::default()
    }

    /// Returns the two messages that subscribe symbols anew that give nothing, as many as one request
    /// takes and without those for which that was done a short time ago.
    pub(super) fn renew(
        &mut self,
        silent: &[usize],
        protocol: &mut dyn Protocol,
        symbols: &Symbols,
        now: Nanos,
    ) -> Asking {
        let is_due = |symbol: &usize| self.renewed[*symbol].from <= now && !self.is_asked(*symbol);
        let due = silent.iter().copied().filter(is_due).take(self.per_message);
        let due: Vec<usize> = due.collect();
        if due.is_empty() {
            return Asking::default();
        }
        for symbol in &due {
            self.renewed[*symbol].wait(now);
        }
        self.last_request += 1;
        let texts: Vec<&str> = due.iter().map(|s| symbols.list()[*s].text.as_str()).collect();
        let mut messages =
            vec![protocol.unsubscribe(Request { number: self.last_request, now }, &texts)];
        messages.extend(self.ask(&due, protocol, symbols, now));
        Asking { messages, symbols: due }
    }

    /// Returns how often a symbol was subscribed anew since it last gave quotes.
    pub(super) fn renewals(&self, symbol: usize) -> u32 {
        self.renewed[symbol].times
    }

    /// Notes that a symbol has given quotes for a while.
    pub(super) fn is_well(&mut self, symbol: usize) {
        self.renewed[symbol] = Again::default();
        self.refused[symbol] = Again::default();
        self.is_refused[symbol] = false;
    }

    /// Notes that a subscription was accepted. Returns the symbols that it is for.
    pub(super) fn on_accepted(&mut self, answer: Answer) -> Vec<usize> {
        let symbols = match (answer.symbol, self.place_of(answer)) {
            (Some(symbol), _) => vec![symbol],
            (None, Some(place)) => self.pending[place].symbols.clone(),
            (None, None) => Vec::new(),
        };
        for symbol in &symbols {
            self.answered(*symbol);
            self.is_refused[*symbol] = false;
        }
        symbols
    }

    /// Returns the place of the request that an answer is for.
    fn place_of(&self, answer: Answer) -> Option<usize> {
        let of = |pending: &Pending| match (answer.request, answer.symbol) {
            (Some(request), _) => pending.request == request,
            (None, Some(symbol)) => pending.symbols.contains(&symbol),
            (None, None) => false,
        };
        self.pending.iter().position(of)
    }

    /// Notes a refusal. Returns the symbol that was refused, if that is known.
    pub(super) fn on_refused(&mut self, answer: Answer, now: Nanos) -> Option<usize> {
        let place = self.place_of(answer);
        let symbol =
            answer.symbol.or_else(|| match place.map(|at| &self.pending[at].symbols[..]) {
                Some([only]) => Some(*only),
                _ => None,
            });
        if let Some(symbol) = symbol {
            self.is_refused[symbol] = true;
            let at = self.refused[symbol].wait(now);
            self.due.retain(|due| due.symbols != [symbol]);
            self.due.push(Due { at, symbols: vec![symbol] });
        }
        match place {
            Some(place) if symbol.is_none() || self.refuses_whole_requests => {
                let rest = self.pending.swap_remove(place).symbols;
                rest.iter().for_each(|symbol| self.unanswered[*symbol] = 0);
                let rest: Vec<usize> = rest.into_iter().filter(|s| Some(*s) != symbol).collect();
                self.split(&rest, symbol, now);
            }
            Some(place) => {
                // The others of the request are accepted soon, or were refused with this one.
                let pending = &mut self.pending[place];
                pending.until = pending.until.min(now + REST_WITHIN);
                symbol.into_iter().for_each(|symbol| self.answered(symbol));
            }
            None => symbol.into_iter().for_each(|symbol| self.answered(symbol)),
        }
        symbol
    }

    /// Asks again for the rest of a request that was refused as a whole: together if the bad symbol
    /// is known, otherwise in halves until it is.
    fn split(&mut self, rest: &[usize], bad: Option<usize>, now: Nanos) {
        let parts = if bad.is_some() { 1 } else { 2 };
        for part in rest.chunks(rest.len().div_ceil(parts).max(1)) {
            self.due.push(Due { at: now, symbols: part.to_vec() });
        }
    }

    /// Removes a symbol from the requests that wait.
    fn answered(&mut self, symbol: usize) {
        self.unanswered[symbol] = 0;
        for pending in &mut self.pending {
            pending.symbols.retain(|other| *other != symbol);
        }
        self.pending.retain(|pending| !pending.symbols.is_empty());
    }

    /// Returns whether a symbol's answer is waited for, or it is to be asked for at a known time.
    pub(super) fn is_asked(&self, symbol: usize) -> bool {
        self.pending.iter().any(|pending| pending.symbols.contains(&symbol))
            || self.due.iter().any(|due| due.symbols.contains(&symbol))
    }

    /// Gives up waiting for answers that did not come.
    fn expire(&mut self, now: Nanos) {
        let Subscriptions { pending, due, unanswered, .. } = self;
        pending.retain_mut(|pending| {
            let waits = now <= pending.until;
            if !waits {
                pending.symbols.iter().for_each(|symbol| unanswered[*symbol] += 1);
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
            let request = Request { number: self.last_request, now };
            messages.push(protocol.subscribe(request, &texts));
            let times = part.iter().map(|symbol| self.unanswered[*symbol]).max().unwrap_or(0);
            let until = now + doubled(ANSWER_WITHIN, times);
            part.iter().for_each(|symbol| self.asked_at[*symbol] = now);
            let (request, symbols) = (self.last_request, part.to_vec());
            self.pending.push(Pending { request, symbols, until });
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::super::rig;
    use super::*;
    use spreadwire_market::instrument::InstrumentId;
    use spreadwire_venues::venue::{Contract, Symbol};

    const HOUR: Nanos = 3_600 * SECOND;
    const NOBODY: [usize; 0] = [];

    /// The subscriptions of a line, and a venue that answers by what a test says of a symbol.
    struct Rig {
        subscriptions: Subscriptions,
        protocol: Box<dyn Protocol>,
        symbols: Symbols,
        /// Requests so far.
        requests: u64,
    }

    impl Rig {
        fn new(count: u32, per_message: usize, whole: bool) -> Rig {
            let spec = VenueSpec {
                symbols_per_message: per_message,
                refuses_whole_requests: whole,
                ..rig::spec()
            };
            let symbol = |number: u32| Symbol {
                text: format!("S{number}"),
                instrument: InstrumentId(number),
                price_scale: 2,
                size_scale: 2,
                contract: Contract::ONE,
            };
            let symbols = Symbols::new((0..count).map(symbol).collect());
            Rig {
                subscriptions: Subscriptions::new(&spec, count as usize),
                protocol: (spec.protocol)(),
                symbols,
                requests: 0,
            }
        }

        fn open(&mut self, now: Nanos) -> Vec<String> {
            self.subscriptions.open(&mut *self.protocol, &self.symbols, now)
        }

        fn due(&mut self, now: Nanos) -> Vec<String> {
            let Rig { subscriptions, protocol, symbols, .. } = self;
            let mut next = || subscriptions.ask_again(&mut **protocol, symbols, now, |_| false);
            std::iter::from_fn(|| Some(next().messages).filter(|m| !m.is_empty()))
                .flatten()
                .collect()
        }

        fn renew(&mut self, silent: &[usize], now: Nanos) -> Vec<String> {
            let Rig { subscriptions, protocol, symbols, .. } = self;
            subscriptions.renew(silent, &mut **protocol, symbols, now).messages
        }

        fn accept(&mut self, request: Option<u64>, symbol: Option<usize>) -> Vec<usize> {
            self.subscriptions.on_accepted(Answer { request, symbol })
        }

        fn refuse(
            &mut self,
            request: Option<u64>,
            symbol: Option<usize>,
            now: Nanos,
        ) -> Option<usize> {
            self.subscriptions.on_refused(Answer { request, symbol }, now)
        }

        /// Has a venue answer requests, which refuses these symbols: by name if it is `named`, and
        /// the request as a whole or not.
        fn answer(&mut self, messages: &[String], bad: &[usize], named: bool, now: Nanos) {
            let whole = self.subscriptions.refuses_whole_requests;
            for message in messages {
                self.requests += 1;
                let request = Some(self.requests);
                let of = |name: &str| name[1..].parse::<usize>().unwrap();
                let asked: Vec<usize> = message["subscribe ".len()..].split(',').map(of).collect();
                let refused = asked.iter().copied().find(|symbol| bad.contains(symbol));
                match refused {
                    None => drop(self.accept(request, None)),
                    Some(symbol) if whole => {
                        self.refuse(request, named.then_some(symbol), now);
                    }
                    Some(_) => asked.iter().for_each(|symbol| {
                        if bad.contains(symbol) {
                            self.refuse(request, Some(*symbol), now);
                        } else {
                            self.accept(request, Some(*symbol));
                        }
                    }),
                }
            }
        }

        /// Opens, and lets the venue answer for an hour. Returns the number of requests.
        fn hour(&mut self, bad: &[usize], named: bool) -> u64 {
            let messages = self.open(0);
            self.answer(&messages, bad, named, 0);
            for second in 1..=3_600 {
                let messages = self.due(second * SECOND);
                self.answer(&messages, bad, named, second * SECOND);
            }
            self.requests
        }
    }

    #[test]
    fn an_answer_is_matched_by_its_number_or_its_symbol_and_the_rest_is_asked_again_in_time() {
        let mut rig = Rig::new(5, 2, false);
        assert_eq!(rig.open(0), ["subscribe S0,S1", "subscribe S2,S3", "subscribe S4"]);
        assert_eq!(rig.accept(Some(1), None), [0, 1]);
        assert_eq!(rig.accept(Some(1), None), NOBODY, "answered before");
        assert_eq!(rig.accept(Some(2), Some(3)), [3]);
        assert_eq!(rig.accept(None, Some(4)), [4]);
        assert_eq!(rig.accept(None, None), NOBODY);
        assert_eq!(rig.accept(Some(9), None), NOBODY);
        assert_eq!(rig.due(60 * SECOND), Vec::<String>::new());
        assert_eq!(rig.due(60 * SECOND + 1), ["subscribe S2"]);
        // Twice the time now.
        assert_eq!(rig.due(180 * SECOND + 1), Vec::<String>::new());
        assert_eq!(rig.due(180 * SECOND + 2), ["subscribe S2"]);
        rig.accept(Some(5), None);
        assert_eq!(rig.due(24 * HOUR), Vec::<String>::new());
    }

    #[test]
    fn what_is_never_answered_costs_a_request_an_hour_in_the_end() {
        let mut rig = Rig::new(1, 1, false);
        let mut sent = rig.open(0).len();
        for second in 1..=24 * 3_600 {
            sent += rig.due(second * SECOND).len();
        }
        assert!((24..=30).contains(&sent), "{sent} requests in a day");
    }

    #[test]
    fn five_refused_symbols_cost_few_requests_and_none_for_the_others() {
        // 15 s, 30 s, 1, 2, 4, 8, 16, 32 minutes: eight each within the hour.
        for (whole, named, limit) in [(false, true, 10 + 40), (true, true, 60), (true, false, 80)] {
            let mut rig = Rig::new(100, 10, whole);
            let requests = rig.hour(&[1, 2, 33, 34, 99], named);
            assert!(requests <= limit, "{requests}, whole {whole}, named {named}");
        }
    }

    #[test]
    fn of_500_symbols_with_one_unknown_only_that_one_is_asked_again() {
        for (whole, named, limit) in
            [(false, true, 10 + 8), (true, true, 10 + 1 + 8), (true, false, 30)]
        {
            let mut rig = Rig::new(500, 50, whole);
            let requests = rig.hour(&[77], named);
            assert!(requests <= limit, "{requests}, whole {whole}, named {named}");
        }
    }

    /// The venue answers in order and ends the connection at what it does not know.
    #[test]
    fn a_symbol_that_ends_the_connection_is_left_out_of_the_next_one() {
        let mut rig = Rig::new(4, 1, false);
        rig.subscriptions.ends_on_unknown = true;
        assert_eq!(rig.subscriptions.on_lost(0), None);
        let asked = rig.open(0);
        assert_eq!(asked.len(), 4);
        rig.accept(None, Some(0));
        let lost = 3 * SECOND;
        assert_eq!(rig.subscriptions.on_lost(lost), Some(1));
        assert!(rig.subscriptions.is_put_off(1, lost));
        assert_eq!(rig.open(lost), [&asked[0], &asked[2], &asked[3]].map(String::clone));
        assert!(rig.subscriptions.is_refused(1));
        [0, 2, 3].into_iter().for_each(|symbol| drop(rig.accept(None, Some(symbol))));
        assert_eq!(rig.due(lost + WAIT_FIRST), [asked[1].clone()]);
        // The same again, after twice the time.
        let again = lost + WAIT_FIRST + SECOND;
        assert_eq!(rig.subscriptions.on_lost(again), Some(1));
        rig.open(again);
        [0, 2, 3].into_iter().for_each(|symbol| drop(rig.accept(None, Some(symbol))));
        assert!(rig.due(again + 2 * WAIT_FIRST - 1).is_empty());
        assert_eq!(rig.due(again + 2 * WAIT_FIRST).len(), 1);
        // Everything is answered, or the venue does not do so: nobody is blamed.
        rig.accept(None, Some(1));
        assert_eq!(rig.subscriptions.on_lost(again), None);
        let mut other = Rig::new(2, 1, false);
        other.open(0);
        assert_eq!(other.subscriptions.on_lost(SECOND), None);
    }

    #[test]
    fn a_symbol_refused_twice_is_asked_for_once() {
        let mut rig = Rig::new(2, 2, false);
        rig.open(0);
        rig.subscriptions.on_accepted(Answer { request: None, symbol: Some(0) });
        assert_eq!(rig.refuse(None, Some(1), 0), Some(1));
        rig.refuse(None, Some(1), 1);
        assert!(rig.subscriptions.is_put_off(1, 1) && !rig.subscriptions.is_put_off(0, 1));
        assert_eq!(rig.due(30 * SECOND), Vec::<String>::new());
        assert_eq!(rig.due(30 * SECOND + 1), ["subscribe S1"]);
        assert_eq!(rig.refuse(Some(9), None, 0), None, "nobody asked that");
        assert_eq!(rig.refuse(None, None, 0), None);
    }

    #[test]
    fn on_a_new_socket_the_refused_are_asked_for_alone_in_their_time() {
        let mut rig = Rig::new(4, 4, false);
        assert_eq!(rig.open(0), ["subscribe S0,S1,S2,S3"]);
        rig.refuse(Some(1), Some(1), 0);
        rig.refuse(Some(1), Some(2), 10 * SECOND);
        assert_eq!(rig.open(20 * SECOND), ["subscribe S0,S3", "subscribe S1"]);
        assert_eq!(rig.due(25 * SECOND - 1), Vec::<String>::new());
        assert_eq!(rig.due(25 * SECOND), ["subscribe S2"]);
        rig.subscriptions.is_well(1);
        rig.subscriptions.is_well(2);
        assert_eq!(rig.open(30 * SECOND), ["subscribe S0,S1,S2,S3"]);
    }

    #[test]
    fn a_subscription_that_gives_nothing_is_renewed_after_waits_that_grow_to_an_hour() {
        let mut rig = Rig::new(2, 2, false);
        rig.open(0);
        assert_eq!(rig.renew(&[0], 1), Vec::<String>::new(), "its answer is still waited for");
        rig.accept(Some(1), None);
        let mut now = 1;
        for (times, wait) in (1..).zip([15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]) {
            assert_eq!(rig.renew(&[0], now), ["unsubscribe S0", "subscribe S0"]);
            assert_eq!(rig.subscriptions.renewals(0), times);
            rig.accept(None, Some(0));
            assert_eq!(rig.renew(&[0], now + wait * SECOND - 1), Vec::<String>::new());
            now += wait * SECOND;
        }
        rig.subscriptions.is_well(0);
        assert_eq!(rig.subscriptions.renewals(0), 0);
        assert_eq!(rig.renew(&[1], now), ["unsubscribe S1", "subscribe S1"]);
    }

    #[test]
    fn silent_symbols_are_renewed_together_and_each_at_its_time() {
        let mut rig = Rig::new(5, 3, false);
        rig.open(0);
        (0..5).for_each(|symbol| drop(rig.accept(None, Some(symbol))));
        assert_eq!(
            rig.renew(&[0, 1, 2, 4], SECOND),
            ["unsubscribe S0,S1,S2", "subscribe S0,S1,S2"]
        );
        (0..3).for_each(|symbol| drop(rig.accept(None, Some(symbol))));
        assert_eq!(rig.renew(&[0, 1, 2, 4], SECOND), ["unsubscribe S4", "subscribe S4"]);
        assert_eq!(rig.renew(&[0, 1, 2, 4], 16 * SECOND - 1), Vec::<String>::new());
        assert_eq!(rig.renew(&[1, 4], 16 * SECOND), ["unsubscribe S1", "subscribe S1"]);
        assert_eq!(
            (rig.subscriptions.asked_at(0), rig.subscriptions.asked_at(1)),
            (SECOND, 16 * SECOND)
        );
    }
}
