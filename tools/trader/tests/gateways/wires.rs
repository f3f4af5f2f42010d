//! The gateway by itself, at three simulated venues over sockets.

use crate::rig::Home;
use crate::{configure, simulator};
use exchange_sim::Simulator;
use spreadwire_market::clock::{Clock, SECOND};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, ClientId, Ended, Order, Purpose, Reject, Side};
use std::time::Duration;
use trader::gateway_io::GatewayIo;
use trader::plan::{Overrides, Plan};

/// Most rounds of asking for answers, 1 ms each: a test that asks more often has failed.
const ROUNDS_MAX: usize = 60_000;

struct Wires {
    gateway: GatewayIo,
    clock: Clock,
    heard: Vec<Answer>,
    _home: Home,
}

impl Wires {
    fn new(home: Home) -> Wires {
        let (clock, file) = (Clock::host(), home.path("engine.toml"));
        let plan = Plan::read(&file, &Overrides::default(), clock.now()).unwrap();
        let gateway = GatewayIo::open(Mode::Sim, &plan, &file, &clock).unwrap();
        Wires { gateway, clock, heard: Vec::new(), _home: home }
    }

    fn poll(&mut self) {
        self.gateway.poll(self.clock.now(), &mut self.heard);
    }

    /// Asks for answers until one is as wanted.
    fn until(&mut self, what: &str, is_wanted: impl Fn(&Answer) -> bool) {
        for _ in 0..ROUNDS_MAX {
            self.poll();
            if self.heard.iter().any(&is_wanted) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no {what} in {:#?}", self.heard);
    }

    /// Buys half a unit at up to 102.
    fn order(&self, number: u64, venue: u8) -> Order {
        let now = self.clock.now();
        Order {
            id: ClientId(((now / SECOND) << 20) + number),
            deal: 1,
            purpose: Purpose::Entry,
            instrument: InstrumentId(0),
            venue: VenueId(venue),
            side: Side::Buy,
            px: 10_200,
            sz: 50_000,
            ts: now,
        }
    }

    fn count(&self, is_wanted: impl Fn(&Answer) -> bool) -> usize {
        self.heard.iter().filter(|answer| is_wanted(answer)).count()
    }
}

fn addresses(simulator: &Simulator) -> Vec<String> {
    simulator.venues().iter().map(|(_, address)| address.to_string()).collect()
}

#[test]
fn each_venue_takes_an_order_and_is_reconciled() {
    let home = Home::new();
    let simulator = simulator(&home, &["bybit:order=2:disconnect"]);
    configure(&home, &addresses(&simulator), 0o600);
    let mut wires = Wires::new(home);
    for number in 0..3_u8 {
        let venue = VenueId(number);
        let is_up = |it: &Answer| *it == Answer::Connection { venue, is_up: true };
        wires.until("connection", is_up);
        wires.gateway.reconcile(venue, wires.clock.now() - 60 * SECOND);
        wires.until("reconciliation", |it| *it == Answer::Reconciled { venue });
        let asset = |it: &Answer| matches!(it, Answer::Balance { venue: at, .. } if *at == venue);
        assert_eq!(wires.count(asset), 2, "{:#?}", wires.heard);
        let order = wires.order(u64::from(number), number);
        let id = order.id;
        wires.gateway.place(&order);
        let done = Answer::Done { id, how: Ended::Filled, filled: order.sz };
        wires.until("end", |it| *it == done);
        let fill = |it: &Answer| matches!(it, Answer::Filled(fill) if fill.order == Some(id));
        assert_eq!(wires.count(fill), 1);
        // It is not placed a second time.
        wires.gateway.place(&order);
        wires.until("doubt", |it| *it == Answer::Unknown { id });
    }
    // One line of the two is lost with an order on it, and comes back.
    let order = wires.order(9, 2);
    let (id, venue) = (order.id, order.venue);
    wires.heard.clear();
    wires.gateway.place(&order);
    wires.until("loss", |it| *it == Answer::Connection { venue, is_up: false });
    wires.until("connection", |it| *it == Answer::Connection { venue, is_up: true });
    wires.gateway.ask(&order);
    wires.until("end", |it| *it == Answer::Done { id, how: Ended::Filled, filled: order.sz });
    drop(wires);
    let stats = simulator.stop().stats;
    let orders = ["binance", "okx", "bybit"].map(|venue| stats.venue(venue).orders);
    assert_eq!(orders, [1, 1, 2]);
}

#[test]
fn what_cannot_be_sent_is_told_as_that() {
    let home = Home::new();
    // Nobody listens there any more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    configure(&home, &[address.clone(), address.clone(), address], 0o600);
    let mut wires = Wires::new(home);
    wires.poll();
    let order = wires.order(0, 0);
    let (id, why) = (order.id, Reject::NotSent);
    wires.gateway.place(&order);
    wires.until("refusal", |it| *it == Answer::Rejected { id, why, code: 0 });
}
