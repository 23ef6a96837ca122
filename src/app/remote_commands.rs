//! Commands that one tab gives another: close, crash, freeze. A command is a message on the bus itself: on the topic
//! `$demo/tabs/` and the tab's id, with the command's name as payload.

use tabmq_worker::api::{Publication, QoS, Subscription};
use tabmq_worker::hooks::{use_bus, use_bus_status, use_client};
use tabmq_worker::{BusHandle, BusStatus, Client, Fault, TabId};
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::browser::{address, time};
use crate::state::Action;

/// How long a frozen worker does nothing. Other tabs wait at most one second for it.
pub(crate) const FREEZE_MS: u32 = 10_000;

/// How long a resumed worker can take to learn that another tab is the broker.
const THAW_MS: u32 = 500;

/// Commands come exactly once. A broker that freezes has not acknowledged its command, and the next broker would send it again:
/// the tab would freeze twice.
const QOS: QoS = QoS::ExactlyOnce;

/// A command for a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteCommand {
    /// Closes the tab, like its close button.
    Close,
    /// Ends the tab's worker without a goodbye, like a crash.
    Crash,
    /// Blocks the tab's worker for [`FREEZE_MS`].
    Freeze,
}

impl RemoteCommand {
    pub(crate) const ALL: [Self; 3] = [Self::Close, Self::Crash, Self::Freeze];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Crash => "crash",
            Self::Freeze => "freeze",
        }
    }

    fn carry_out(self, bus: &BusHandle, dispatch: &Callback<Action>) {
        match self {
            Self::Close => address::close(),
            Self::Crash => bus.cause(Fault::Crash),
            Self::Freeze => {
                bus.cause(Fault::Hang { ms: FREEZE_MS });
                // A frozen worker reports nothing, so the page must know that its last report is outdated.
                let until = time::unix_ms() + f64::from(FREEZE_MS);
                dispatch.emit(Action::Frozen(Some(until)));
                let dispatch = dispatch.clone();
                spawn_local(async move {
                    time::pause(FREEZE_MS + THAW_MS).await;
                    dispatch.emit(Action::Frozen(None));
                });
            }
        }
    }
}

/// Prefix of the app's internal topics. `#` does not match topics that begin with `$`.
const OWN_TOPICS: &str = "$demo/";

/// Whether a topic is internal to the app, so that its messages are not shown.
pub(crate) fn is_own(topic: &str) -> bool {
    topic.starts_with(OWN_TOPICS)
}

/// Whether the sentence of an event mentions such a topic.
pub(crate) fn is_about_own(event: &str) -> bool {
    event.contains(OWN_TOPICS)
}

fn topic(tab: TabId) -> String {
    format!("{OWN_TOPICS}tabs/{tab}")
}

/// Sends a command to a tab.
pub(crate) fn send(
    client: &Client,
    tab: TabId,
    command: RemoteCommand,
    dispatch: &Callback<Action>,
) {
    let bus = client.bus();
    if bus.tab_id() == Some(tab) {
        return command.carry_out(bus, dispatch);
    }
    // The list of members shows its effect.
    drop(client.publish(Publication {
        topic: topic(tab),
        payload: command.name().into(),
        qos: QOS,
        ..Publication::default()
    }));
}

/// Carries out the commands for this tab.
#[hook]
pub(crate) fn use_remote_commands(dispatch: &Callback<Action>) {
    let (bus, client, status) = (use_bus(), use_client(), use_bus_status());
    let tab = match status {
        BusStatus::Open(tab) => Some(tab),
        BusStatus::Starting | BusStatus::Refused(_) | BusStatus::Failed(_) => None,
    };
    let seen = (bus, client, tab, dispatch.clone());
    use_effect_with(seen, |(bus, client, tab, dispatch)| {
        let subscriber = tab.map(|tab| {
            let wanted = Subscription {
                topic_filter: topic(tab),
                qos: QOS,
                ..Subscription::default()
            };
            let (bus, dispatch) = (bus.clone(), dispatch.clone());
            client.subscribe(wanted, move |message| {
                let mut commands = RemoteCommand::ALL.into_iter();
                let command = commands.find(|command| command.name().as_bytes() == message.payload);
                if let Some(command) = command {
                    command.carry_out(&bus, &dispatch);
                }
            })
        });
        move || drop(subscriber)
    });
}
