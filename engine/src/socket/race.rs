//! Reaches a host by whichever of its addresses answers first (RFC 8305, "Happy Eyeballs").
//!
//! A host with a dead IPv6 route must not cost the whole deadline. The addresses are ordered so that
//! the families alternate. An attempt begins with the first; the next one joins when 250 ms have
//! passed or an attempt has failed, and the first connection wins. [`Race`] decides, with times handed
//! in; [`connect`] has the sockets, which do not block.

use mio::event::Event;
use mio::net::TcpStream as Connecting;
use mio::{Events, Interest, Poll, Token};
use spreadwire_market::clock::{Clock, MILLI, Nanos};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Time that an address has before the next one joins: the "Connection Attempt Delay" of RFC 8305,
/// section 5.
const JOIN_DELAY: Nanos = 250 * MILLI;
/// Maximum number of addresses of a host that are tried. So many join within the first 4 s of a
/// deadline of 10 s.
pub(super) const ADDRESSES_MAX: usize = 16;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Begin to connect to this address.
    Begin(SocketAddr),
    /// Wait for an answer, at the longest until this time if there is one.
    Wait(Option<Nanos>),
    /// Every address has failed.
    Lost,
}

/// The state of a race.
#[derive(Debug)]
struct Race {
    rest: VecDeque<SocketAddr>,
    /// Number of addresses whose answer is awaited.
    running: usize,
    /// When the next address joins.
    join_at: Nanos,
}

impl Race {
    fn new(addresses: &[SocketAddr], now: Nanos) -> Race {
        Race { rest: alternating(addresses), running: 0, join_at: now }
    }

    fn next(&mut self, now: Nanos) -> Next {
        if self.rest.is_empty() {
            return if self.running == 0 { Next::Lost } else { Next::Wait(None) };
        }
        if now < self.join_at {
            return Next::Wait(Some(self.join_at));
        }
        self.join_at = now + JOIN_DELAY;
        self.running += 1;
        self.rest.pop_front().map_or(Next::Lost, Next::Begin)
    }

    /// Notes that an address failed: the next one joins at once.
    fn failed(&mut self, now: Nanos) {
        self.running -= 1;
        self.join_at = self.join_at.min(now);
    }

    /// Takes back an address that may not be tried before `until`.
    fn put_off(&mut self, address: SocketAddr, until: Nanos) {
        self.running -= 1;
        self.rest.push_front(address);
        self.join_at = until;
    }
}

/// Orders addresses so that the families alternate, beginning with the family of the first. Within a
/// family the resolver's order stays.
fn alternating(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (of_first, others): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .take(ADDRESSES_MAX)
        .partition(|address| address.is_ipv6() == first);
    let (mut of_first, mut others) = (of_first.into_iter(), others.into_iter());
    let mut ordered = VecDeque::new();
    loop {
        let before = ordered.len();
        ordered.extend(of_first.next());
        ordered.extend(others.next());
        if ordered.len() == before {
            return ordered;
        }
    }
}

/// Why a race has no winner.
#[derive(Debug)]
pub(super) enum Lost {
    /// The deadline passed.
    Late,
    /// Every address failed; the error of the last one.
    Failed(io::Error),
}

/// Returns a blocking connection to the first address that accepts one before `until`. `may_join` is
/// asked before each address but the first, and returns the time to ask again if it refuses.
pub(super) fn connect(
    addresses: &[SocketAddr],
    clock: &Clock,
    until: Nanos,
    mut may_join: impl FnMut(Nanos) -> Result<(), Nanos>,
) -> Result<TcpStream, Lost> {
    let mut race = Race::new(addresses, clock.now());
    let mut field = Field::new().map_err(Lost::Failed)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let now = clock.now();
        if until <= now {
            return Err(Lost::Late);
        }
        match race.next(now) {
            Next::Lost => return Err(Lost::Failed(last)),
            Next::Begin(address) => {
                let refused = if field.has_begun() { may_join(now).err() } else { None };
                if let Some(later) = refused {
                    race.put_off(address, later);
                } else if let Err(error) = field.begin(address) {
                    last = error;
                    race.failed(now);
                }
            }
            Next::Wait(join_at) => {
                let wait = until.min(join_at.unwrap_or(until)) - now;
                for failed in field.wait(Duration::from_nanos(wait)).map_err(Lost::Failed)? {
                    last = failed;
                    race.failed(clock.now());
                }
                if let Some(winner) = field.winner.take() {
                    return into_blocking(winner).map_err(Lost::Failed);
                }
            }
        }
    }
}

fn into_blocking(stream: Connecting) -> io::Result<TcpStream> {
    let stream = TcpStream::from(OwnedFd::from(stream));
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The sockets of a race. Those that are still connecting at its end are closed.
struct Field {
    poll: Poll,
    events: Events,
    /// By token; `None` once it has failed or won.
    runners: Vec<Option<Connecting>>,
    winner: Option<Connecting>,
}

impl Field {
    fn new() -> io::Result<Field> {
        let events = Events::with_capacity(ADDRESSES_MAX);
        Ok(Field { poll: Poll::new()?, events, runners: Vec::new(), winner: None })
    }

    fn has_begun(&self) -> bool {
        !self.runners.is_empty()
    }

    fn begin(&mut self, address: SocketAddr) -> io::Result<()> {
        let token = Token(self.runners.len());
        // It has run even if the system refuses it at once.
        self.runners.push(None);
        let mut stream = Connecting::connect(address)?;
        self.poll.registry().register(&mut stream, token, Interest::WRITABLE)?;
        self.runners[token.0] = Some(stream);
        Ok(())
    }

    /// Waits for answers, and returns the errors of those that failed.
    fn wait(&mut self, time: Duration) -> io::Result<Vec<io::Error>> {
        let Field { poll, events, runners, winner } = self;
        match poll.poll(events, Some(time)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            polled => polled?,
        }
        let mut failed = Vec::new();
        for token in events.iter().map(Event::token) {
            let runner = &mut runners[token.0];
            match runner.as_ref().map(is_connected) {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) if winner.is_none() => {
                    *winner = runner.take();
                    winner.as_mut().map_or(Ok(()), |it| poll.registry().deregister(it))?;
                }
                Some(Ok(true)) => *runner = None,
                Some(Err(error)) => {
                    *runner = None;
                    failed.push(error);
                }
            }
        }
        Ok(failed)
    }
}

/// Returns whether a socket that reported an event is connected. The event alone does not tell (mio,
/// `TcpStream::connect`).
fn is_connected(stream: &Connecting) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use spreadwire_market::clock::SECOND;
    use std::net::{Ipv6Addr, TcpListener};

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_from_the_first_and_keep_their_order() {
        for (given, ordered) in [
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"][..],
                &["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"][..],
            ),
            (&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"], &["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]),
            (&["1.0.0.1:1"], &["1.0.0.1:1"]),
            (&[], &[]),
        ] {
            assert_eq!(alternating(&addresses(given)), addresses(ordered));
        }
        assert_eq!(alternating(&vec![addresses(&["1.0.0.1:1"])[0]; 99]).len(), ADDRESSES_MAX);
    }

    /// What happens to a race.
    enum Event {
        /// Ask what to do at this ms, which must be this.
        At(u64, &'static str),
        /// An address fails at this ms.
        Fails(u64),
        /// The last address is put off to this ms.
        PutOff(u64),
    }

    #[test]
    fn addresses_join_one_by_one_and_at_once_after_a_failure() {
        use Event::{At, Fails, PutOff};
        let scripts: [(&str, Vec<Event>); 5] = [
            ("no address is lost at once", vec![At(0, "lost")]),
            (
                "the next one joins after the delay",
                vec![
                    At(0, "begin [::1]:1"),
                    At(0, "wait 250"),
                    At(249, "wait 250"),
                    At(250, "begin 1.0.0.1:1"),
                    At(250, "wait"),
                    At(9_000, "wait"),
                ],
            ),
            (
                "a failure lets the next one join at once, and the last failure loses",
                vec![
                    At(0, "begin [::1]:1"),
                    Fails(10),
                    At(10, "begin 1.0.0.1:1"),
                    At(10, "wait"),
                    Fails(20),
                    At(20, "lost"),
                ],
            ),
            (
                "a failure of the last one does not end those that still run",
                vec![
                    At(0, "begin [::1]:1"),
                    At(250, "begin 1.0.0.1:1"),
                    Fails(260),
                    At(260, "wait"),
                    Fails(270),
                    At(270, "lost"),
                ],
            ),
            (
                "an address that may not join yet is asked for again at its time",
                vec![
                    At(0, "begin [::1]:1"),
                    At(250, "begin 1.0.0.1:1"),
                    PutOff(900),
                    At(250, "wait 900"),
                    At(900, "begin 1.0.0.1:1"),
                    Fails(910),
                    Fails(920),
                    At(920, "lost"),
                ],
            ),
        ];
        for (place, (name, script)) in scripts.into_iter().enumerate() {
            let all = addresses(&["[::1]:1", "1.0.0.1:1"]);
            play(name, if place == 0 { &[] } else { &all }, script);
        }
    }

    fn play(name: &str, addresses: &[SocketAddr], script: Vec<Event>) {
        let mut race = Race::new(addresses, 0);
        let mut last = None;
        for event in script {
            match event {
                Event::At(ms, expected) => {
                    let words = match race.next(ms * MILLI) {
                        Next::Begin(address) => {
                            last = Some(address);
                            format!("begin {address}")
                        }
                        Next::Wait(None) => "wait".to_owned(),
                        Next::Wait(Some(until)) => format!("wait {}", until / MILLI),
                        Next::Lost => "lost".to_owned(),
                    };
                    assert_eq!(words, expected, "{name}, at {ms} ms");
                }
                Event::Fails(ms) => race.failed(ms * MILLI),
                Event::PutOff(ms) => race.put_off(last.unwrap(), ms * MILLI),
            }
        }
    }

    /// An address of this host that answers no attempt: its queue of connections is full.
    struct BlackHole {
        _listener: Socket,
        _queued: Vec<Connecting>,
        address: SocketAddr,
    }

    impl BlackHole {
        fn new(address: SocketAddr) -> BlackHole {
            let domain = Domain::for_address(address);
            let listener = Socket::new(domain, Type::STREAM, None).unwrap();
            listener.bind(&address.into()).unwrap();
            listener.listen(0).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            // A queue of none holds one; the kernel drops what comes then.
            let queued = (0..4).map(|_| Connecting::connect(address).unwrap()).collect();
            BlackHole { _listener: listener, _queued: queued, address }
        }
    }

    /// An address of this host's IPv6, or of IPv4 where there is none.
    fn local() -> SocketAddr {
        let six = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        if TcpListener::bind(six).is_ok() { six } else { "127.0.0.1:0".parse().unwrap() }
    }

    fn never(_: Nanos) -> Result<(), Nanos> {
        panic!("no further address was needed");
    }

    #[test]
    fn an_address_that_refuses_or_swallows_does_not_keep_the_other_from_winning() {
        let clock = Clock::host();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let until = clock.now() + 60 * SECOND;
        let hole = BlackHole::new(local());
        let refusing = {
            let closed = TcpListener::bind(local()).unwrap();
            closed.local_addr().unwrap()
        };
        for bad in [refusing, hole.address] {
            let mut asked = 0;
            let tcp = connect(&[bad, good], &clock, until, |_| {
                asked += 1;
                Ok(())
            });
            assert_eq!((tcp.unwrap().peer_addr().unwrap(), asked), (good, 1), "beside {bad}");
        }
        assert_eq!(connect(&[good], &clock, until, never).unwrap().peer_addr().unwrap(), good);
    }

    #[test]
    fn a_race_ends_at_its_deadline_or_with_the_last_failure() {
        let clock = Clock::host();
        let hole = BlackHole::new("127.0.0.1:0".parse().unwrap());
        let late = connect(&[hole.address], &clock, clock.now() + 20 * MILLI, never);
        assert!(matches!(late, Err(Lost::Late)), "{late:?}");
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let until = clock.now() + 60 * SECOND;
        let failed = connect(&[refusing, refusing], &clock, until, |_| Ok(()));
        let Err(Lost::Failed(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let none = connect(&[], &clock, until, never);
        assert!(matches!(none, Err(Lost::Failed(e)) if e.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn an_address_that_may_not_join_yet_joins_later() {
        let clock = Clock::host();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut answers = VecDeque::from([Err(MILLI), Err(2 * MILLI), Ok(())]);
        let tcp = connect(&[refusing, good], &clock, clock.now() + 60 * SECOND, |now| {
            answers.pop_front().unwrap().map_err(|later| now + later)
        });
        assert_eq!(tcp.unwrap().peer_addr().unwrap(), good);
        assert!(answers.is_empty());
    }
}
