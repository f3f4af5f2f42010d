//! Bringing an account in order: own open orders are cancelled, trades and balances are asked for.

use super::{Job, RETRY, Session};
use crate::protocol::{Call, Fact, Inquiry, Line};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::amount::Amount;
use spreadwire_trading::order::{Answer, AssetName};
use std::collections::BTreeSet;

impl Session {
    pub(super) fn drop_job_call(&mut self) {
        if let Some(number) = self.job_call.take() {
            self.take(number);
        }
        self.page = None;
        self.job_retry = 0;
    }

    pub(super) fn job_failed(&mut self, now: Nanos, number: u64) {
        if self.job_call == Some(number) {
            self.drop_job_call();
            self.job_retry = now + RETRY;
        }
    }

    pub(super) fn inquiry_answered(
        &mut self,
        now: Nanos,
        number: u64,
        inquiry: Inquiry,
        facts: &[Fact],
    ) {
        if self.job_call != Some(number) {
            return;
        }
        let is_failed = facts.iter().any(|fact| matches!(fact, Fact::Failed(_)));
        let more = facts.iter().find_map(Fact::page);
        self.apply(now, Line::Orders, facts);
        if is_failed {
            return self.job_failed(now, number);
        }
        if self.job_call != Some(number) {
            return;
        }
        if let (Inquiry::TradesSince(Some(instrument), since), true) =
            (inquiry, facts.contains(&Fact::Nameless))
        {
            self.job_failed(now, number);
            self.jobs.push_front(Job::Inquire(Inquiry::OrdersSince(instrument, since)));
            return;
        }
        self.job_call = None;
        self.page = more;
        if self.page.is_none() {
            self.jobs.pop_front();
            if inquiry == Inquiry::Balances {
                self.tell_empty_balances();
            }
        }
    }

    /// Venues list the assets that there are. The others of our markets are at zero.
    pub(super) fn tell_empty_balances(&mut self) {
        let markets = self.protocol.account().markets.all();
        let assets: BTreeSet<AssetName> =
            markets.iter().flat_map(|terms| [terms.base, terms.quote]).collect();
        for asset in assets {
            if !self.assets_told.contains(&asset) {
                let (venue, total) = (self.venue, Amount::ZERO);
                self.answers.push(Answer::Balance { venue, asset, total });
            }
        }
    }

    /// Goes on with the first job. `false` if it has to wait.
    pub(super) fn job(&mut self, now: Nanos) -> bool {
        match self.jobs.front() {
            None => false,
            Some(Job::Cancels) if !self.cancels.is_empty() => false,
            Some(Job::Cancels) if self.were_open => {
                // A cancel may have failed, or not be carried out yet.
                self.were_open = false;
                self.job_retry = now + RETRY;
                self.jobs.push_front(Job::Inquire(Inquiry::OpenOrders));
                false
            }
            Some(Job::Cancels) => self.jobs.pop_front().is_some(),
            Some(Job::Complete) => {
                self.reconciling_since = None;
                self.answers.push(Answer::Reconciled { venue: self.venue });
                self.jobs.pop_front().is_some()
            }
            Some(Job::Inquire(inquiry)) => {
                let inquiry = *inquiry;
                // Cancels need the connection.
                let can_start = self.is_up() && self.can_ask(now) && self.job_retry <= now;
                if self.job_call.is_some() || !can_start {
                    return false;
                }
                if inquiry == Inquiry::Balances {
                    self.assets_told.clear();
                }
                let page = self.page.take();
                self.job_call = self.call_plain(now, Call::Inquire(inquiry), page.as_deref());
                // What a venue has no question for is not asked.
                self.job_call.is_none() && self.jobs.pop_front().is_some()
            }
        }
    }
}
