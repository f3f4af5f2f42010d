//! Which accounts a trader uses, and how: proved from its plan, all problems at once.

use super::key;
use crate::plan::Plan;
use crate::server::Server;
use spreadwire_catalogue::trading::Access;
use spreadwire_config::address::Address;
use spreadwire_gateways::gateway::{self, Unusable, VENUES};
use spreadwire_gateways::okx::TradeMode;
use spreadwire_gateways::protocol::{Account, Endpoints, Line, Protocol};
use spreadwire_gateways::terms::{Markets, Terms};
use spreadwire_market::instrument::{CanonicalName, InstrumentId, VenueId};
use spreadwire_market::problem::{Faults, Problem};
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::order::AssetName;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use zeroize::Zeroizing;

/// An account at a venue.
pub(crate) struct Opened {
    /// The venue's name.
    pub(crate) name: String,
    pub(crate) protocol: Box<dyn Protocol>,
    /// Where its WebSockets lead.
    pub(crate) lines: Vec<(Line, Server)>,
    /// Base address of its REST API, if that is asked.
    pub(crate) rest: Option<String>,
}

/// Proves the accounts at all venues at which the plan may trade.
///
/// # Errors
/// Every problem, with its key and a remedy.
pub(crate) fn prove(mode: Mode, plan: &Plan, file: &Path) -> Result<Vec<Opened>, Vec<Problem>> {
    let mut proof = Proof { mode, plan, faults: Faults::new(file, Vec::new()) };
    let venues = proof.venues();
    if venues.is_empty() {
        let remedy = "enable a pair, or name instruments in decision.instruments";
        proof.faults.add("decision", "nothing may open, so there is no venue to trade at", remedy);
    }
    let opened: Vec<Opened> = venues.into_iter().filter_map(|venue| proof.account(venue)).collect();
    if proof.faults.is_empty() { Ok(opened) } else { Err(proof.faults.into_list()) }
}

struct Proof<'a> {
    mode: Mode,
    plan: &'a Plan,
    faults: Faults,
}

impl Proof<'_> {
    /// Returns the venues of what may open.
    fn venues(&self) -> BTreeSet<VenueId> {
        let (catalogue, thresholds) = (&self.plan.catalogue, &self.plan.thresholds);
        if let Some(rules) = &thresholds.rules {
            let pairs = rules.pairs.iter().filter(|it| thresholds.enabled[it.instrument.index()]);
            return pairs.flat_map(|pair| [pair.buy_venue, pair.sell_venue]).collect();
        }
        let ids = (0..).map(InstrumentId).zip(&thresholds.enabled);
        let on = ids.filter(|(_, is_on)| **is_on);
        on.flat_map(|(id, _)| catalogue.venues_of(id)).collect()
    }

    fn account(&mut self, venue: VenueId) -> Option<Opened> {
        let plan = self.plan;
        let name = plan.catalogue.venue(venue).name.clone();
        let access = &plan.trading.accesses[venue.index()];
        if !VENUES.contains(&name.as_str()) {
            let reason = Unusable::NoGateway(name).to_string();
            let remedy = "enable only pairs of those venues, or use --gateway paper";
            self.faults.add("decision", reason, remedy);
            return None;
        }
        let keys = self.keys(access, &name)?;
        let account = Account {
            venue,
            owner: plan.trading.owner,
            markets: self.markets(venue),
            recv_window: access.recv_window,
        };
        let mode = if access.is_cross { TradeMode::Cross } else { TradeMode::Cash };
        let protocol = match gateway::protocol(&name, account, keys, mode) {
            Ok(protocol) => protocol,
            Err(problems) => {
                problems.iter().for_each(|problem| self.unusable(problem, access));
                return None;
            }
        };
        let Endpoints { lines, rest } = protocol.endpoints();
        let lines: Vec<_> =
            lines.iter().map(|(line, usual)| Some((*line, self.line(access, usual)?))).collect();
        let rest = match rest {
            Some(usual) => Some(self.rest(access, usual)?),
            None => None,
        };
        Some(Opened { name, protocol, lines: lines.into_iter().collect::<Option<_>>()?, rest })
    }

    fn keys(
        &mut self,
        access: &Access,
        name: &str,
    ) -> Option<spreadwire_gateways::credentials::Keys> {
        let key = format!("{}.key_env", access.key);
        let Some(source) = &access.source else {
            let reason = format!("there is no key to an account at {name}");
            let remedy = format!(
                "name one by key_env, key_credential or key_file in [[trading.venues]] with name = \
                 {name:?}, or enable no pair of that venue"
            );
            self.faults.add(&key, reason, remedy);
            return None;
        };
        let text = match source.text() {
            Ok(text) => Zeroizing::new(text),
            Err(bad) => {
                self.faults.add(&key, bad.reason, bad.remedy);
                return None;
            }
        };
        key::read(&text).map_err(|(reason, remedy)| self.faults.add(&key, reason, remedy)).ok()
    }

    fn unusable(&mut self, problem: &Unusable, access: &Access) {
        let (key, remedy) = match problem {
            Unusable::NoGateway(_) => (format!("{}.name", access.key), "remove it"),
            Unusable::Keys { .. } => (format!("{}.key_env", access.key), "name another key"),
            Unusable::RecvWindow { .. } => {
                (format!("{}.recv_window_ms", access.key), "write one within")
            }
            Unusable::Market { .. } => (
                "trading.markets".to_owned(),
                "write code = instIdCode (and contract = ctVal for a swap) in its \
                 [[trading.markets]], from https://www.okx.com/api/v5/public/instruments?instType=SPOT \
                 (or SWAP)",
            ),
        };
        self.faults.add(&key, problem.to_string(), remedy);
    }

    /// Returns what orders need to know of the markets of a venue.
    fn markets(&self, venue: VenueId) -> Markets {
        let catalogue = &self.plan.catalogue;
        let listings = catalogue.listings.iter().filter(|it| it.venue == venue);
        let terms = listings.filter_map(|listing| {
            let id = listing.instrument;
            let instrument = catalogue.instrument(id);
            let name = CanonicalName::parse(&instrument.name)?;
            let codes = self.plan.trading.codes.iter();
            let code = codes.rev().find(|it| it.instrument == id && it.venue == venue);
            Some(Terms {
                instrument: id,
                symbol: listing.symbol.clone(),
                code: code.and_then(|it| it.code).unwrap_or_default(),
                price_scale: instrument.price_scale,
                size_scale: instrument.size_scale,
                contract: code.and_then(|it| it.contract),
                base: AssetName::new(name.base)?,
                quote: AssetName::new(name.quote)?,
            })
        });
        Markets::new(terms.collect())
    }

    /// Returns where a WebSocket leads: the path is the venue's, and so is the host unless the file has
    /// another.
    fn line(&mut self, access: &Access, usual: &str) -> Option<Server> {
        let base = self.base(&access.key, "order_url", access.order_url.as_ref())?;
        let url = match base {
            Some(base) => format!("{}{}", base.url, path(usual)),
            None => usual.to_owned(),
        };
        let key = format!("{}.order_url", access.key);
        let remedy = "write ws://host:port or wss://host:port";
        Server::new(&url, None, None).map_err(|why| self.faults.add(&key, why, remedy)).ok()
    }

    fn rest(&mut self, access: &Access, usual: &str) -> Option<String> {
        let base = self.base(&access.key, "order_rest_url", access.rest_url.as_ref())?;
        Some(base.map_or_else(|| usual.to_owned(), |base| base.url.clone()))
    }

    /// Checks a base address against the mode; `Some(None)` stands for the venue's own.
    #[expect(clippy::option_option, reason = "the outer one is whether it can be used")]
    fn base<'a>(
        &mut self,
        key: &str,
        field: &str,
        written: Option<&'a Address>,
    ) -> Option<Option<&'a Address>> {
        let problem = match (self.mode, written) {
            (Mode::Sim, None) => Some((
                "--gateway sim needs the simulator's address".to_owned(),
                "write that of exchange-sim, on this host",
            )),
            (Mode::Sim, Some(address)) if !is_here(&address.host) => Some((
                format!("--gateway sim sends to this host alone, and {} is another", address.url),
                "write the address of exchange-sim on this host, as ws://127.0.0.1:9443",
            )),
            (Mode::Live, Some(address)) if !address.secure => Some((
                format!("--gateway live sends nothing without encryption, as to {}", address.url),
                "write a wss:// or https:// address, or none for the venue's own",
            )),
            (Mode::Paper | Mode::Sim | Mode::Live, _) => None,
        };
        let Some((reason, remedy)) = problem else { return Some(written) };
        self.faults.add(&format!("{key}.{field}"), reason, remedy);
        None
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Returns path and query of an address.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}
