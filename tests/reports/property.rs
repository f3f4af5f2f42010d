//! Random sequences of everything that a feed may see.
//!
//! Whatever comes in whatever order: no spread that the broadcast says, no open opportunity and no row
//! of a snapshot has a leg that the health machine does not call live. The rig checks that after each
//! record, and a client of the broadcast after each step. In a smaller world, a naive model says which
//! state each symbol must have.

use crate::rig::Rig;
use proptest::prelude::*;
use proptest::sample::select;
use spreadwire_market::state::State;
use std::collections::BTreeMap;

const BASES: [&str; 2] = ["BTC", "ETH"];
const VENUES: [&str; 3] = ["binance", "bybit", "okx"];

/// Prices near each other, with one side or none, crossed, and unbelievable.
const PRICES: [&str; 9] = [
    "100.50/100.52",
    "101.50/101.52",
    "99.50/99.52",
    "100.50/-",
    "-/100.52",
    "-/-",
    "100.60/100.50",
    "300.00/300.02",
    "0.01/0.02",
];

/// A step of one line of a venue.
fn of_a_line() -> impl Strategy<Value = String> {
    let line = (select(&VENUES[..]), 0..2_usize, select(&BASES[..]));
    let what = prop_oneof![
        12 => select(&PRICES[..3]).prop_map(|prices| format!("$base {prices}")),
        4 => select(&PRICES[..]).prop_map(|prices| format!("$base {prices}")),
        2 => (1_000..1_020_u64, select(&PRICES[..]))
            .prop_map(|(number, prices)| format!("$base {number} {prices}")),
        2 => (select(vec!["-60s", "-3s", "-1s", "+2s", "+9s"]), select(&PRICES[..3]))
            .prop_map(|(offset, prices)| format!("$base {prices} {offset}")),
        2 => Just("< $unreadable".to_owned()),
        1 => Just("< $change".to_owned()),
        1 => select(vec!["< garbage", "< {}", "< pong", "bytes x", "< $closing"])
            .prop_map(str::to_owned),
        1 => Just("cut".to_owned()),
        1 => select(vec!["deaf", "hears"]).prop_map(str::to_owned),
    ];
    (line, what).prop_map(|((venue, line, base), what)| {
        let what = what
            .replace("$unreadable", &frame(venue, base, "100.505"))
            .replace("$change", &change(base))
            .replace("$closing", r#"{"e":"serverShutdown","event":"notice","code":"64008"}"#)
            .replace("$base", base);
        format!("{venue}/{line} {what}")
    })
}

/// Any step.
fn step() -> impl Strategy<Value = String> {
    let venue = || select(&VENUES[..]);
    prop_oneof![
        30 => of_a_line(),
        2 => of_a_line().prop_map(|step| match step.contains('<') || !step.contains("00.") {
            true => step,
            false => format!("queue {step}"),
        }),
        4 => venue().prop_map(|venue| format!("{venue} connects")),
        1 => venue().prop_map(|venue| format!("{venue} fails")),
        1 => venue().prop_map(|venue| format!("{venue} refuses {}", symbol(venue, "ETH"))),
        6 => select(vec!["wait 50ms", "wait 1s", "wait 6s", "wait 20s", "wait 3m"])
            .prop_map(str::to_owned),
        1 => Just("held up".to_owned()),
    ]
}

/// The venue's spelling of a base against USDT.
fn symbol(venue: &str, base: &str) -> String {
    if venue == "okx" { format!("{base}-USDT") } else { format!("{base}USDT") }
}

/// A quote with this bid, as the venue sends it now; the number is that of the ms.
fn frame(venue: &str, base: &str, bid: &str) -> String {
    let symbol = symbol(venue, base);
    match venue {
        "bybit" => format!(
            r#"{{"topic":"orderbook.1.{symbol}","ts":$now,"type":"snapshot","data":{{"s":"{symbol}","b":[["{bid}","1"]],"a":[["100.9","1"]],"u":$now,"seq":1}},"cts":$now}}"#
        ),
        "okx" => format!(
            r#"{{"arg":{{"channel":"bbo-tbt","instId":"{symbol}"}},"data":[{{"asks":[["100.9","1","0","1"]],"bids":[["{bid}","1","0","1"]],"ts":"$now","seqId":$now}}]}}"#
        ),
        _ => format!(
            r#"{{"u":$now,"E":$now,"s":"{symbol}","b":"{bid}","B":"1","a":"100.9","A":"1"}}"#
        ),
    }
}

/// A change without the snapshot that it applies to, as Bybit sends it.
fn change(base: &str) -> String {
    format!(
        r#"{{"topic":"orderbook.1.{base}USDT","ts":$now,"type":"delta","data":{{"s":"{base}USDT","b":[],"a":[["100.60","1"]],"u":1009,"seq":1}},"cts":$now}}"#
    )
}

/// Does a step, unless it answers a request that nobody made.
fn take(rig: &mut Rig, step: &str) {
    let (venue, what) = step.split_once(' ').unwrap();
    if !matches!(what, "connects" | "fails") || rig.asks(venue) {
        rig.step(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_spread_has_a_leg_that_is_not_live(steps in proptest::collection::vec(step(), 1..60)) {
        let mut rig = Rig::new("BTC ETH on binance bybit*2 okx");
        for step in &steps {
            take(&mut rig, step);
            rig.assert_a_client_hears_the_same();
        }
        rig.assert_a_new_client_hears_the_same();
    }
}

/// What happens in the smaller world, to one of its symbols or to its whole venue.
#[derive(Clone, Debug)]
enum Happens {
    Quote { offset: i64, prices: &'static str, is_late: bool },
    Unreadable,
    Cut,
    Connects,
    Waits(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let quote = (select(vec![1_i64, 1, 1, 1, 2, 0, -1, -3]), select(&PRICES[..7]), 0..8_u32);
    let quote = quote.prop_map(|(offset, prices, late)| {
        let is_late = late == 0;
        Happens::Quote { offset, prices, is_late }
    });
    prop_oneof![
        12 => quote,
        2 => Just(Happens::Unreadable),
        1 => Just(Happens::Cut),
        2 => Just(Happens::Connects),
        4 => select(vec![50, 1_000, 5_000, 5_050]).prop_map(Happens::Waits),
    ]
}

/// The state of one symbol by simple rules.
#[derive(Clone, Debug)]
struct Naive {
    restarts: bool,
    state: State,
    /// Whether a full picture is known.
    known: bool,
    number: Option<u64>,
    /// Numbers below the last that increase, which the next one may confirm.
    fallen: Vec<u64>,
    /// The last prices.
    last: String,
    /// Whether the line has brought anything.
    is_heard: bool,
    quoted_ms: u64,
}

impl Naive {
    fn new(venue: &str) -> Naive {
        let restarts = venue == "okx";
        Naive {
            restarts,
            state: State::Silent,
            known: false,
            number: None,
            fallen: Vec::new(),
            last: String::new(),
            is_heard: false,
            quoted_ms: 0,
        }
    }

    fn quote(&mut self, number: u64, prices: &str, is_late: bool, now_ms: u64) {
        let fell = self.number.is_some_and(|last| number < last);
        let same = self.number == Some(number);
        if fell && !self.restarts {
            if self.fallen.last().is_some_and(|before| number <= *before) {
                self.fallen.clear();
            }
            self.fallen.push(number);
            if self.fallen.len() < 3 {
                (self.state, self.known) = (State::Gap, false);
                return;
            }
        }
        self.fallen.clear();
        if same && !self.restarts {
            return;
        }
        let repeated = same && self.known && self.last == prices;
        // The first quote of a venue that repeats may be old.
        let measured = !repeated && (self.known || self.is_heard || !self.restarts);
        let is_late = if measured { is_late } else { self.state == State::Lagging };
        (self.last, self.is_heard) = (prices.to_owned(), true);
        self.state = match prices.split_once('/').unwrap() {
            ("-", _) | (_, "-") => State::OneSided,
            (bid, ask) if ask < bid => State::Crossed,
            _ if is_late => State::Lagging,
            _ => State::Live,
        };
        (self.known, self.number, self.quoted_ms) = (true, Some(number), now_ms);
    }

    fn end(&mut self, state: State) {
        *self = Naive { restarts: self.restarts, state, ..Naive::new("") };
    }

    fn pass(&mut self, now_ms: u64) {
        if self.state == State::Live && 5_000 < now_ms - self.quoted_ms {
            self.state = State::Stale;
        }
    }
}

/// A venue of the smaller world: its symbols, and whether its line is up.
struct World {
    rig: Rig,
    symbols: BTreeMap<(&'static str, &'static str), Naive>,
    is_up: BTreeMap<&'static str, bool>,
    numbers: BTreeMap<(&'static str, &'static str), u64>,
}

const SMALL: [&str; 2] = ["binance-usdm", "okx"];

impl World {
    fn new() -> World {
        let keys = SMALL.iter().flat_map(|venue| BASES.map(|base| (*venue, base)));
        World {
            rig: Rig::new("BTC ETH on binance-usdm okx"),
            symbols: keys.clone().map(|key| (key, Naive::new(key.0))).collect(),
            is_up: SMALL.map(|venue| (venue, true)).into(),
            numbers: keys.map(|key| (key, 1_000)).collect(),
        }
    }

    fn take(&mut self, (venue, base): (&'static str, &'static str), what: &Happens) {
        let up = self.is_up[venue];
        match what {
            Happens::Quote { offset, prices, is_late } if up => {
                let number = self.numbers.get_mut(&(venue, base)).unwrap();
                *number = number.checked_add_signed(*offset).unwrap();
                let age = if *is_late { " -60s" } else { "" };
                self.rig.step(&format!("{venue} {base} {number} {prices}{age}"));
                let (number, now) = (*number, self.rig.now_ms());
                self.symbol((venue, base)).quote(number, prices, *is_late, now);
            }
            Happens::Unreadable if up => {
                self.rig.step(&format!("{venue} < {}", frame(venue, base, "100.505")));
                let naive = self.symbol((venue, base));
                (naive.state, naive.known) = (State::Unreadable, false);
            }
            Happens::Cut if up => {
                self.rig.step(&format!("{venue} cut"));
                self.turn_all(venue, State::Down);
            }
            Happens::Connects if !up && self.rig.asks(venue) => {
                self.rig.step(&format!("{venue} connects"));
                self.turn_all(venue, State::Silent);
            }
            Happens::Waits(ms) => self.rig.step(&format!("wait {ms}ms")),
            Happens::Quote { .. } | Happens::Unreadable | Happens::Cut | Happens::Connects => {}
        }
        let now = self.rig.now_ms();
        self.symbols.values_mut().for_each(|naive| naive.pass(now));
    }

    /// Returns whether a venue that is up is asked for a further line.
    fn is_replacing(&self) -> bool {
        self.is_up.iter().any(|(venue, is_up)| *is_up && self.rig.asks(venue))
    }

    fn symbol(&mut self, key: (&'static str, &'static str)) -> &mut Naive {
        self.symbols.get_mut(&key).unwrap()
    }

    fn turn_all(&mut self, venue: &'static str, state: State) {
        self.is_up.insert(venue, state == State::Silent);
        BASES.iter().for_each(|base| self.symbol((venue, base)).end(state));
    }
}

/// Longer than that, a silent symbol is subscribed again and again.
const LONGEST_MS: u64 = 50_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_naive_model_agrees_on_every_state(
        steps in proptest::collection::vec((select(&SMALL[..]), select(&BASES[..]), happens()), 1..50)
    ) {
        let mut world = World::new();
        let begin = world.rig.now_ms();
        for (venue, base, what) in &steps {
            // The model knows no line that replaces another.
            if LONGEST_MS < world.rig.now_ms() - begin || world.is_replacing() {
                break;
            }
            world.take((venue, base), what);
            for ((venue, base), naive) in &world.symbols {
                let state = world.rig.state(venue, base);
                prop_assert_eq!(state, naive.state, "{} {} after {:?}", venue, base, what);
            }
        }
    }
}
