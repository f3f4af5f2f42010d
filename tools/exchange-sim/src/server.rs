//! The simulator's one thread: accepts, answers, plays the source and keeps the venues' timers.
//!
//! It sleeps in the poll until the next item is due, a socket is ready or a timer may have come;
//! it never spins. When some socket is full it stops taking items from the source until the
//! socket has drained, so that nothing is lost and what it holds is bounded by one batch. Must
//! not know venues' formats.

use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message, Utf8Bytes};

use crate::clock::Clock;
use crate::connection::{Connection, Ending, Heard, Shaken, Transport, first_half};
use crate::duration::nanos;
use crate::faults::FaultKind;
use crate::feed::{Feed, paced};
use crate::market::Market;
use crate::options::{Options, Speed};
use crate::shared::Shared;
use crate::stats::{Occasion, Written};
use crate::tls::Identity;
use crate::venue::{Action, Route};

/// How often timers are looked at: heartbeats, repeats, stalls, idle and stuck clients.
const TICK: Duration = Duration::from_millis(20);

/// Items played between two looks at the sockets; also what is held for a full one.
const BATCH: usize = 256;

/// Messages read from one client at a time; one that sends more is not a client.
const MESSAGES_MAX: usize = 4096;

/// A handshake or a close that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

const NS_PER_MS: u64 = 1_000_000;

/// The token that wakes the poll; the next ones are the listeners', then the connections'.
pub(crate) const WAKE: Token = Token(0);

/// Everything the thread owns.
pub(crate) struct Server {
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) identity: Option<Identity>,
    pub(crate) markets: Vec<Market>,
    pub(crate) feed: Feed,
    pub(crate) shared: std::sync::Arc<Shared>,
    connections: Vec<Option<Connection>>,
    accepted: u64,
    /// When the source began to play, ns.
    start_ns: Option<u64>,
    tick_ns: u64,
    produced: u64,
    late_ns_max: u64,
    has_ended: bool,
    written: Vec<Written>,
}

impl Server {
    pub(crate) fn new(
        poll: Poll,
        options: Options,
        identity: Option<Identity>,
        markets: Vec<Market>,
        feed: Feed,
        shared: std::sync::Arc<Shared>,
    ) -> Server {
        Server {
            poll,
            clock: Clock::start(),
            options,
            identity,
            markets,
            feed,
            shared,
            connections: Vec::new(),
            accepted: 0,
            start_ns: None,
            tick_ns: 0,
            produced: 0,
            late_ns_max: 0,
            has_ended: false,
            written: Vec::new(),
        }
    }

    /// Runs until told to stop; gives back what was written.
    pub(crate) fn run(mut self) -> Vec<Written> {
        let mut events = Events::with_capacity(1024);
        while !self.shared.is_stopping() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                Err(problem) => {
                    self.shared.fail(&format!("the poll failed: {problem}"));
                    break;
                }
            }
            for event in &events {
                self.on_event(event);
            }
            self.begin_if_ready();
            self.tick();
            self.play();
            self.flush();
            self.publish();
        }
        self.say_goodbye();
        self.publish();
        self.written
    }

    fn timeout(&mut self) -> Duration {
        let is_blocked = self.is_blocked();
        let Some(start_ns) = self.start_ns else { return TICK };
        let Some(item) = self.feed.peek() else { return TICK };
        if is_blocked {
            return TICK;
        }
        match self.options.speed {
            Speed::Max => Duration::ZERO,
            Speed::Times(speed) => {
                let due_ns = start_ns.saturating_add(paced(item.at_ns, speed));
                Duration::from_nanos(due_ns.saturating_sub(self.clock.now_ns())).min(TICK)
            }
        }
    }

    fn is_blocked(&self) -> bool {
        self.connections.iter().flatten().any(Connection::is_blocked)
    }

    fn on_event(&mut self, event: &Event) {
        let Some(index) = event.token().0.checked_sub(1) else { return };
        match index.checked_sub(self.markets.len()) {
            None => self.accept(index),
            Some(slot) => {
                let now_ns = self.clock.now_ns();
                if let Some(Some(connection)) = self.connections.get_mut(slot)
                    && event.is_writable()
                    && connection.is_blocked()
                {
                    connection.flush(now_ns);
                }
                self.read(slot);
            }
        }
    }

    fn accept(&mut self, market: usize) {
        loop {
            let mut stream = match self.markets[market].listener.accept() {
                Ok((stream, _)) => stream,
                // A client that left before it was accepted; others may be waiting behind it.
                Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => continue,
                // Nobody more, or nothing that another try would mend.
                Err(_) => return,
            };
            let slot = self.free_slot();
            let token = Token(1 + self.markets.len() + slot);
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut stream, token, both);
            let tls = self.identity.as_ref().map(|identity| &identity.config);
            let transport = registered.and_then(|()| Transport::new(stream, tls));
            let Ok(transport) = transport else {
                self.markets[market].stats.turned_away += 1;
                continue;
            };
            self.accepted += 1;
            let id = format!("{:08x}", 0x5eed_0000 + self.accepted);
            let (venue, now_ns) = (self.markets[market].venue, self.clock.now_ns());
            let connection = Connection::new(transport, market, venue, id, now_ns);
            self.connections[slot] = Some(connection);
            self.read(slot);
        }
    }

    fn free_slot(&mut self) -> usize {
        let free = self.connections.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    /// Reads what a client sent, unless its own answers or a fault stand in the way.
    fn read(&mut self, slot: usize) {
        let now_ns = self.clock.now_ns();
        self.shake(slot, now_ns);
        for _ in 0..MESSAGES_MAX {
            let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
            if !connection.is_open() {
                return self.clear(slot);
            }
            if connection.is_blocked() || connection.stalled_until_ns.is_some() {
                connection.is_unread = true;
                return;
            }
            connection.is_unread = false;
            match connection.read() {
                Heard::Nothing => return self.clear(slot),
                Heard::Text(text) => self.on_text(slot, &text, now_ns),
                heard @ (Heard::Ping | Heard::Pong | Heard::Other) => {
                    self.on_control(slot, &heard, now_ns);
                }
            }
        }
        self.expel(slot, "Too many requests", now_ns);
    }

    fn shake(&mut self, slot: usize, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.is_open() {
            return;
        }
        let market = connection.market;
        match connection.shake() {
            Shaken::NotYet => {}
            Shaken::Open(Route::Open { combined, topics, barren }) => {
                connection.session.combined = combined;
                connection.session.barren = barren;
                connection.pushed_ns = now_ns;
                connection.pinged_ns = now_ns;
                let stats = &mut self.markets[market].stats;
                stats.opened += 1;
                stats.connections += 1;
                for topic in topics {
                    self.subscribe(slot, &topic, now_ns);
                }
            }
            Shaken::Open(Route::NotFound) | Shaken::Failed => {
                connection.abandon();
                self.markets[market].stats.turned_away += 1;
            }
        }
    }

    /// Frees the slot of a connection that is gone.
    fn clear(&mut self, slot: usize) {
        let Some(Some(connection)) = self.connections.get(slot) else { return };
        if !connection.is_gone() {
            return;
        }
        let was_open = connection.was_open();
        let market = connection.market;
        self.unsubscribe_all(slot);
        self.connections[slot] = None;
        if was_open {
            self.markets[market].stats.connections -= 1;
        }
    }

    fn unsubscribe_all(&mut self, slot: usize) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let market = connection.market;
        for topic in std::mem::take(&mut connection.session.topics) {
            let market = &mut self.markets[market];
            let index = market.topic(&topic);
            market.topics[index].subscribers.retain(|subscriber| *subscriber != slot);
            market.stats.subscriptions -= 1;
        }
    }

    fn on_control(&mut self, slot: usize, heard: &Heard, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let market = connection.market;
        let stats = &mut self.markets[market].stats;
        match heard {
            Heard::Ping => stats.heartbeats += 1,
            Heard::Pong => {
                stats.pongs += 1;
                connection.unanswered_ns = None;
            }
            Heard::Text(_) | Heard::Other | Heard::Nothing => {}
        }
        self.count_inbound(slot, now_ns);
    }

    fn count_inbound(&mut self, slot: usize, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let most = self.markets[connection.market].manners.inbound_per_second;
        if most.is_some_and(|most| connection.is_flooded(most, now_ns)) {
            self.expel(slot, "Too many requests", now_ns);
        }
    }

    fn on_text(&mut self, slot: usize, text: &Utf8Bytes, now_ns: u64) {
        self.count_inbound(slot, now_ns);
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if !connection.is_live() {
            return;
        }
        let market = &mut self.markets[connection.market];
        market.stats.requests += 1;
        let known = |topic: &str| market.knows(topic);
        let mut actions = market.venue.on_text(text, &connection.session, &known);
        let subscribes = actions.iter().any(|action| matches!(action, Action::Subscribe(_)));
        if subscribes && 0 < market.refusals {
            market.refusals -= 1;
            actions = vec![Action::Fail(market.venue.refusal(text, &connection.session))];
        }
        for action in actions {
            self.act(slot, action, now_ns);
        }
    }

    fn act(&mut self, slot: usize, action: Action, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let stats = &mut self.markets[connection.market].stats;
        match action {
            Action::Reply(text) => connection.send(Message::text(text), now_ns),
            Action::Fail(text) => {
                stats.errors += 1;
                connection.send(Message::text(text), now_ns);
            }
            Action::Heartbeat(text) => {
                stats.heartbeats += 1;
                connection.send(Message::text(text), now_ns);
            }
            Action::Subscribe(topic) => self.subscribe(slot, &topic, now_ns),
            Action::Unsubscribe(topic) => self.unsubscribe(slot, &topic),
            Action::Combine(on) => connection.session.combined = on,
        }
    }

    fn subscribe(&mut self, slot: usize, name: &str, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if connection.session.topics.iter().any(|topic| topic == name) {
            return;
        }
        connection.session.topics.push(name.to_owned());
        let index = connection.market;
        let market = &mut self.markets[index];
        let topic = market.topic(name);
        market.topics[topic].subscribers.push(slot);
        market.stats.subscriptions += 1;
        if !market.manners.snapshot {
            return;
        }
        let push_ms = now_ns / NS_PER_MS;
        if let Some(frame) = market.snapshot(topic, push_ms) {
            market.stats.snapshots += 1;
            market.stats.frames += 1;
            market.stats.frame_len += frame.len() as u64;
            connection.send(Message::text(frame), now_ns);
            self.remember(index, topic, Occasion::Snapshot, Some(push_ms), 1);
        }
    }

    fn unsubscribe(&mut self, slot: usize, name: &str) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let topics = &mut connection.session.topics;
        let Some(position) = topics.iter().position(|topic| topic == name) else { return };
        topics.remove(position);
        let market = &mut self.markets[connection.market];
        let topic = market.topic(name);
        market.topics[topic].subscribers.retain(|subscriber| *subscriber != slot);
        market.stats.subscriptions -= 1;
    }

    fn remember(
        &mut self,
        market: usize,
        topic: usize,
        occasion: Occasion,
        push_ms: Option<u64>,
        receivers: u32,
    ) {
        if self.options.record {
            self.written.extend(self.markets[market].written(topic, occasion, push_ms, receivers));
        }
    }

    fn expel(&mut self, slot: usize, reason: &str, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        if !connection.is_live() {
            return;
        }
        let code = CloseCode::Policy;
        connection.close(code, reason, now_ns);
        self.markets[connection.market].stats.expelled += 1;
        self.unsubscribe_all(slot);
    }

    fn begin_if_ready(&mut self) {
        if self.start_ns.is_some() || !self.shared.is_released() {
            return;
        }
        let held: u64 = self.markets.iter().map(|market| market.stats.subscriptions).sum();
        if held < self.options.wait_for_subscriptions as u64 {
            return;
        }
        self.start_ns = Some(self.clock.now_ns());
        for market in 0..self.markets.len() {
            self.fire_due(market, 0);
        }
    }

    /// Plays the items that are due, one batch at most.
    fn play(&mut self) {
        let Some(start_ns) = self.start_ns else { return };
        let now_ns = self.clock.now_ns();
        for _ in 0..BATCH {
            if self.is_blocked() {
                return;
            }
            let speed = match self.options.speed {
                Speed::Times(speed) => Some(speed),
                Speed::Max => None,
            };
            let Some(item) = self.feed.peek() else { return };
            let due_ns =
                speed.map_or(now_ns, |speed| start_ns.saturating_add(paced(item.at_ns, speed)));
            if now_ns < due_ns {
                return;
            }
            self.late_ns_max = self.late_ns_max.max(now_ns - due_ns);
            self.produced += 1;
            if item.frame.is_some() {
                self.play_frame(now_ns);
            } else {
                self.play_quote(due_ns, speed.unwrap_or(1.0), now_ns);
            }
            self.feed.advance();
        }
    }

    fn play_quote(&mut self, due_ns: u64, speed: f64, now_ns: u64) {
        let Some(item) = self.feed.peek() else { return };
        let index = item.venue;
        let market = &mut self.markets[index];
        let Some(topic) = market.topic_of(item.instrument) else { return };
        let age_ns = paced(item.age_ns.unsigned_abs(), speed);
        let event_ns = if item.age_ns < 0 {
            due_ns.saturating_add(age_ns)
        } else {
            due_ns.saturating_sub(age_ns)
        };
        let push_ns = due_ns.max(event_ns);
        market.take(topic, &item.texts, event_ns / NS_PER_MS, push_ns / NS_PER_MS);
        if market.topics[topic].subscribers.is_empty() {
            market.stats.unheard += 1;
            return;
        }
        if 0 < market.skips {
            market.skips -= 1;
            market.stats.withheld += 1;
            return;
        }
        let Some(frame) = market.change(topic) else { return };
        let receivers = self.deliver(index, topic, &frame, now_ns);
        self.count_quote(index, topic, receivers, now_ns);
    }

    fn play_frame(&mut self, now_ns: u64) {
        let Some(item) = self.feed.peek() else { return };
        let Some(frame) = item.frame.clone() else { return };
        let index = item.venue;
        let market = &mut self.markets[index];
        let Some(recorded) = market.venue.recorded(&frame) else {
            market.stats.unheard += 1;
            return;
        };
        let topic = market.topic(&recorded.topic);
        if market.topics[topic].subscribers.is_empty() {
            market.stats.unheard += 1;
            return;
        }
        if 0 < market.skips {
            market.skips -= 1;
            market.stats.withheld += 1;
            return;
        }
        let is_wrapped = recorded.bare != (0..frame.len());
        let bare = &frame[recorded.bare];
        let whole = is_wrapped.then_some(frame.as_str());
        let receivers = self.deliver_as(index, topic, bare, whole, now_ns);
        self.count_quote(index, topic, receivers, now_ns);
    }

    fn count_quote(&mut self, index: usize, topic: usize, receivers: u32, now_ns: u64) {
        let market = &mut self.markets[index];
        if receivers == 0 {
            market.stats.withheld += 1;
            return;
        }
        market.stats.quotes += 1;
        market.last_topic = topic;
        self.remember(index, topic, Occasion::Change, None, receivers);
        let elapsed_ns = self.start_ns.map_or(0, |start_ns| now_ns.saturating_sub(start_ns));
        self.fire_due(index, elapsed_ns);
    }

    /// Writes a frame to a topic's subscribers; says to how many.
    fn deliver(&mut self, market: usize, topic: usize, bare: &str, now_ns: u64) -> u32 {
        self.deliver_as(market, topic, bare, None, now_ns)
    }

    /// `whole` is the frame as a combined stream carries it, if there is one ready.
    fn deliver_as(
        &mut self,
        market: usize,
        topic: usize,
        bare: &str,
        whole: Option<&str>,
        now_ns: u64,
    ) -> u32 {
        let market = &mut self.markets[market];
        let entry = &mut market.topics[topic];
        let mut forms: [Option<Utf8Bytes>; 2] = [None, None];
        let mut receivers = 0;
        for slot in &entry.subscribers {
            let Some(Some(connection)) = self.connections.get_mut(*slot) else { continue };
            if !connection.is_live() || connection.stalled_until_ns.is_some() {
                continue;
            }
            let form = forms[usize::from(connection.session.combined)].get_or_insert_with(|| {
                if !connection.session.combined {
                    return bare.into();
                }
                let wrapped = || market.venue.combined(&entry.name, bare);
                whole.map(str::to_owned).or_else(wrapped).map_or_else(|| bare.into(), Into::into)
            });
            market.stats.frames += 1;
            market.stats.frame_len += form.len() as u64;
            connection.send(Message::Text(form.clone()), now_ns);
            receivers += 1;
        }
        entry.sent_ns = now_ns;
        receivers
    }

    fn fire_due(&mut self, market: usize, elapsed_ns: u64) {
        while let Some(kind) = self.markets[market].due_fault(elapsed_ns) {
            self.markets[market].stats.faults += 1;
            self.fire(market, kind);
        }
    }

    fn fire(&mut self, index: usize, kind: FaultKind) {
        let now_ns = self.clock.now_ns();
        let market = &mut self.markets[index];
        let topic = market.last_topic;
        let last = || market.snapshot(topic, now_ns / NS_PER_MS).unwrap_or_else(|| "{}".to_owned());
        match kind {
            FaultKind::Drop => self.each_live(index, |it| it.end(Ending::Reset)),
            FaultKind::Cut => {
                let half = first_half(&last());
                self.each_live(index, |it| it.end(Ending::Cut(half.clone())));
            }
            FaultKind::Close => {
                self.each_live(index, |it| it.close(CloseCode::Away, "scripted", now_ns));
            }
            FaultKind::Stall(time) => {
                let until_ns = now_ns.saturating_add(nanos(time));
                self.each_live(index, |it| it.stalled_until_ns = Some(until_ns));
            }
            FaultKind::Garbage => self.tell_all(index, "\u{1}garbage]} not json \\", now_ns),
            FaultKind::Unknown => {
                self.tell_all(index, r#"{"e":"unheardOf","version":99,"data":[null]}"#, now_ns);
            }
            FaultKind::Truncated => {
                let frame = last();
                self.tell_all(index, &frame[..frame.len() / 2], now_ns);
            }
            FaultKind::Oversized(length) => {
                self.tell_all(index, &format!(r#"{{"pad":"{}"}}"#, "x".repeat(length)), now_ns);
            }
            FaultKind::Skip(count) => market.skips += count,
            FaultKind::Refuse => market.refusals += 1,
            FaultKind::Crossed | FaultKind::ZeroSize | FaultKind::Negative => {
                self.send_spoilt(index, topic, kind, now_ns);
            }
        }
    }

    fn send_spoilt(&mut self, index: usize, topic: usize, kind: FaultKind, now_ns: u64) {
        let market = &mut self.markets[index];
        // Before the first quote there is none to spoil; recorded frames have none to the server.
        let is_known = topic < market.topics.len() && market.snapshot(topic, 0).is_some();
        if !is_known || market.spoil(topic, kind).is_none() {
            return;
        }
        let Some(frame) = market.change(topic) else { return };
        let receivers = self.deliver(index, topic, &frame, now_ns);
        self.remember(index, topic, Occasion::Faulty, None, receivers);
    }

    fn each_live(&mut self, market: usize, mut act: impl FnMut(&mut Connection)) {
        let connections = self.connections.iter_mut().flatten();
        connections.filter(|it| it.market == market && it.is_live()).for_each(&mut act);
    }

    fn tell_all(&mut self, market: usize, text: &str, now_ns: u64) {
        self.each_live(market, |it| {
            if it.stalled_until_ns.is_none() {
                it.send(Message::text(text), now_ns);
            }
        });
    }

    /// Looks at every timer, at most once a tick.
    fn tick(&mut self) {
        let now_ns = self.clock.now_ns();
        if now_ns < self.tick_ns {
            return;
        }
        self.tick_ns = now_ns + nanos(TICK);
        for slot in 0..self.connections.len() {
            self.tick_connection(slot, now_ns);
        }
        for market in 0..self.markets.len() {
            self.repeat(market, now_ns);
            if let Some(start_ns) = self.start_ns {
                self.fire_due(market, now_ns.saturating_sub(start_ns));
            }
        }
    }

    fn tick_connection(&mut self, slot: usize, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let passed = |since_ns: u64, time: Duration| nanos(time) <= now_ns.saturating_sub(since_ns);
        let begun_ns = connection.closing_ns.unwrap_or(connection.accepted_ns);
        if !connection.is_live() && !connection.is_ending() && passed(begun_ns, PATIENCE) {
            connection.abandon();
            return self.clear(slot);
        }
        if nanos(self.options.stuck_after) < connection.stuck_ns(now_ns) {
            self.markets[connection.market].stats.stuck += 1;
            connection.abandon();
            return self.clear(slot);
        }
        if connection.stalled_until_ns.is_some_and(|until_ns| until_ns <= now_ns) {
            connection.stalled_until_ns = None;
        }
        if connection.stalled_until_ns.is_some() || !connection.is_live() {
            return;
        }
        self.beat(slot, now_ns);
        if matches!(&self.connections[slot], Some(connection) if connection.is_unread) {
            self.read(slot);
        }
    }

    /// Protocol pings, their deadline, and the deadline of silence.
    fn beat(&mut self, slot: usize, now_ns: u64) {
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let market = &mut self.markets[connection.market];
        let passed = |since_ns: u64, time: Option<Duration>| {
            time.is_some_and(|time| nanos(time) <= now_ns.saturating_sub(since_ns))
        };
        let manners = market.manners;
        if connection.unanswered_ns.is_some_and(|since_ns| passed(since_ns, manners.pong_within)) {
            return self.expel(slot, "Pong timeout", now_ns);
        }
        if passed(connection.pushed_ns, manners.idle_close) {
            return self.expel(slot, "No data received", now_ns);
        }
        if passed(connection.pinged_ns, manners.ping_every) {
            market.stats.pings += 1;
            connection.pinged_ns = now_ns;
            connection.unanswered_ns.get_or_insert(now_ns);
            let payload = (now_ns / NS_PER_MS).to_string();
            connection.send(Message::Ping(Bytes::from(payload)), now_ns);
        }
    }

    /// Sends the last quotes of silent topics again.
    fn repeat(&mut self, index: usize, now_ns: u64) {
        let market = &self.markets[index];
        let Some(after) = market.manners.repeat_after else { return };
        for topic in 0..market.topics.len() {
            let market = &mut self.markets[index];
            let entry = &mut market.topics[topic];
            let is_silent = nanos(after) <= now_ns.saturating_sub(entry.sent_ns);
            if entry.subscribers.is_empty() || !is_silent {
                continue;
            }
            let push_ms = now_ns / NS_PER_MS;
            let Some(frame) = market.snapshot(topic, push_ms) else { continue };
            let receivers = self.deliver(index, topic, &frame, now_ns);
            if 0 < receivers {
                self.markets[index].stats.repeats += 1;
                self.remember(index, topic, Occasion::Repeat, Some(push_ms), receivers);
            }
        }
    }

    fn flush(&mut self) {
        let now_ns = self.clock.now_ns();
        for slot in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[slot] else { continue };
            if connection.is_dirty() && !connection.is_blocked() {
                connection.flush(now_ns);
            }
            if !connection.is_blocked() && connection.is_unread {
                self.read(slot);
            }
            self.clear(slot);
        }
    }

    fn publish(&mut self) {
        let is_drained = !self.connections.iter().flatten().any(Connection::is_dirty);
        if self.start_ns.is_some() && !self.has_ended && self.feed.peek().is_none() && is_drained {
            self.has_ended = true;
        }
        let venues = self.markets.iter().map(|market| market.stats);
        let is_playing = self.start_ns.is_some();
        let counted = (self.produced, self.late_ns_max, is_playing, self.has_ended);
        self.shared.publish(venues, counted, self.feed.missing(), self.feed.problem());
    }

    fn say_goodbye(&mut self) {
        let now_ns = self.clock.now_ns();
        for connection in self.connections.iter_mut().flatten() {
            if connection.is_live() {
                connection.flush(now_ns);
                connection.close(CloseCode::Away, "the simulator stops", now_ns);
            }
        }
    }
}
