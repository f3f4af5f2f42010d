//! The driver with a gateway under the test's control: what is sent is in the journal first, the kill switch
//! is looked at before each order, and a restart asks and reconciles before it trades.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use spreadwire_kit::approved::approved;
use spreadwire_kit::quotes;
use spreadwire_lake::decisions;
use spreadwire_market::client::Heard;
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::{Record, Spread, Status};
use spreadwire_market::state::State;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::entry::{Event, Halt};
use spreadwire_trading::gateway::{Gateway, Mode};
use spreadwire_trading::order::{Answer, AssetName, Ended, Fill, Order, Reject, Side, VenueText};
use spreadwire_trading::why::Why;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use trader::driver::Driver;
use trader::plan::{Overrides, Plan};

const START: Nanos = 1_700_000_000 * SECOND;
const VENUES: [VenueId; 2] = [VenueId(0), VenueId(1)];

/// What reached the venues.
#[derive(Default)]
struct Seen {
    placed: Vec<Order>,
    asked: Vec<Order>,
    /// Which venue was asked for trades since when.
    reconciled: Vec<(VenueId, Nanos)>,
    answers: Vec<Answer>,
    /// Turned on when an order is placed.
    kill: Option<spreadwire_trading::kill::KillSwitch>,
}

/// Venues that do as the test says.
struct Venues {
    seen: Rc<RefCell<Seen>>,
    journal: PathBuf,
}

impl Gateway for Venues {
    fn mode(&self) -> Mode {
        Mode::Sim
    }

    fn place(&mut self, order: &Order) {
        let journal = decisions::read(&self.journal).unwrap();
        let is_it = |event: &Event| matches!(event, Event::Placed(placed) if placed.id == order.id);
        assert!(journal.entries.iter().any(|entry| is_it(&entry.event)), "it is in the journal");
        let mut seen = self.seen.borrow_mut();
        seen.placed.push(*order);
        if let Some(kill) = &seen.kill {
            kill.set(true);
        }
    }

    fn cancel(&mut self, _: &Order) {}

    fn amend(&mut self, _: &Order, _: i64) {}

    fn ask(&mut self, order: &Order) {
        self.seen.borrow_mut().asked.push(*order);
    }

    fn reconcile(&mut self, venue: VenueId, since: Nanos) {
        self.seen.borrow_mut().reconciled.push((venue, since));
    }

    fn poll(&mut self, _: Nanos, answers: &mut Vec<Answer>) {
        answers.append(&mut self.seen.borrow_mut().answers);
    }
}

struct Rig {
    driver: Driver,
    seen: Rc<RefCell<Seen>>,
    now: Nanos,
    /// Time of the first run: trades since then are asked for.
    begun: Nanos,
}

fn config(folder: &Path) -> PathBuf {
    let file = folder.join("engine.toml");
    let text = "[[venues]]\nname = \"binance\"\n[[venues]]\nname = \"okx\"\n[[instruments]]\n\
                name = \"BTC/USDT\"\nprice_decimals = 2\nsize_decimals = 8\n[decision]\n\
                entry_bps = 20.0\nexit_bps = 5.0\ncooldown_ms = 0\n\
                [trading]\njournal = \"trading\"\nhedge = \"hold\"\n";
    std::fs::write(&file, text).unwrap();
    file
}

fn asset(name: &str) -> AssetName {
    AssetName::new(name).unwrap()
}

impl Rig {
    /// Starts a trader at `now`; no venue is up.
    fn start(folder: &Path, now: Nanos) -> Rig {
        Rig::with(folder, &Overrides::default(), now)
    }

    fn with(folder: &Path, overrides: &Overrides, now: Nanos) -> Rig {
        let plan = Plan::read(&config(folder), overrides, now).unwrap();
        let seen = Rc::new(RefCell::new(Seen::default()));
        let journal = plan.places.folder.join(decisions::FILE_NAME);
        let venues = Venues { seen: Rc::clone(&seen), journal };
        let signal = Arc::new(AtomicBool::new(false));
        let catalogue = plan.catalogue.clone();
        let gateway: Option<Box<dyn Gateway>> = Some(Box::new(venues));
        let mut driver = Driver::open(plan, gateway, signal, SECOND, now).unwrap();
        assert!(driver.connected(&catalogue).is_empty());
        let mut rig = Rig { driver, seen, now, begun: START };
        let live = |venue: &VenueId| Record::from(quotes::status(venue.0, 0, State::Live, now));
        rig.turn(&VENUES.iter().map(live).collect::<Vec<_>>());
        rig
    }

    fn turn(&mut self, records: &[Record]) {
        self.driver.turn(Some(Heard::InStep), records, self.now).unwrap();
    }

    /// Brings both venues up with these balances of USDT and BTC.
    fn up(&mut self, balances: [(&str, &str); 2]) {
        let up = VENUES.map(|venue| Answer::Connection { venue, is_up: true });
        self.seen.borrow_mut().answers.extend(up);
        for _ in 0..3 {
            self.turn(&[]);
        }
        let reconciled = self.seen.borrow().reconciled.clone();
        let venues: Vec<VenueId> = reconciled.iter().map(|(venue, _)| *venue).collect();
        assert_eq!(venues, VENUES, "both are asked, once");
        assert!(reconciled.iter().all(|(_, since)| *since < self.begun), "{reconciled:?}");
        for (venue, (usdt, btc)) in VENUES.into_iter().zip(balances) {
            for (name, total) in [("USDT", usdt), ("BTC", btc)] {
                let total = Amount::parse(total).unwrap();
                self.say(Answer::Balance { venue, asset: asset(name), total });
            }
            self.say(Answer::Reconciled { venue });
        }
        self.turn(&[]);
    }

    fn say(&self, answer: Answer) {
        self.seen.borrow_mut().answers.push(answer);
    }

    /// Buy on the first venue at 100, sell on the second at 101.
    fn spread(&mut self) {
        self.now += MILLI;
        let spread = quotes::spread(0, [0, 1], [10_000, 10_100], self.now);
        let (buy_sz, sell_sz) = (100_000_000, 100_000_000);
        self.turn(&[Spread { net: 0.008, buy_sz, sell_sz, ..spread }.into()]);
    }

    fn fill(&self, order: &Order, trade: u64) {
        let Order { id, instrument, venue, side, px, sz, .. } = *order;
        self.say(Answer::Filled(Fill {
            order: Some(id),
            trade: VenueText::of_number(trade),
            instrument,
            venue,
            side,
            px,
            sz,
            fee: Amount::ZERO,
            fee_asset: asset("USDT"),
            ts: self.now,
        }));
        self.say(Answer::Done { id, how: Ended::Filled, filled: sz });
    }

    fn placed(&self) -> Vec<Order> {
        self.seen.borrow().placed.clone()
    }

    fn why(&self, why: Why) -> u64 {
        self.driver.trader().why_not().of(why)
    }

    fn balance(&self, venue: VenueId, name: &str) -> String {
        let desk = self.driver.trader().desk();
        let asset = desk.settings.assets.find(asset(name)).unwrap();
        desk.books.account(venue, asset).balance().to_string()
    }
}

const RICH: [(&str, &str); 2] = [("5000", "1"), ("5000", "10")];

#[test]
fn orders_are_in_the_journal_before_they_are_sent_and_nothing_is_sent_twice() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(home.path(), START);
    rig.spread();
    assert_eq!((rig.placed().len(), rig.why(Why::NotReconciled)), (0, 1), "no venue is up");
    rig.up(RICH);
    rig.spread();
    let placed = rig.placed();
    assert_eq!(placed.iter().map(|order| order.side).collect::<Vec<_>>(), [Side::Buy, Side::Sell]);
    // One leg is filled, then the process dies.
    rig.fill(&placed[0], 1);
    rig.turn(&[]);
    let bought = rig.balance(VENUES[0], "BTC");
    assert_eq!((bought.as_str(), rig.balance(VENUES[1], "BTC").as_str()), ("2", "10"));
    drop(rig);

    let mut rig = Rig::start(home.path(), START + 3600 * SECOND);
    assert_eq!(rig.balance(VENUES[0], "BTC"), "2");
    let remarks = rig.driver.take_said().remarks.join("\n");
    for told in ["1 deals not over, 1 orders in flight", "a residual of 1 BTC/USDT"] {
        assert!(remarks.contains(told), "{told}: {remarks}");
    }
    let asked = rig.seen.borrow().asked.clone();
    assert_eq!(asked, [placed[1]], "the other leg is asked for");
    // Before it the venue tells the first trade again, as it does when it is asked for trades.
    rig.fill(&placed[0], 1);
    rig.fill(&placed[1], 2);
    rig.turn(&[]);
    assert_eq!(
        (rig.balance(VENUES[0], "BTC"), rig.balance(VENUES[1], "BTC")),
        ("2".into(), "9".into())
    );
    assert_eq!(rig.placed(), [], "nothing is sent again");
    rig.up([("4900", "2"), ("5101", "9")]);
    rig.spread();
    let again = rig.placed();
    assert_eq!(again.len(), 2);
    assert!(placed.iter().all(|old| again.iter().all(|new| old.id < new.id)), "new numbers");
}

#[test]
fn a_kill_between_two_orders_of_a_deal_keeps_the_second_one_here() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(home.path(), START);
    rig.up(RICH);
    rig.seen.borrow_mut().kill = Some(rig.driver.kill().clone());
    rig.spread();
    assert_eq!(rig.placed().len(), 1, "the first turned the switch");
    let said = rig.driver.take_said().entries;
    let is_kept = |event: &Event| {
        matches!(event, Event::Answered(Answer::Rejected { why: Reject::NotSent, .. }))
    };
    assert_eq!(said.iter().filter(|entry| is_kept(&entry.event)).count(), 1);
    rig.turn(&[]);
    assert!(rig.driver.trader().desk().is_halted(Halt::Killed));
    rig.spread();
    assert_eq!((rig.placed().len(), rig.why(Why::ActedOn)), (1, 1), "nor is it tried again");
}

#[test]
fn a_difference_of_balances_stops_trading_until_a_person_adopts_it() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(home.path(), START);
    rig.up(RICH);
    drop(rig);
    let mut rig = Rig::start(home.path(), START + SECOND);
    rig.up([("5000", "1"), ("5000", "9.5")]);
    for _ in 0..3 {
        rig.spread();
    }
    assert_eq!((rig.placed().len(), rig.why(Why::NotReconciled)), (0, 3));
    let difference = rig.driver.trader().differences();
    assert_eq!(difference.len(), 1);
    assert_eq!(difference[0].there.to_string(), "9.5");
    rig.driver.adopt(rig.now).unwrap();
    assert_eq!(rig.balance(VENUES[1], "BTC"), "9.5");
    rig.spread();
    assert_eq!(rig.placed().len(), 2);
    // Adopted for good.
    drop(rig);
    let rig = Rig::start(home.path(), START + 2 * SECOND);
    assert_eq!(rig.balance(VENUES[1], "BTC"), "9.5");
}

#[test]
fn what_is_not_live_or_not_seen_is_not_decided_on() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(home.path(), START);
    rig.up(RICH);
    // Behind: the client has not caught up since a gap.
    rig.now += MILLI;
    let gap = spreadwire_market::record::Gap::new(rig.now, 4).into();
    rig.driver.turn(Some(Heard::CatchingUp), &[gap], rig.now).unwrap();
    let spread = quotes::spread(0, [0, 1], [10_000, 10_100], rig.now);
    let spread = Spread { net: 0.008, buy_sz: 100_000_000, sell_sz: 100_000_000, ..spread };
    rig.driver.turn(Some(Heard::CatchingUp), &[spread.into()], rig.now).unwrap();
    assert_eq!((rig.placed().len(), rig.why(Why::NotInStep)), (0, 1));
    // Too old by our clock.
    rig.now += 2 * SECOND;
    rig.turn(&[spread.into()]);
    assert_eq!((rig.placed().len(), rig.why(Why::TooOld)), (0, 1));
    // A leg that is lagging ends what was open; the next spread acts again.
    rig.spread();
    assert_eq!(rig.placed().len(), 2);
    let lagging =
        Status { state: State::Lagging.code(), ..quotes::status(0, 0, State::Live, rig.now) };
    rig.turn(&[lagging.into()]);
    assert_eq!(rig.driver.trader().maker().open_now(), 0);
}

#[test]
fn a_journal_that_cannot_be_written_ends_the_run_before_anything_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(home.path(), START);
    rig.up(RICH);
    let path = rig.driver.journal().path().to_owned();
    std::fs::rename(&path, home.path().join("moved")).unwrap();
    rig.now += MILLI;
    let spread = quotes::spread(0, [0, 1], [10_000, 10_100], rig.now);
    let spread = Spread { net: 0.008, buy_sz: 100_000_000, sell_sz: 100_000_000, ..spread };
    let failed = rig.driver.turn(Some(Heard::InStep), &[spread.into()], rig.now).unwrap_err();
    assert!(failed.to_string().contains("was moved or deleted"), "{failed}");
    assert_eq!(rig.placed(), []);
}

/// Approves the pair at an entry threshold until a time.
fn approve(file: &Path, entry_bps: f64, expires: Nanos) {
    let mut all = approved(START - SECOND, expires);
    all.pairs.truncate(1);
    let pair = &mut all.pairs[0];
    pair.instrument = "BTC/USDT".to_owned();
    (pair.buy, pair.sell) = ("binance".to_owned(), "okx".to_owned());
    (pair.entry_bps_min, pair.entry_bps_max) = (1.0, 100.0);
    (pair.entry_bps, pair.exit_bps) = (entry_bps, 1.0);
    std::fs::write(file, all.to_toml()).unwrap();
}

#[test]
fn approvals_expire_by_our_clock_until_new_ones_are_taken() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("approved.toml");
    let overrides = Overrides { approved: Some(file.clone()), ..Overrides::default() };
    approve(&file, 20.0, START + 10 * SECOND);
    let mut rig = Rig::with(home.path(), &overrides, START);
    rig.up(RICH);
    // Our clock alone has come that far.
    rig.driver.turn(Some(Heard::InStep), &[], START + 10 * SECOND).unwrap();
    assert!(rig.driver.has_expired());
    let told = rig.driver.take_said().remarks;
    assert!(told.iter().any(|line| line.contains("0 pairs enabled")), "{told:?}");
    rig.spread();
    assert_eq!((rig.placed().len(), rig.why(Why::Expired)), (0, 1));

    let read = |now| Plan::read(&config(home.path()), &overrides, now);
    let expired = read(START + 10 * SECOND).unwrap();
    assert!(expired.described.unwrap().contains("the one approval has expired"));
    assert_eq!(expired.thresholds.rules.unwrap().pairs, []);
    approve(&file, 31.0, START + 20 * SECOND);
    let leaps = rig.driver.plan().obstacles(&read(START).unwrap());
    assert!(leaps[0].contains("the entry would move from 20.00 to 31.00 bp"), "{leaps:?}");
    approve(&file, 30.0, START + 20 * SECOND);
    let plan = read(START).unwrap();
    assert_eq!(rig.driver.plan().obstacles(&plan), Vec::<String>::new());
    rig.driver.retune(plan);
    rig.spread();
    assert_eq!(rig.placed().len(), 2);
}
