//! Faults: what befalls the tabs.

use tab::control::ControlMessage;
use tab::{Input, TabId};

use super::{Event, World};
use crate::garbage;
use crate::net::Sender;
use crate::trace;
use crate::violation::Violation;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Open,
    Close,
    Crash,
    /// Something comes that no tab of ours sends.
    Garbage,
    /// A frame comes twice.
    Replay,
    /// A frame is held up, and later ones overtake it.
    Overtake,
    /// A stranger says of a tab what is not so.
    Slander,
    NeedlessTimeout,
}

impl World<'_> {
    pub(super) fn on_fault(&mut self) -> Result<(), Violation> {
        if self.is_calm {
            return Ok(());
        }
        let weights = self.plan.faults;
        let faults = [
            (Fault::Open, weights.open),
            (Fault::Close, weights.close),
            (Fault::Crash, weights.crash),
            (Fault::Garbage, weights.garbage),
            (Fault::Replay, weights.replay),
            (Fault::Overtake, weights.overtake),
            (Fault::Slander, weights.slander),
            (Fault::NeedlessTimeout, weights.needless_timeout),
        ];
        let all: u64 = faults.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.prng.between(1, all);
        for (fault, weight) in faults {
            if drawn <= weight {
                return self.strike(fault);
            }
            drawn -= weight;
        }
        Ok(())
    }

    fn strike(&mut self, fault: Fault) -> Result<(), Violation> {
        let ids: Vec<TabId> = self.tabs.keys().copied().collect();
        let victim = self.prng.pick(&ids).copied();
        let Some(victim) = victim else {
            self.birth();
            return Ok(());
        };
        match fault {
            Fault::Open => {
                if self.tabs.len() < self.plan.tabs_alive_max {
                    self.birth();
                }
            }
            Fault::Close => {
                let victim = self.rather_the_broker(victim);
                self.death(victim, false);
            }
            Fault::Crash => {
                let victim = self.rather_the_broker(victim);
                self.death(victim, true);
            }
            Fault::Garbage => return self.garbage(victim),
            Fault::Replay => self.replay(),
            Fault::Overtake => {
                self.oracle.tally.frames_overtaken += 1;
                self.net.hold_next = true;
            }
            Fault::Slander => {
                let victim = self.rather_the_broker(victim);
                self.slander(victim);
            }
            Fault::NeedlessTimeout => {
                self.oracle.tally.needless_timeouts += 1;
                return self.turn(victim, Input::Timeout);
            }
        }
        Ok(())
    }

    fn rather_the_broker(&mut self, other: TabId) -> TabId {
        let broker = self.oracle.broker().filter(|_| self.prng.chance(600));
        broker.unwrap_or(other)
    }

    fn garbage(&mut self, victim: TabId) -> Result<(), Violation> {
        if self.prng.chance(300) {
            self.oracle.tally.strangers += 1;
            let term = self.oracle.term().unwrap_or_default();
            let now_ms = self.now().as_ms();
            let message = garbage::strange(&mut self.prng, now_ms, term);
            self.post_as_stranger(&message);
            return Ok(());
        }
        let frame = self.net.recent_frame().map(|posted| posted.frame);
        let input = garbage::garbage(&mut self.prng, victim, frame);
        if self.net.has_joined(victim) {
            self.oracle.on_garbage(victim);
            self.turn(victim, input)?;
        }
        Ok(())
    }

    /// A frame comes a second time. Nobody must notice.
    fn replay(&mut self) {
        if let Some(posted) = self.net.recent_frame()
            && self.net.is_open(&posted)
        {
            self.trace.tab(self.now_us, posted.to, || {
                let frame = trace::frame(&posted.frame);
                format!("is sent again on {}: {frame}", trace::lane(posted.lane))
            });
            self.oracle.tally.frames_replayed += 1;
            self.schedule_in(0, 5_000, Event::Frame(posted));
        }
    }

    /// Somebody says that the broker has left, or that a tab's lane is closed. The tabs must find their way back.
    fn slander(&mut self, victim: TabId) {
        let Some(term) = self.oracle.term() else {
            return;
        };
        self.oracle.tally.slanders += 1;
        for tab in self.living() {
            self.oracle.on_disturbance(self.now(), tab);
        }
        let message = if self.oracle.broker() == Some(victim) {
            ControlMessage::Goodbye { tab_id: victim }
        } else {
            ControlMessage::Unbind {
                tab_id: victim,
                term,
                binding: self.prng.one_of([1, 2, 3]),
            }
        };
        self.post_as_stranger(&message);
    }

    fn post_as_stranger(&mut self, message: &ControlMessage) {
        let stranger = TabId::from_entropy(self.prng.next());
        self.trace.tab(self.now_us, stranger, || {
            format!("no tab, says {}", trace::control(message))
        });
        self.post_control(Sender::Page(stranger), message);
    }
}
