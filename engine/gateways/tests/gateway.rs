//! The gateway as the trader sees it, what the transport is given, and what is refused at the start.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its session has failed")]

use spreadwire_gateways::credentials::Keys;
use spreadwire_gateways::gateway::{Unusable, VenueGateway, protocol};
use spreadwire_gateways::okx::TradeMode;
use spreadwire_gateways::protocol::{Account, Line, Request};
use spreadwire_gateways::session::{Incoming, Options, Outgoing, Session};
use spreadwire_gateways::signing::KeyError;
use spreadwire_gateways::terms::{Markets, Terms};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, AssetName, ClientId, Order, Owner, Purpose, Reject, Side};

const START: Nanos = 1_660_801_715_000 * MILLI;
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

fn account(venue: u8, symbol: &str, code: u64, recv_window: u64) -> Account {
    let terms = Terms {
        instrument: InstrumentId(1),
        symbol: symbol.to_owned(),
        code,
        price_scale: 2,
        size_scale: 8,
        contract: None,
        base: AssetName::new("BTC").unwrap(),
        quote: AssetName::new("USDT").unwrap(),
    };
    Account {
        venue: VenueId(venue),
        owner: Owner::new("desk1").unwrap(),
        markets: Markets::new(vec![terms]),
        recv_window,
    }
}

fn keys() -> Keys {
    Keys::hmac("key", "secret", "pass").unwrap()
}

fn session(venue: &str, number: u8, cancel_on_disconnect: bool) -> Session {
    let symbol = if venue == "okx" { "BTC-USDT" } else { "BTCUSDT" };
    let protocol =
        protocol(venue, account(number, symbol, 7, 2_000), keys(), TradeMode::Cash).unwrap();
    let options = Options { clock_offset: Some(0), cancel_on_disconnect, ..Options::default() };
    Session::new(protocol, options, Some(ClientId(0)), START)
}

fn order(id: u64, venue: u8) -> Order {
    Order {
        id: ClientId(id),
        deal: 1,
        purpose: Purpose::Entry,
        instrument: InstrumentId(1),
        venue: VenueId(venue),
        side: Side::Buy,
        px: 2_000_000,
        sz: 100_000,
        ts: START + SECOND,
    }
}

/// Answers the steps of a connection, which are the same at each venue but for their form.
fn open(session: &mut Session, line: Line, answers: &[&str]) {
    session.incoming(START, Incoming::Opened(line));
    for answer in answers {
        let Some(Outgoing::Text { text, .. }) = session.outgoing() else { panic!("no step") };
        let sent: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tag = sent["id"].as_str().or(sent["reqId"].as_str()).unwrap_or_default();
        session.incoming(START, Incoming::Text(line, &answer.replace("TAG", tag)));
    }
}

const OKX_STEPS: [&str; 3] = [
    r#"{"event":"login","code":"0"}"#,
    r#"{"event":"subscribe","id":"TAG"}"#,
    r#"{"event":"subscribe","id":"TAG"}"#,
];
const BINANCE_STEPS: [&str; 1] = [r#"{"id":"TAG","status":200,"result":{}}"#];

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    &request.headers.iter().find(|(it, _)| *it == name).unwrap().1
}

fn request(session: &mut Session) -> Request {
    loop {
        match session.outgoing().unwrap() {
            Outgoing::Http { request, .. } => return request,
            Outgoing::Text { .. } | Outgoing::Close { .. } => {}
        }
    }
}

/// The signatures are those of `openssl dgst -sha256 -hmac secret`.
#[test]
fn requests_are_signed() {
    let mut bybit = session("bybit", 0, false);
    bybit.ask(START, &order(1, 0));
    let asked = request(&mut bybit);
    for (name, value) in [
        ("X-BAPI-API-KEY", "key"),
        ("X-BAPI-TIMESTAMP", "1660801715000"),
        ("X-BAPI-RECV-WINDOW", "2000"),
        ("X-BAPI-SIGN", "ed9d8e1fe5af361c8e5f8d1caa7223501465ce36637a3bc2d39ed03014d4795f"),
    ] {
        assert_eq!(header(&asked, name), value);
    }
    let mut okx = session("okx", 0, false);
    okx.ask(START, &order(1, 0));
    let asked = request(&mut okx);
    for (name, value) in [
        ("OK-ACCESS-KEY", "key"),
        ("OK-ACCESS-TIMESTAMP", "2022-08-18T05:48:35.000Z"),
        ("OK-ACCESS-PASSPHRASE", "pass"),
        ("OK-ACCESS-SIGN", "H+uYtj7T6XOD9MBZa+tratH4LTMM3Gy3q7sH9eViIUo="),
    ] {
        assert_eq!(header(&asked, name), value);
    }
    assert_eq!(format!("{asked:?}").find("pass"), None, "headers are not shown");
}

#[test]
fn logins_are_signed_and_not_shown() {
    for (venue, signature) in [
        ("okx", "ZrUZPnVuB08tkGlUxOACifPvykdNDUWP6hIda0KThqU="),
        ("bybit", "7e533dba318e48790d748f37110aaa20a264199cb3c441d94fd8f2567d5f45be"),
    ] {
        let mut session = session(venue, 0, false);
        session.incoming(START, Incoming::Opened(Line::Orders));
        let login = session.outgoing().unwrap();
        let Outgoing::Text { text, .. } = &login else { panic!() };
        assert!(text.contains(signature), "{text}");
        assert!(!format!("{login:?}").contains("sign"), "{login:?}");
    }
}

#[test]
fn okx_cancels_only_orders_with_our_tag_when_it_does_not_hear_of_us() {
    let mut okx = session("okx", 0, true);
    open(&mut okx, Line::Orders, &OKX_STEPS);
    assert_eq!(okx.next_deadline(), Some(START));
    okx.on_time(START);
    let guard = request(&mut okx);
    assert_eq!((guard.method, guard.path.as_str()), ("POST", "/api/v5/trade/cancel-all-after"));
    assert_eq!(guard.body, r#"{"tag":"swdesk1","timeOut":"30"}"#);
    assert_eq!(header(&guard, "OK-ACCESS-SIGN"), "/S6a/8XMm13+kv/N5WAJgeT1uTJvidRO0ntKJECkbmU=");
    okx.on_time(START + 9 * SECOND);
    assert_eq!(okx.outgoing(), None);
    okx.on_time(START + 10 * SECOND);
    assert_eq!(request(&mut okx), Request { headers: okx_headers(&guard), ..guard.clone() });
    okx.incoming(START + 11 * SECOND, Incoming::Lost(Line::Orders));
    okx.on_time(START + 40 * SECOND);
    assert_eq!(okx.outgoing(), None, "a lost connection is what it is for");
    // Where it would reach the orders of others, it is not used.
    let mut binance = session("binance", 0, true);
    open(&mut binance, Line::Orders, &BINANCE_STEPS);
    binance.on_time(START);
    assert_eq!(binance.outgoing(), None);
}

/// The headers of the same request 10 s later.
fn okx_headers(guard: &Request) -> Vec<(&'static str, String)> {
    let mut headers = guard.headers.clone();
    headers[2].1 = "2022-08-18T05:48:45.000Z".to_owned();
    let text = format!("{}POST{}{}", headers[2].1, guard.path, guard.body);
    headers[1].1 = keys().signer().sign_base64(&text);
    headers
}

#[test]
fn an_order_that_is_still_queued_when_its_connection_is_lost_is_never_sent() {
    let mut binance = session("binance", 0, false);
    open(&mut binance, Line::Orders, &BINANCE_STEPS);
    binance.place(START, &order(1, 0));
    binance.incoming(START, Incoming::Lost(Line::Orders));
    let mut answers = Vec::new();
    binance.answers(&mut answers);
    let (id, venue) = (ClientId(1), VenueId(0));
    assert_eq!(
        answers,
        [
            Answer::Connection { venue, is_up: true },
            Answer::Rejected { id, why: Reject::NotSent, code: 0 },
            Answer::Connection { venue, is_up: false }
        ]
    );
    binance.incoming(START, Incoming::Opened(Line::Orders));
    let Some(Outgoing::Text { text, .. }) = binance.outgoing() else { panic!() };
    assert!(text.contains("userDataStream"), "{text}");
    assert_eq!(binance.outgoing(), None);
}

#[test]
fn orders_go_to_their_venue_and_are_dated_by_their_decision() {
    let sessions = vec![session("binance", 0, false), session("okx", 1, false)];
    let mut gateway = VenueGateway::new(Mode::Sim, sessions);
    assert_eq!(gateway.mode(), Mode::Sim);
    open(&mut gateway.sessions()[0], Line::Orders, &BINANCE_STEPS);
    open(&mut gateway.sessions()[1], Line::Orders, &OKX_STEPS);
    let mut answers = Vec::new();
    gateway.poll(START, &mut answers);
    assert_eq!(answers.len(), 2, "{answers:?}");
    for venue in [1, 0, 9] {
        gateway.place(&order(u64::from(venue) + 1, venue));
    }
    gateway.ask(&order(12, 9));
    for (at, text) in [(0, "\"timestamp\":1660801716000"), (1, "\"expTime\":\"1660801718000\"")] {
        let Some(Outgoing::Text { text: sent, .. }) = gateway.sessions()[at].outgoing() else {
            panic!("{at}")
        };
        assert!(sent.contains(text), "{sent}");
    }
    answers.clear();
    gateway.poll(START + SECOND, &mut answers);
    let (id, why) = (ClientId(10), Reject::NotSent);
    let expected = [Answer::Rejected { id, why, code: 0 }, Answer::Unknown { id: ClientId(12) }];
    assert_eq!(answers, expected);
    // No answer comes: the next poll that is due says so.
    let due = gateway.next_deadline().unwrap();
    assert_eq!(due, START + 4 * SECOND);
    answers.clear();
    gateway.poll(due, &mut answers);
    answers.sort_by_key(|answer| format!("{answer:?}"));
    assert_eq!(answers, [1, 2].map(|id| Answer::Unknown { id: ClientId(id) }));
}

#[test]
fn what_cannot_work_is_refused_at_the_start_all_at_once() {
    let refused = |venue: &str, account, keys| {
        let refusal = protocol(venue, account, keys, TradeMode::Cash).err();
        refusal.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(refused("binance", account(0, "BTCUSDT", 0, 60_000), keys()), none);
    assert_eq!(
        refused("binance-usdm", account(0, "BTCUSDT", 0, 60_001), keys()),
        [
            "no orders can be placed at binance-usdm; the venues with order entry are binance, \
             bybit, bybit-linear, okx, okx-swap",
            "binance-usdm: recv_window is 60001 ms; use 1 to 60000 ms"
        ]
    );
    let pem = || Keys::ed25519("key", PRIVATE_KEY).unwrap();
    assert_eq!(refused("binance", account(0, "BTCUSDT", 0, 1), pem()), none);
    assert_eq!(
        refused("okx-swap", account(0, "BTC-USDT-SWAP", 0, 0), pem()),
        [
            "okx-swap: recv_window is 0 ms; use 1 to 60000 ms",
            "okx-swap: this venue takes no Ed25519 keys: use an HMAC key",
            "okx-swap: BTC-USDT-SWAP has no instIdCode; take it from the venue's list of instruments",
            "okx-swap: BTC-USDT-SWAP has no ctVal; take it from the venue's list of instruments"
        ]
    );
    let unfit = Unusable::Keys { venue: "bybit".to_owned(), reason: KeyError::HmacOnly };
    let refusal = protocol("bybit", account(0, "BTCUSDT", 0, 1), pem(), TradeMode::Cash);
    assert_eq!(refusal.err(), Some(vec![unfit]));
}
