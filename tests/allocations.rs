//! In steady state, the path of a quote allocates no memory, from the socket's bytes to a client's.
//!
//! Each test first warms its agents up, which grows their buffers, and then counts the allocations
//! of the thread that drives them. Rare operations may allocate and are not tested here:
//! connecting, logging a sample of a rejected frame, a client's request, the journal's next
//! segment. Over TLS, the library returns each record in newly allocated memory, so exactly one
//! allocation per record is allowed.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as the tests may")]

use crossbeam::channel;
use hdrhistogram::Histogram;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use spreadwire_config::address::Address;
use spreadwire_engine::broadcast::{self, Broadcast};
use spreadwire_engine::calculator::{Calculator, Output};
use spreadwire_engine::decision::Decision;
use spreadwire_engine::feed::{ColdSide, ConnectionPlan, Feed};
use spreadwire_engine::journal::syncer::{self, Syncer};
use spreadwire_engine::journal::{self, Annex, Disk, Edges, Journal};
use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::frame_ring;
use spreadwire_engine::runtime::ring::{self, CountSender, EdgeCounters, Receiver};
use spreadwire_engine::runtime::stopwatch::{self, Readings};
use spreadwire_engine::socket::connector::{self, Connected, Request, Target};
use spreadwire_engine::socket::socket_options::SocketOptions;
use spreadwire_kit::counting_allocator::{Counting, counted};
use spreadwire_kit::quotes::{self, status};
use spreadwire_lake::disk::FreeSpace;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_market::book::Book;
use spreadwire_market::clock::{Clock, MICRO, MILLI, Nanos, SECOND};
use spreadwire_market::counters::Counters;
use spreadwire_market::decision::{DecisionMaker, Settings};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::{GapCause, Record, Spread};
use spreadwire_market::state::State;
use spreadwire_rigs::fixture::Fixture;
use spreadwire_rigs::source::{Source, catalogue};
use spreadwire_venues::health::{Bounds, LINES_MAX};
use spreadwire_venues::venue::VenueSpec;
use spreadwire_venues::venues::VENUES;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, HandshakeError, WebSocket};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;
/// Number of frames of each venue in a round of the pipeline.
const FRAMES: usize = 50;
/// Number of cycles after which a test gives up waiting for loopback.
const PATIENCE: usize = 10_000_000;

fn edge() -> (CountSender, Receiver) {
    ring::count(1 << 10, EdgeCounters::default())
}

/// All agents behind the sockets except the broadcast, on one thread.
struct Pipeline {
    sources: Vec<Source>,
    /// Edge of each source.
    frames: Vec<Vec<Vec<u8>>>,
    calculator: Calculator,
    decision: Decision,
    journal: Journal,
    syncer: Syncer,
    opportunities: Receiver,
    clock: Clock,
    counters: Counters,
    readings: Vec<Readings>,
    syncs: usize,
    _lake: tempfile::TempDir,
}

impl Pipeline {
    fn new() -> Pipeline {
        let (clock, counters, catalogue) =
            (Clock::manual(MIDNIGHT), Counters::default(), catalogue(SECOND));
        let mut readings = Vec::new();
        let mut stopwatch = |stage| {
            let venues = (0..=u8::MAX).map(VenueId).take(VENUES.len()).collect();
            let (stopwatch, reading) = stopwatch::pair(stage, venues, clock.clone());
            readings.push(reading);
            stopwatch
        };
        let (sources, inputs): (Vec<_>, Vec<_>) =
            VENUES.iter().enumerate().map(|(place, spec)| Source::new(place, spec)).unzip();
        let frames = sources.iter().map(|s| s.fixture.quotes(FRAMES, 0)).collect();
        let (to_decision, decision_in) = edge();
        let (to_journal, journal_in) = edge();
        let (to_chronicle, opportunities) = edge();
        let (journal_spreads, spreads) = edge();
        let (journal_opportunities, stored_opportunities) = edge();
        let outputs = vec![
            Output::of_results(to_decision),
            Output::of_inputs(to_journal),
            Output::of_spreads(journal_spreads, -0.002),
        ];
        let book = Book::new(&catalogue);
        let calculator = Calculator::new(inputs, outputs, book, clock.clone(), &counters)
            .timed(stopwatch("read_to_spread"));
        // Everything opens at once and closes when a leg is lost.
        let settings =
            Settings { entry: -1.0, exit: -2.0, cooldown: 0, enabled: vec![true; 3], rules: None };
        let maker = DecisionMaker::new(&catalogue, settings);
        let outputs = vec![to_chronicle, journal_opportunities];
        let decision = Decision::new(decision_in, outputs, maker, clock.clone(), &counters)
            .timed(stopwatch("read_to_decision"));
        let lake = tempfile::tempdir().unwrap();
        let origin =
            Origin { run: RunId::new("run").unwrap(), catalogue: catalogue_digest(&catalogue) };
        // Blocks are written all the time; syncing them happens on another thread.
        let settings = journal::Settings {
            block_records_max: 32,
            sync_interval: 10 * MILLI,
            ..journal::Settings::default()
        };
        let (sealer, _) = channel::bounded(1);
        let folder = lake.path().join(spreadwire_lake::layout::JOURNAL);
        let (requests, syncer) = syncer::pair(&folder, true, sealer);
        let (states, _) = edge();
        let disk = Disk { lake: lake.path(), free: FreeSpace::of_host(), syncer: requests };
        let annexes = vec![
            Annex { receiver: spreads, cause: GapCause::Spreads },
            Annex { receiver: stored_opportunities, cause: GapCause::Opportunities },
        ];
        let edges = Edges { inputs: journal_in, annexes, states };
        let journal = Journal::new(edges, disk, origin, settings, clock.clone(), &counters)
            .timed(stopwatch("read_to_journal"));
        Pipeline {
            sources,
            frames,
            calculator,
            decision,
            journal,
            syncer,
            opportunities,
            clock,
            counters,
            readings,
            syncs: 0,
            _lake: lake,
        }
    }

    fn cycle(&mut self, now: Nanos) {
        self.clock.set(now);
        self.calculator.do_work(now);
        self.decision.do_work(now);
        self.journal.do_work(now);
        self.opportunities.drain(|_| ());
    }

    /// Sends the frames of every venue once, in turn, and then loses every venue.
    fn round(&mut self, round: u64) {
        let mut now = MIDNIGHT + round * 10 * MILLI;
        for frame in 0..FRAMES {
            for source in 0..self.sources.len() {
                self.sources[source].decode(&self.frames[source][frame]);
                self.sources[source].pass_on(now);
                now += 10 * MICRO;
                self.cycle(now);
            }
        }
        self.sources.iter_mut().for_each(|source| source.lose(now));
        self.cycle(now);
        self.syncs += self.syncer.handle_queued();
    }

    /// Does what the telemetry does on its own thread: takes the latencies handed over since the
    /// last call and requests the next. Returns their number.
    fn gather(&mut self) -> u64 {
        let mut samples = 0;
        for readings in &mut self.readings {
            readings.take(|times| {
                samples += times.histograms.iter().map(Histogram::len).sum::<u64>();
            });
            assert!(readings.ask(), "nothing is open");
        }
        samples
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.expect(name)
    }
}

#[test]
fn a_quote_becomes_spreads_decisions_and_a_journal_entry_without_an_allocation() {
    let mut pipeline = Pipeline::new();
    pipeline.gather();
    pipeline.round(0);
    let (quotes, opened) = (pipeline.count("calculator.quotes"), pipeline.count("decision.opened"));
    let mut timed = pipeline.gather();
    let ((), allocations) = counted(|| {
        for round in 1..=20 {
            pipeline.round(round);
            // Histograms are handed over in every round.
            timed += pipeline.gather();
        }
    });
    assert_eq!(allocations, 0);
    let venues = VENUES.len() as u64;
    assert_eq!(pipeline.count("calculator.quotes") - quotes, 20 * FRAMES as u64 * venues);
    assert_eq!(pipeline.count("decision.opened") - opened, 20 * venues * (venues - 1));
    assert_eq!(pipeline.count("decision.closed"), pipeline.count("decision.opened"));
    assert!(20 * FRAMES as u64 * venues * (venues - 1) < pipeline.count("calculator.spreads"));
    assert!(10 < pipeline.syncs, "{} syncs", pipeline.syncs);
    assert_eq!(pipeline.count("journal.recording"), 1);
    pipeline.cycle(MIDNIGHT + SECOND);
    timed += pipeline.gather();
    let inputs = pipeline.count("calculator.quotes") + pipeline.count("calculator.statuses");
    // The journal's last block is not written yet.
    let all = 2 * inputs + pipeline.count("calculator.spreads");
    assert!((all - 32..=all).contains(&timed), "{timed} of {all}");
    pipeline.journal.on_close();
    assert_eq!(pipeline.count("journal.quotes"), pipeline.count("calculator.quotes"));
    let opportunities = pipeline.count("decision.opened") + pipeline.count("decision.closed");
    assert_eq!(pipeline.count("journal.opportunities"), opportunities);
    let stored = pipeline.count("journal.spreads");
    assert!(0 < stored && stored < pipeline.count("calculator.spreads"), "{stored}");
}

/// A WebSocket whose reads do not block.
type Client = WebSocket<TcpStream>;

/// Connects, while `serve` runs the other side on this thread.
fn connect_beside(
    address: std::net::SocketAddr,
    subprotocol: &'static str,
    mut serve: impl FnMut(),
) -> Client {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(subprotocol));
    let mut attempt = tungstenite::client(request, tcp);
    for _ in 0..PATIENCE {
        match attempt {
            Ok((client, _)) => return client,
            Err(HandshakeError::Interrupted(unfinished)) => {
                serve();
                attempt = unfinished.handshake();
            }
            Err(HandshakeError::Failure(error)) => panic!("{error}"),
        }
    }
    panic!("no upgrade")
}

/// Takes all available frames and returns their number.
fn take_frames<S: Read + Write>(client: &mut WebSocket<S>) -> usize {
    let mut frames = 0;
    loop {
        match client.read() {
            Ok(frame) => {
                drop(frame);
                frames += 1;
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return frames,
            Err(error) => panic!("{error}"),
        }
    }
}

fn spread(ts_recv: Nanos, turn: u64) -> Record {
    let (buy, sell) = if turn.is_multiple_of(2) { (1, 0) } else { (0, 1) };
    let prices = [618_376_300_000_000, 618_376_300_000_000 + turn.cast_signed()];
    let instrument = u32::try_from(turn % 3).unwrap();
    let spread = quotes::spread(instrument, [buy, sell], prices, ts_recv);
    Spread { sequence: turn, net: 0.001, ..spread }.into()
}

#[test]
fn a_spread_goes_out_to_clients_of_both_protocols_without_an_allocation() {
    let (clock, counters) = (Clock::manual(MIDNIGHT), Counters::default());
    let (mut sender, records) = edge();
    let (_, states) = edge();
    let listener = broadcast::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let settings = broadcast::Settings::default();
    let catalogue = Arc::new(catalogue(SECOND));
    let named = Arc::clone(&catalogue);
    let clocked = clock.clone();
    let (mut reception, mut agent) =
        broadcast::serve(records, states, named, listener, settings, clocked, &counters).unwrap();
    let address = reception.address().unwrap();
    let mut now = MIDNIGHT;
    let mut cycle = |agent: &mut Broadcast| {
        now += MILLI;
        clock.set(now);
        reception.do_work(now);
        counted(|| agent.do_work(now)).1
    };
    // Subscriptions to everything, and filters that are evaluated for each message: one passes half
    // of them, one almost nothing.
    let mut clients: Vec<Client> = Vec::new();
    for subprotocol in [broadcast::JSON_SUBPROTOCOL, broadcast::BINARY_SUBPROTOCOL] {
        for request in [
            r#"{"op":"subscribe"}"#.to_owned(),
            format!(r#"{{"op":"subscribe","instruments":["{}"]}}"#, catalogue.instruments[1].name),
            r#"{"op":"subscribe","min_net_bps":1000}"#.to_owned(),
        ] {
            let mut client = connect_beside(address, subprotocol, || {
                cycle(&mut agent);
            });
            client.send(request.into()).unwrap();
            clients.push(client);
        }
    }
    let (mut allocations, mut received) = (0, 0);
    for round in 0..1_100 {
        if round % 50 == 0 {
            // Every leg is lost and comes back.
            for (instrument, venue) in (0..3).flat_map(|i| [(i, 0), (i, 1)]) {
                sender.offer(status(venue, instrument, State::Stale, MIDNIGHT).into());
                sender.offer(status(venue, instrument, State::Live, MIDNIGHT).into());
            }
        }
        for turn in 0..8 {
            sender.offer(spread(MIDNIGHT, round * 8 + turn));
        }
        let found = cycle(&mut agent);
        let frames: usize = clients.iter_mut().map(take_frames).sum();
        if 100 <= round {
            allocations += found;
            received += frames;
        }
    }
    assert_eq!(allocations, 0, "over {received} messages");
    assert!(2 * 8_000 + 2 * 2_500 <= received, "{received}");
    assert_eq!(counters.expect("broadcast.conflated"), 0);
}

/// The other end of a loopback WebSocket, which writes what the test tells it to.
struct Peer {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

/// Its end of a connection.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Peer {
    fn new() -> Peer {
        Peer { listener: TcpListener::bind("127.0.0.1:0").unwrap(), tls: None }
    }

    /// Uses TLS with a certificate of its own, which is written to `file`.
    fn secure(file: &Path) -> Peer {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(file, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Peer { tls: Some(Arc::new(config)), ..Peer::new() }
    }

    fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}/", self.listener.local_addr().unwrap())
    }

    /// Upgrades the connection that `connect` makes in the meantime, and returns both ends.
    fn upgrade<C>(&self, connect: impl FnOnce() -> C) -> (Box<dyn Stream>, C) {
        let (listener, tls) = (self.listener.try_clone().unwrap(), self.tls.clone());
        let accept = move || -> Box<dyn Stream> {
            let tcp = listener.accept().unwrap().0;
            match tls {
                None => Box::new(tungstenite::accept(tcp).unwrap().into_inner()),
                Some(config) => {
                    let session = ServerConnection::new(config).unwrap();
                    let stream = StreamOwned::new(session, tcp);
                    Box::new(tungstenite::accept(stream).unwrap().into_inner())
                }
            }
        };
        let thread = std::thread::Builder::new().name("peer".to_owned()).spawn(accept).unwrap();
        let client = connect();
        (thread.join().unwrap(), client)
    }
}

/// Returns consecutive frames as a server sends them: JSON as text, and what is no JSON as binary ones.
fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        let length = u16::try_from(frame.len()).unwrap();
        bytes.push(if matches!(frame[0], b'{' | b'[') { 0x81 } else { 0x82 });
        match u8::try_from(length) {
            Ok(short) if short < 126 => bytes.push(short),
            _ => {
                bytes.push(126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        bytes.extend_from_slice(frame);
    }
    bytes
}

/// Numbers of frames in a burst: one, a few, more than a feed reads in one turn, more than one read
/// holds.
const BURSTS: [usize; 6] = [1, 1, 3, 1, 40, 100];
/// Numbers of rounds of all bursts, before and while counting.
const ROUNDS: (usize, usize) = (4, 100);

/// Returns the bytes of each burst of a round, with their numbers of frames.
fn bursts(fixture: &Fixture, round: usize) -> Vec<(Vec<u8>, usize)> {
    let frames = fixture.quotes(BURSTS.iter().sum(), round);
    let mut rest = &frames[..];
    let cut = |count: &usize| {
        let (burst, behind) = rest.split_at(*count);
        rest = behind;
        (framed(burst), *count)
    };
    BURSTS.iter().map(cut).collect()
}

/// Counts the allocations of `read`, which returns the number of frames it took: first during
/// warm-up, then over the counted rounds.
fn count_reading(
    fixture: &Fixture,
    mut peer: Box<dyn Stream>,
    mut read: impl FnMut(usize) -> usize,
) -> (u64, u64) {
    let (mut warm, mut counting, mut at) = (0, 0, 0);
    for round in 0..ROUNDS.0 + ROUNDS.1 {
        for (bytes, frames) in bursts(fixture, round) {
            peer.write_all(&bytes).unwrap();
            let mut left = frames;
            for _ in 0..PATIENCE {
                at += 1;
                let (taken, found) = counted(|| read(at));
                left -= taken;
                *(if round < ROUNDS.0 { &mut warm } else { &mut counting }) += found;
                if left == 0 {
                    break;
                }
            }
            assert_eq!(left, 0, "{frames} frames were sent");
        }
    }
    (warm, counting)
}

/// Drives whole duty cycles of a feed whose frames may be captured.
fn count_feed(
    spec: &'static VenueSpec,
    peer: &Peer,
    target: &Target,
    captured: bool,
) -> (u64, u64) {
    let (clock, counters) = (Clock::manual(MIDNIGHT), Counters::default());
    let (requests, asked) = channel::bounded(1);
    let (answer, answers) = channel::bounded(1);
    let (notices, _noticed) = channel::bounded(16);
    let Fixture { symbols, .. } = Fixture::of(spec);
    let instruments = symbols.list().iter().map(|symbol| symbol.text.clone()).collect();
    let plan = ConnectionPlan {
        venue: VenueId(0),
        spec,
        symbols,
        instruments,
        bounds: Bounds { max_lag: SECOND, max_jump: 0.1, ..Bounds::of_age(SECOND) },
        lines: 1,
    };
    let (edge, mut receiver) = ring::hold(1 << 10, EdgeCounters::default());
    let (sender, mut kept) = frame_ring::frames(1 << 20, &[captured; LINES_MAX]);
    let cold = ColdSide { requests, answers, notices, frames: captured.then_some(sender) };
    let mut feed = Feed::new("feed", vec![plan], edge, cold, clock.clone(), 1, &counters).unwrap();
    feed.on_start();
    feed.do_work(MIDNIGHT);
    let Request { connection, .. } = asked.try_recv().unwrap();
    let (server, socket) = peer.upgrade(|| connector::connect(target, &clock));
    answer.send(Connected { connection, socket: socket.map(Box::new) }).unwrap();
    let of_feed = |what: &str| counters.reader(&format!("feed.{}.0.{what}", spec.name)).unwrap();
    let (frames, quotes) = (of_feed("frames"), of_feed("quotes"));
    let mut entries = 0;
    // The requests for all symbols leave at the venue's pace, before anything is counted.
    let start = MIDNIGHT + 2 * SECOND;
    let ((), prepared) = counted(|| {
        for now in (MIDNIGHT..start).step_by(usize::try_from(10 * MILLI).unwrap()) {
            clock.set(now);
            feed.do_work(now);
        }
    });
    let (warm, counting) = count_reading(&Fixture::of(spec), server, |at| {
        let before = frames.get();
        // Slow enough that its timers are due now and then, too fast for a heartbeat.
        let now = start + (at as u64 * 10 * MICRO).min(8 * SECOND);
        clock.set(now);
        feed.do_work(now);
        receiver.drain(|_| ());
        entries += kept.drain(usize::MAX, |_, _| ());
        usize::try_from(frames.get() - before).unwrap()
    });
    assert_eq!(quotes.get(), frames.get(), "every frame is a quote");
    assert_eq!(of_feed("general").get(), 0, "every frame is taken by position");
    assert_eq!(entries as u64, if captured { frames.get() } else { 0 }, "every frame is kept");
    (prepared + warm, counting)
}

fn target(peer: &Peer, ca_file: Option<&Path>, options: SocketOptions) -> Target {
    let address = Address::parse(&peer.url()).unwrap();
    Target { address, tls: connector::tls_config(ca_file).unwrap(), options, headers: &[] }
}

#[test]
fn a_feed_reads_frames_without_an_allocation() {
    for spec in VENUES {
        let stamped = SocketOptions { kernel_timestamps: true, ..SocketOptions::default() };
        for (captured, options) in
            [(false, SocketOptions::default()), (true, SocketOptions::default()), (false, stamped)]
        {
            let peer = Peer::new();
            let (warm, feed) = count_feed(spec, &peer, &target(&peer, None, options), captured);
            assert!(0 < warm, "the count sees the decoder's buffers grow");
            assert_eq!(feed, 0, "{}: captured {captured}, {options:?}", spec.name);
        }
    }
}

#[test]
fn a_feed_over_tls_allocates_what_the_library_does_for_each_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let spec = &VENUES[0];
    let peer = Peer::secure(&file);
    let target = target(&peer, Some(&file), SocketOptions::default());
    let (_, feed) = count_feed(spec, &peer, &target, false);
    let records = |(bytes, _): (Vec<u8>, usize)| bytes.len().div_ceil(16 * 1024) as u64;
    let rounds = ROUNDS.0..ROUNDS.0 + ROUNDS.1;
    let records: u64 =
        rounds.flat_map(|round| bursts(&Fixture::of(spec), round)).map(records).sum();
    assert_eq!(feed, records, "allocations, records");
}
