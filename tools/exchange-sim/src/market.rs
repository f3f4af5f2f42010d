//! The state of one venue that is served: its streams, their last quotes and update ids, and its
//! faults.
//!
//! A market turns a quote of the source into the venue's frame. Times and the slots of connections
//! are handed in.

use std::collections::HashMap;

use crate::duration::nanos;
use crate::error::SimError;
use crate::faults::{Armed, FaultKind};
use crate::feed::Listed;
use crate::listing::{self, Listing, unknown_symbol};
use crate::options::Options;
use crate::orders::desk::Desk;
use crate::orders::gateways::order_paths;
use crate::orders::options::OrdersOptions;
use crate::rest::{Request, Response, RestInstrument};
use crate::stats::{Occasion, VenueStats, Written};
use crate::venue::{Rules, Texts, Venue, WireQuote};

/// One venue that is served.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) venue: &'static dyn Venue,
    pub(crate) rules: Rules,
    pub(crate) topics: Vec<Topic>,
    /// Number of quotes that a fault still skips.
    pub(crate) skips: u64,
    /// Number of subscriptions that a fault still refuses.
    pub(crate) refusals: u64,
    /// By how much a fault makes the times in quotes older, in ms.
    pub(crate) lag_ms: u64,
    /// Index of the topic that was quoted last.
    pub(crate) last_topic: usize,
    pub(crate) stats: VenueStats,
    /// The order side of the venue, if it takes orders.
    pub(crate) desk: Option<Desk>,
    /// The venue's list of instruments.
    instruments: Vec<RestInstrument>,
    /// Scripted changes of that list.
    changes: Vec<Listing>,
    /// Indices of the topics, by name.
    ids: HashMap<String, usize>,
    /// Whether only listed instruments can be subscribed. Recorded frames list none.
    is_listed: bool,
    /// Index of the topic, by instrument of the source.
    by_instrument: Vec<Option<usize>>,
    /// Faults that wait for their moments.
    armed: Vec<Armed>,
    /// Whether the venue sends deltas.
    has_deltas: bool,
    /// Sequence number across symbols.
    cross: u64,
}

/// One stream that clients can subscribe.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Canonical name of the instrument: `BTC/USDT`. Empty if the source does not list it.
    instrument: String,
    /// Slots of the subscribed connections.
    pub(crate) subscribers: Vec<usize>,
    /// When a frame was last sent, in ns.
    pub(crate) sent_ns: u64,
    symbol: String,
    is_listed: bool,
    /// Whether a fault refuses its subscriptions.
    is_refused: bool,
    /// Whether a fault lets nothing be sent.
    pub(crate) is_dead: bool,
    /// Numbers of digits after the point of a price and of a size.
    places: (usize, usize),
    last: Option<Last>,
    /// Numbers of the quote before the last one, for a delta.
    before: Option<Texts>,
    /// Whether a fault made the last quote wrong. The next one is then a snapshot in every dialect.
    is_spoilt: bool,
    /// Whether the last quote is sent as a snapshot in every dialect.
    is_whole: bool,
}

#[derive(Debug, Clone, Default)]
struct Last {
    texts: Texts,
    sequence: u64,
    cross: u64,
    event_ms: u64,
    push_ms: u64,
}

impl Market {
    pub(crate) fn new(venue: &'static dyn Venue, options: &Options) -> Market {
        let faults = options.faults.iter().filter(|fault| fault.venue == venue.name());
        let changes = options.listings.iter().filter(|listing| listing.venue == venue.name());
        let own = venue.rules();
        let has_deltas = own.deltas && options.bybit_deltas;
        let repeat_after = if has_deltas { None } else { own.repeat_after };
        Market {
            venue,
            rules: Rules {
                ping_every: own.ping_every.map(|own| options.ping_every.unwrap_or(own)),
                pong_within: own.pong_within.map(|own| options.pong_within.unwrap_or(own)),
                idle_close: own.idle_close.map(|own| options.idle_close.unwrap_or(own)),
                repeat_after: repeat_after.map(|own| options.repeat_after.unwrap_or(own)),
                ..own
            },
            topics: Vec::new(),
            skips: 0,
            refusals: 0,
            lag_ms: 0,
            last_topic: 0,
            stats: VenueStats { name: venue.name(), ..VenueStats::default() },
            desk: None,
            instruments: Vec::new(),
            changes: changes.cloned().collect(),
            ids: HashMap::new(),
            is_listed: false,
            by_instrument: Vec::new(),
            armed: faults.map(Armed::new).collect(),
            has_deltas,
            cross: 101_969_000_000,
        }
    }

    /// Adds the instruments of the source that this venue lists. `index` is that of the venue.
    ///
    /// # Errors
    ///
    /// If a fault or a listing is about a symbol that the venue does not have.
    pub(crate) fn list(&mut self, listed: &[Listed], index: usize) -> Result<(), SimError> {
        self.is_listed = !listed.is_empty();
        for (number, instrument) in listed.iter().enumerate() {
            let here = instrument.symbols.iter().find(|(venue, _)| *venue == index);
            let topic = here.map(|(_, symbol)| {
                let topic = self.topic(&self.venue.topic(symbol));
                let entry = &mut self.topics[topic];
                entry.symbol.clone_from(symbol);
                entry.instrument.clone_from(&instrument.name);
                entry.is_listed = true;
                entry.places = (instrument.price_places, instrument.size_places);
                topic
            });
            self.by_instrument.push(topic);
            let places = (instrument.price_places, instrument.size_places);
            let row = |symbol| RestInstrument::of(&instrument.name, symbol, places);
            let row = here.map(|(_, symbol)| row(symbol).numbered(number));
            self.instruments.extend(row);
        }
        self.check_faults()?;
        listing::change(&mut self.instruments, &self.changes.iter().collect::<Vec<_>>())
    }

    fn check_faults(&self) -> Result<(), SimError> {
        let known: Vec<&str> = self.instruments.iter().map(|it| it.symbol.as_str()).collect();
        let is_known = |symbol: &&str| known.iter().any(|it| it.eq_ignore_ascii_case(symbol));
        let unknown = self.armed.iter().filter_map(Armed::symbol).find(|symbol| !is_known(symbol));
        match unknown {
            Some(symbol) => Err(unknown_symbol("fault", self.venue.name(), symbol, &known)),
            None => Ok(()),
        }
    }

    /// Opens the order side of the venue, if it has one. The list must be complete by then.
    pub(crate) fn take_orders(&mut self, options: &OrdersOptions) {
        self.desk = Desk::listing(self.venue.name(), options, &self.instruments);
    }

    /// Returns the paths of its WebSockets for orders, of which there are none if it takes no orders.
    pub(crate) fn order_paths(&self) -> &'static [&'static str] {
        if self.desk.is_some() { order_paths(self.venue.name()) } else { &[] }
    }

    /// Answers a REST request, and counts it. Returns `None` if there is no such path.
    pub(crate) fn rest(&mut self, request: &Request, now_ns: u64) -> Option<Response> {
        let method = if self.venue.rest_is_posted() { "POST" } else { "GET" };
        if request.method == method && request.path == self.venue.rest_path() {
            self.stats.lists += 1;
            return Some(Response::ok(self.venue.instruments(&self.instruments)));
        }
        let answer = self.desk.as_mut().and_then(|desk| desk.rest(request, now_ns));
        let is_found = answer.is_some();
        self.stats.requests += u64::from(is_found);
        self.stats.turned_away += u64::from(!is_found);
        answer
    }

    /// Adds the counters of the order side to those of the venue.
    pub(crate) fn count_orders(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        let counts = desk.take_counts();
        self.stats.orders += counts.orders;
        self.stats.fills += counts.fills;
        self.stats.errors += counts.errors;
        self.stats.heartbeats += counts.heartbeats;
        self.stats.faults += counts.faults;
    }

    /// Lets the order side match against a quote of the source.
    pub(crate) fn quote_orders(&mut self, topic: usize, raw: &Texts, now_ns: u64) {
        if let Some(desk) = &mut self.desk {
            desk.on_quote(&self.topics[topic].instrument, raw, now_ns);
        }
    }

    /// Returns whether a client may subscribe a topic.
    pub(crate) fn knows(&self, name: &str) -> bool {
        !self.is_listed || self.ids.get(name).is_some_and(|id| self.topics[*id].is_listed)
    }

    /// Returns the index of a topic, which is added if it is new.
    pub(crate) fn topic(&mut self, name: &str) -> usize {
        if let Some(index) = self.ids.get(name) {
            return *index;
        }
        let index = self.topics.len();
        self.topics.push(Topic { name: name.to_owned(), ..Topic::default() });
        self.ids.insert(name.to_owned(), index);
        index
    }

    /// Returns the topic of an instrument of the source, if this venue lists it.
    pub(crate) fn topic_of(&self, instrument: usize) -> Option<usize> {
        self.by_instrument.get(instrument).copied().flatten()
    }

    /// Ends the subscription of a topic by the connection in `slot`.
    pub(crate) fn remove_subscriber(&mut self, name: &str, slot: usize) {
        let topic = self.topic(name);
        self.topics[topic].subscribers.retain(|subscriber| *subscriber != slot);
        self.stats.subscriptions -= 1;
    }

    /// Returns whether the topic's last quote has to be sent again. It has if the venue repeats
    /// quotes, the topic has subscribers, and it was silent for long enough.
    pub(crate) fn is_repeat_due(&self, topic: usize, now_ns: u64) -> bool {
        let entry = &self.topics[topic];
        let silence_ns = now_ns.saturating_sub(entry.sent_ns);
        let is_silent = self.rules.repeat_after.is_some_and(|after| nanos(after) <= silence_ns);
        is_silent && !entry.subscribers.is_empty()
    }

    /// Makes a quote of the source the topic's last quote and gives it the next update id.
    pub(crate) fn take(&mut self, topic: usize, raw: &Texts, event_ms: u64, push_ms: u64) {
        let venue = self.venue;
        let entry = &mut self.topics[topic];
        let (price_places, size_places) = entry.places;
        // The texts of the quote before the last are reused, so that a quote allocates none.
        let mut texts = entry.before.take().unwrap_or_default();
        for (price, size, out) in [
            (&raw.bid, &raw.bid_qty, [&mut texts.bid, &mut texts.bid_qty]),
            (&raw.ask, &raw.ask_qty, [&mut texts.ask, &mut texts.ask_qty]),
        ] {
            let [price_out, size_out] = out;
            price_out.clear();
            venue.number(price, price_places, price_out);
            size_out.clear();
            venue.size(size, size_places, size_out);
        }
        let sequence = venue.sequence(entry.last.as_ref().map(|last| last.sequence), &entry.symbol);
        self.cross += 3;
        let [event_ms, push_ms] = [event_ms, push_ms].map(|ms| ms.saturating_sub(self.lag_ms));
        entry.is_whole = std::mem::take(&mut entry.is_spoilt);
        let next = Last { texts, sequence, cross: self.cross, event_ms, push_ms };
        entry.before = entry.last.replace(next).map(|last| last.texts);
    }

    /// Returns the frame of the topic's last quote as a change, which is a delta in the dialect
    /// that has deltas.
    pub(crate) fn change(&self, topic: usize) -> Option<String> {
        let entry = &self.topics[topic];
        let is_delta = self.has_deltas && !entry.is_whole;
        let before = if is_delta { entry.before.as_ref() } else { None };
        let last = entry.last.as_ref()?;
        Some(self.write(entry, last, before, last.push_ms))
    }

    /// Returns the frame of the topic's last quote as a snapshot sent at `push_ms`. Returns `None`
    /// if there is no such topic or it has no quote.
    pub(crate) fn snapshot(&self, topic: usize, push_ms: u64) -> Option<String> {
        let entry = self.topics.get(topic)?;
        let push_ms = push_ms.saturating_sub(self.lag_ms);
        Some(self.write(entry, entry.last.as_ref()?, None, push_ms))
    }

    /// Makes the topic's last quote wrong in the way of the fault `kind`, with the next update id.
    /// It is sent as a snapshot. Returns `None` if there is no quote, or the fault is not of that
    /// kind.
    pub(crate) fn spoil(&mut self, topic: usize, kind: &FaultKind) -> Option<()> {
        let last = self.topics[topic].last.clone()?;
        let mut wrong = last.texts;
        match kind {
            // Swapping does not cross a quote whose bid equals its ask; a digit in front does.
            FaultKind::Crossed if wrong.bid == wrong.ask => wrong.bid.insert(0, '9'),
            FaultKind::Crossed => std::mem::swap(&mut wrong.bid, &mut wrong.ask),
            FaultKind::ZeroSize => wrong.bid_qty = "0".to_owned(),
            FaultKind::Negative => wrong.bid.insert(0, '-'),
            FaultKind::OneSided | FaultKind::Empty | FaultKind::Unreadable => {}
            FaultKind::Drop
            | FaultKind::DropOne
            | FaultKind::Lag(_)
            | FaultKind::Die(_)
            | FaultKind::RefuseForEver(_)
            | FaultKind::Shutdown
            | FaultKind::Close
            | FaultKind::Stall(_)
            | FaultKind::Garbage
            | FaultKind::Truncated
            | FaultKind::Cut
            | FaultKind::Oversized(_)
            | FaultKind::Unknown
            | FaultKind::Skip(_)
            | FaultKind::Refuse => return None,
        }
        let [event_ms, push_ms] = [last.event_ms, last.push_ms].map(|ms| ms + self.lag_ms);
        self.take(topic, &wrong, event_ms, push_ms);
        let entry = &mut self.topics[topic];
        (entry.is_spoilt, entry.is_whole) = (true, true);
        if let Some(last) = &mut entry.last {
            // They were written by the venue before.
            last.texts = wrong;
            spoil_texts(&mut last.texts, kind);
        }
        Some(())
    }

    /// Lets nothing more be sent of a symbol.
    pub(crate) fn silence(&mut self, symbol: &str) {
        self.topics_of(symbol).for_each(|topic| topic.is_dead = true);
    }

    /// Lets a symbol be subscribed no longer.
    pub(crate) fn delist(&mut self, symbol: &str) {
        for topic in self.topics_of(symbol) {
            (topic.is_listed, topic.is_refused) = (false, true);
        }
    }

    /// Returns whether a fault refuses subscriptions of a topic. Venues that acknowledge whatever
    /// they do not know need to be told.
    pub(crate) fn refuses(&self, name: &str) -> bool {
        self.ids.get(name).is_some_and(|id| self.topics[*id].is_refused)
    }

    fn topics_of(&mut self, symbol: &str) -> impl Iterator<Item = &mut Topic> {
        self.topics.iter_mut().filter(move |topic| topic.symbol.eq_ignore_ascii_case(symbol))
    }

    /// Returns the record of the topic's last quote, for [`Outcome`](crate::Outcome).
    pub(crate) fn written(
        &self,
        topic: usize,
        occasion: Occasion,
        push_ms: Option<u64>,
        receivers: u32,
    ) -> Option<Written> {
        const NS_PER_MS: u64 = 1_000_000;
        let entry = &self.topics[topic];
        let last = entry.last.as_ref()?;
        let texts = &last.texts;
        Some(Written {
            venue: self.venue.name(),
            symbol: entry.symbol.clone(),
            bid: texts.bid.clone(),
            bid_qty: texts.bid_qty.clone(),
            ask: texts.ask.clone(),
            ask_qty: texts.ask_qty.clone(),
            sequence: last.sequence,
            event_ns: last.event_ms * NS_PER_MS,
            push_ns: push_ms.unwrap_or(last.push_ms) * NS_PER_MS,
            occasion,
            receivers,
        })
    }

    /// Returns the next fault whose moment has come.
    pub(crate) fn due_fault(&mut self, elapsed_ns: u64) -> Option<FaultKind> {
        let quotes = self.stats.quotes;
        self.armed.iter_mut().find_map(|armed| armed.due(quotes, elapsed_ns))
    }

    fn write(&self, entry: &Topic, last: &Last, before: Option<&Texts>, push_ms: u64) -> String {
        let mut out = String::with_capacity(256);
        let wire = WireQuote {
            topic: &entry.name,
            symbol: &entry.symbol,
            texts: &last.texts,
            before,
            delta_dialect: self.has_deltas,
            sequence: last.sequence,
            cross: last.cross,
            // Computed from the update id, so that a repeated frame has the same text.
            orders: [1 + last.sequence % 5, 1 + last.sequence % 7],
            event_ms: last.event_ms,
            push_ms,
        };
        self.venue.frame(&wire, &mut out);
        out
    }
}

/// Replaces texts by what no venue's grid has.
fn spoil_texts(texts: &mut Texts, kind: &FaultKind) {
    let zero = || "0".to_owned();
    if matches!(kind, FaultKind::OneSided | FaultKind::Empty) {
        (texts.ask, texts.ask_qty) = (zero(), zero());
    }
    if *kind == FaultKind::Empty {
        (texts.bid, texts.bid_qty) = (zero(), zero());
    }
    if *kind == FaultKind::Unreadable {
        texts.bid = "NaN".to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues;

    /// Returns a market that lists `BTC/USDT` as topic 0.
    fn market(venue: &str, options: &Options) -> Market {
        let venue = venues::by_name(venue).expect("a known venue");
        let mut market = Market::new(venue, options);
        let symbols = vec![(0, venue.symbol("BTC/USDT"))];
        let name = "BTC/USDT".to_owned();
        let listed = [Listed { name, price_places: 2, size_places: 5, symbols }];
        market.list(&listed, 0).expect("known symbols");
        market
    }

    fn take(market: &mut Market, numbers: [&str; 4]) {
        let [bid, bid_qty, ask, ask_qty] = numbers.map(str::to_owned);
        market.take(0, &Texts { bid, bid_qty, ask, ask_qty }, 1_000, 1_001);
    }

    fn kind(frame: Option<String>) -> &'static str {
        let frame = frame.expect("a frame");
        if frame.contains(r#""type":"delta""#) { "delta" } else { "snapshot" }
    }

    #[test]
    fn the_delta_dialect_restarts_with_a_snapshot_after_a_wrong_quote() {
        let options = Options { bybit_deltas: true, ..Options::default() };
        let mut market = market("bybit", &options);
        take(&mut market, ["1", "1", "2", "1"]);
        assert_eq!(kind(market.change(0)), "snapshot");
        take(&mut market, ["1", "2", "2", "1"]);
        assert_eq!(kind(market.change(0)), "delta");
        assert!(market.spoil(0, &FaultKind::ZeroSize).is_some());
        assert_eq!(kind(market.change(0)), "snapshot");
        take(&mut market, ["1", "3", "2", "1"]);
        assert_eq!(kind(market.change(0)), "snapshot");
        take(&mut market, ["1", "4", "2", "1"]);
        assert_eq!(kind(market.change(0)), "delta");
    }

    #[test]
    fn wrong_quotes_are_wrong_in_one_way_and_use_up_an_update_id() {
        for (kind, numbers, wrong) in [
            (FaultKind::Crossed, ["1", "1", "2", "1"], ["2", "1", "1", "1"]),
            (FaultKind::Crossed, ["2", "1", "2", "1"], ["92", "1", "2", "1"]),
            (FaultKind::ZeroSize, ["1", "1", "2", "1"], ["1", "0", "2", "1"]),
            (FaultKind::Negative, ["1", "1", "2", "1"], ["-1", "1", "2", "1"]),
            (FaultKind::OneSided, ["1", "1", "2", "1"], ["1", "1", "0", "0"]),
            (FaultKind::Empty, ["1", "1", "2", "1"], ["0", "0", "0", "0"]),
            (FaultKind::Unreadable, ["1", "1", "2", "1"], ["NaN", "1", "2", "1"]),
        ] {
            let mut market = market("bybit", &Options::default());
            assert!(market.spoil(0, &kind).is_none(), "there is no quote to spoil");
            take(&mut market, numbers);
            let written = |market: &Market| market.written(0, Occasion::Faulty, None, 1);
            let before = written(&market).expect("a quote");
            assert!(market.spoil(0, &kind).is_some());
            let it = written(&market).expect("a quote");
            assert_eq!([&*it.bid, &*it.bid_qty, &*it.ask, &*it.ask_qty], wrong);
            assert_eq!(it.sequence, before.sequence + 1);
        }
    }

    #[test]
    fn only_silent_topics_with_subscribers_are_repeated() {
        const NS_PER_S: u64 = 1_000_000_000;
        for (venue, subscribers, silence_ns, is_due) in [
            ("bybit", vec![], 9 * NS_PER_S, false),
            ("bybit", vec![0], 3 * NS_PER_S - 1, false),
            ("bybit", vec![0], 3 * NS_PER_S, true),
            ("okx", vec![0], 60 * NS_PER_S, true),
            ("binance", vec![0], 999 * NS_PER_S, false),
        ] {
            let mut market = market(venue, &Options::default());
            market.topics[0].subscribers = subscribers;
            market.topics[0].sent_ns = NS_PER_S;
            assert_eq!(market.is_repeat_due(0, NS_PER_S + silence_ns), is_due, "{venue}");
        }
    }

    #[test]
    fn only_listed_instruments_are_known_unless_frames_are_played() {
        let mut market = market("okx", &Options::default());
        assert!(market.knows("bbo-tbt:BTC-USDT"));
        market.topic("bbo-tbt:ETH-USDT");
        assert!(!market.knows("bbo-tbt:ETH-USDT"));
        market.list(&[], 0).expect("no symbols");
        assert!(market.knows("bbo-tbt:ETH-USDT"));
    }
}
