//! A model of BroadcastChannels: the control channel and the lanes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tab::{Lane, TabId};

use crate::prng::Prng;

/// Number of recently arrived frames that are kept for replays.
const RECENT_FRAMES: usize = 32;

/// Delay of a held frame, so that later frames overtake it.
const HELD_US: u64 = 100_000;

/// The channels of one origin: their listeners and their delays.
///
/// A message goes to all tabs that listen when it is posted, except its sender. Order is kept between one sender and
/// one receiver only. A posted message arrives even if its sender ends before.
#[derive(Debug)]
pub(crate) struct Channels {
    prng: Prng,
    slow_per_mille: u64,
    joined: BTreeSet<TabId>,
    ends: BTreeMap<Lane, BTreeMap<TabId, EndNo>>,
    last_end: u64,
    /// Arrival time of the last message on each route.
    arrivals: BTreeMap<Route, u64>,
    recent: VecDeque<Posted>,
    /// Delays the next frame, so that later frames overtake it.
    pub(crate) hold_next: bool,
    /// Drops the next frame.
    pub(crate) lose_next: bool,
    /// Tabs that receive nothing. The value says whether their own messages are lost, too.
    deaf: BTreeMap<TabId, bool>,
    /// Tabs whose messages take seconds to arrive.
    delayed: BTreeSet<TabId>,
    /// Number of deliveries that took longer than usual.
    pub(crate) slow: u64,
}

/// One opening of one end of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndNo(u64);

/// The sender of a control message. A worker and its page have a channel object each, without an order between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sender {
    Worker(TabId),
    Page(TabId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    Control(Sender, TabId),
    Lane(EndNo, EndNo),
}

/// A frame on its way to one end of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) to: TabId,
    pub(crate) end: EndNo,
    pub(crate) lane: Lane,
    pub(crate) frame: Vec<u8>,
}

impl Channels {
    pub(crate) fn new(prng: Prng, slow_per_mille: u64) -> Self {
        Self {
            prng,
            slow_per_mille,
            joined: BTreeSet::new(),
            ends: BTreeMap::new(),
            last_end: 0,
            arrivals: BTreeMap::new(),
            recent: VecDeque::new(),
            hold_next: false,
            lose_next: false,
            deaf: BTreeMap::new(),
            delayed: BTreeSet::new(),
            slow: 0,
        }
    }

    pub(crate) fn join(&mut self, tab: TabId) {
        self.joined.insert(tab);
    }

    pub(crate) fn has_joined(&self, tab: TabId) -> bool {
        self.joined.contains(&tab)
    }

    /// Returns the arrival time of a message at each receiver.
    pub(crate) fn post_control(&mut self, now_us: u64, sender: Sender) -> Vec<(u64, TabId)> {
        let (Sender::Worker(own) | Sender::Page(own)) = sender;
        if self.is_mute(own) {
            return Vec::new();
        }
        let others: Vec<TabId> = self.joined.iter().copied().collect();
        others
            .into_iter()
            .filter(|tab| *tab != own)
            .map(|tab| (self.arrival(now_us, Route::Control(sender, tab), tab), tab))
            .collect()
    }

    /// Opens a lane end. An open end stays open.
    pub(crate) fn open(&mut self, tab: TabId, lane: Lane) {
        let ends = self.ends.entry(lane).or_default();
        ends.entry(tab).or_insert_with(|| {
            self.last_end += 1;
            EndNo(self.last_end)
        });
    }

    /// Closes a lane end. Returns whether it was open.
    pub(crate) fn close(&mut self, tab: TabId, lane: Lane) -> bool {
        self.ends
            .get_mut(&lane)
            .is_some_and(|ends| ends.remove(&tab).is_some())
    }

    /// Returns the arrival time of a frame at each receiver; `None` if the sender's end is not open.
    pub(crate) fn post_frame(
        &mut self,
        now_us: u64,
        from: TabId,
        lane: Lane,
        frame: &[u8],
    ) -> Option<Vec<(u64, Posted)>> {
        let ends = self.ends.get(&lane)?.clone();
        let own = *ends.get(&from)?;
        let mut posts = Vec::new();
        if core::mem::take(&mut self.lose_next) || self.is_mute(from) {
            return Some(posts);
        }
        for (to, end) in ends {
            if to != from {
                let frame = frame.to_vec();
                let posted = Posted {
                    to,
                    end,
                    lane,
                    frame,
                };
                let arrival = if core::mem::take(&mut self.hold_next) {
                    now_us + HELD_US
                } else {
                    self.arrival(now_us, Route::Lane(own, end), to)
                };
                posts.push((arrival, posted));
            }
        }
        Some(posts)
    }

    /// The tab whose lane breaks if `from` posts on it now, because the frame is lost or late.
    pub(crate) fn disrupted_tab(&self, from: TabId, lane: Lane) -> Option<TabId> {
        let ends = self.ends.get(&lane).into_iter().flatten();
        let is_unheard = ends.into_iter().any(|(to, _)| self.is_deaf(*to));
        let is_disrupted = self.lose_next || self.hold_next || self.is_mute(from) || is_unheard;
        is_disrupted.then_some(lane.tab)
    }

    // Deaf tabs.

    pub(crate) fn deafen(&mut self, tab: TabId, is_mute: bool) {
        self.deaf.insert(tab, is_mute);
    }

    /// Returns whether the tab was deaf.
    pub(crate) fn undeafen(&mut self, tab: TabId) -> bool {
        self.deaf.remove(&tab).is_some()
    }

    pub(crate) fn is_deaf(&self, tab: TabId) -> bool {
        self.deaf.contains_key(&tab)
    }

    pub(crate) fn is_mute(&self, tab: TabId) -> bool {
        self.deaf.get(&tab).is_some_and(|is_mute| *is_mute)
    }

    /// Delays each message to this tab by seconds from now on.
    pub(crate) fn delay(&mut self, tab: TabId) {
        self.delayed.insert(tab);
    }

    pub(crate) fn end_delay(&mut self, tab: TabId) {
        self.delayed.remove(&tab);
    }

    /// Ends all faults: from now on each message arrives soon.
    pub(crate) fn end_faults(&mut self) {
        self.hold_next = false;
        self.lose_next = false;
        self.deaf.clear();
        self.delayed.clear();
    }

    /// Whether the lane end to which a frame was posted is still open.
    pub(crate) fn is_open(&self, posted: &Posted) -> bool {
        let ends = self.ends.get(&posted.lane);
        ends.and_then(|ends| ends.get(&posted.to)) == Some(&posted.end)
    }

    /// Keeps a frame that has arrived, for replays.
    pub(crate) fn note_arrived(&mut self, posted: Posted) {
        if self.recent.len() == RECENT_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(posted);
    }

    /// A random frame of those that arrived recently.
    pub(crate) fn recent_frame(&mut self) -> Option<Posted> {
        let recent = self.recent.make_contiguous();
        self.prng.pick(recent).cloned()
    }

    /// The tab has ended, and its channels are closed.
    pub(crate) fn on_tab_ended(&mut self, tab: TabId) {
        self.joined.remove(&tab);
        self.deaf.remove(&tab);
        self.delayed.remove(&tab);
        self.ends.retain(|_, ends| {
            ends.remove(&tab);
            !ends.is_empty()
        });
    }

    fn arrival(&mut self, now_us: u64, route: Route, to: TabId) -> u64 {
        let delay_us = if self.delayed.contains(&to) {
            self.slow += 1;
            self.prng.between(500_000, 3_000_000)
        } else if self.prng.chance(self.slow_per_mille) {
            self.slow += 1;
            self.prng.between(5_000, 200_000)
        } else {
            self.prng.between(0, 5_000)
        };
        let last = self.arrivals.entry(route).or_default();
        *last = (now_us + delay_us).max(*last);
        *last
    }
}

#[cfg(test)]
mod tests {
    use tab::api::Term;

    use super::*;

    const A: TabId = TabId::from_entropy(1);
    const B: TabId = TabId::from_entropy(2);
    const LANE: Lane = Lane {
        tab: A,
        broker: B,
        term: Term(1),
    };

    #[test]
    fn a_route_keeps_its_order_and_no_tab_receives_its_own_messages() {
        let mut net = Channels::new(Prng::new(1), 500);
        net.join(A);
        net.join(B);
        let mut last = 0;
        for now_us in 0..100 {
            let arrivals = net.post_control(now_us, Sender::Worker(A));
            assert_eq!(arrivals.len(), 1);
            assert_eq!(arrivals[0].1, B);
            assert!(arrivals[0].0 >= last);
            last = arrivals[0].0;
        }
        assert!(net.slow > 0);
    }

    #[test]
    fn a_deaf_tab_may_still_send_and_a_mute_one_may_not() {
        let mut net = Channels::new(Prng::new(1), 0);
        for tab in [A, B] {
            net.join(tab);
            net.open(tab, LANE);
        }
        net.deafen(A, false);
        assert_eq!(net.disrupted_tab(B, LANE), Some(A));
        assert_eq!(net.post_control(0, Sender::Worker(A)).len(), 1);
        net.deafen(A, true);
        assert!(net.post_control(0, Sender::Worker(A)).is_empty());
        assert_eq!(net.post_frame(0, A, LANE, b"x").unwrap().len(), 0);
        assert!(net.undeafen(A) && !net.undeafen(A));
        assert_eq!(net.disrupted_tab(B, LANE), None);
        net.lose_next = true;
        assert_eq!(net.post_frame(0, A, LANE, b"x").unwrap().len(), 0);
        assert_eq!(net.post_frame(0, A, LANE, b"x").unwrap().len(), 1);
    }

    #[test]
    fn a_frame_does_not_reach_an_end_that_opens_later() {
        let mut net = Channels::new(Prng::new(1), 0);
        assert!(net.post_frame(0, A, LANE, b"x").is_none());
        net.open(A, LANE);
        assert_eq!(net.post_frame(0, A, LANE, b"x").unwrap().len(), 0);
        net.open(B, LANE);
        let posts = net.post_frame(0, A, LANE, b"x").unwrap();
        assert!(net.is_open(&posts[0].1));
        assert!(net.close(B, LANE));
        net.open(B, LANE);
        assert!(!net.is_open(&posts[0].1));
    }
}
