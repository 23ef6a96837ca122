//! Publishing, and the outcome of messages.

use core::fmt;
use std::cell::RefCell;
use std::rc::Rc;

use tab::api::{Publication, QoS};
use yew::prelude::*;

use super::read::{use_client, use_redraw};
use crate::page::{AnimationFrame, Client, Reason, Request, RequestError};

/// Publishes with the shared client. Its status is that of the time when the component was drawn. Clones are equal.
#[derive(Clone)]
pub struct PublishHandle {
    client: Client,
    status: Rc<PublishStatus>,
    tracker: Rc<Tracker>,
}

/// Outcome of the messages that a component has published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishStatus {
    /// Messages in all.
    pub begun: u64,
    /// Messages without an answer.
    pub pending: usize,
    /// Messages that were answered with success, or sent with QoS 0.
    pub acknowledged: u64,
    /// The message that was answered last.
    pub last: Option<Published>,
}

/// One message with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number: 1 for the component's first one.
    pub number: u64,
    /// Its QoS.
    pub qos: QoS,
    /// The reason code of PUBACK or PUBREC, for QoS 0 that of success; or the error.
    pub result: Result<Reason, RequestError>,
}

struct Tracker {
    status: RefCell<Rc<PublishStatus>>,
    redraw: Rc<AnimationFrame>,
}

impl PublishHandle {
    /// Publishes with QoS 1, not retained, even if the request is dropped.
    pub fn publish(&self, topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Request {
        self.publish_with_options(Publication {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtLeastOnce,
            ..Publication::default()
        })
    }

    /// Publishes; see [`Client::publish`].
    pub fn publish_with_options(&self, publication: Publication) -> Request {
        let (request, answer) = Request::new();
        let qos = publication.qos;
        let number = self.tracker.change(PublishStatus::begin);
        let tracker = Rc::downgrade(&self.tracker);
        self.client.publish_then(publication, move |result| {
            if let Some(tracker) = tracker.upgrade() {
                let ended = Published {
                    number,
                    qos,
                    result: result.clone(),
                };
                tracker.change(|status| status.end(ended));
            }
            answer(result);
        });
        request
    }

    /// Outcome of all messages of this component.
    #[must_use]
    pub fn status(&self) -> &PublishStatus {
        &self.status
    }
}

impl PartialEq for PublishHandle {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
            && self.status == other.status
            && Rc::ptr_eq(&self.tracker, &other.tracker)
    }
}

impl fmt::Debug for PublishHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublishHandle").field(&self.status).finish()
    }
}

impl PublishStatus {
    fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.pending += 1;
        self.begun
    }

    fn end(&mut self, ended: Published) {
        self.pending -= 1;
        self.acknowledged += u64::from(ended.result.is_ok());
        self.last = Some(ended);
    }
}

impl Tracker {
    fn change<T>(&self, change: impl FnOnce(&mut PublishStatus) -> T) -> T {
        let changed = change(Rc::make_mut(&mut self.status.borrow_mut()));
        self.redraw.ask();
        changed
    }
}

/// Publishes. The component is drawn again when the status changes.
///
/// ```no_run
/// # use tabmq_worker::api::{Publication, QoS};
/// # use tabmq_worker::hooks::use_publish;
/// # use yew::prelude::*;
/// #[component]
/// fn Switch() -> Html {
///     let publish = use_publish();
///     let pending = publish.status().pending;
///     let on = move |_: MouseEvent| {
///         let request = publish.publish_with_options(Publication {
///             topic: "home/lamp".into(),
///             payload: b"on".into(),
///             qos: QoS::AtLeastOnce,
///             retain: true,
///             ..Default::default()
///         });
///         // Awaits the PUBACK. A caller that ignores it drops the request.
///         yew::platform::spawn_local(async move {
///             if let Err(error) = request.await { /* it displays as a sentence */ }
///         });
///     };
///     html! { <button onclick={on} disabled={pending > 0}>{ "On" }</button> }
/// }
/// ```
#[hook]
pub fn use_publish() -> PublishHandle {
    let client = use_client();
    let redraw = use_redraw();
    let tracker = use_memo((), |()| {
        let status = RefCell::default();
        Rc::new(Tracker { status, redraw })
    });
    PublishHandle {
        client,
        status: Rc::clone(&tracker.status.borrow()),
        tracker: Rc::clone(&tracker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes_are_counted_when_they_are_answered() {
        let mut status = PublishStatus::default();
        let numbers = [status.begin(), status.begin(), status.begin()];
        assert_eq!((numbers, status.pending), ([1, 2, 3], 3));
        let end = |number, result| Published {
            number,
            qos: QoS::AtLeastOnce,
            result,
        };
        status.end(end(1, Ok(Reason(0x10))));
        status.end(end(2, Err(RequestError::Reason(Reason(0x97)))));
        status.end(end(3, Err(RequestError::Closed)));
        assert_eq!((status.pending, status.acknowledged), (0, 1));
        assert_eq!(status.last, Some(end(3, Err(RequestError::Closed))));
    }
}
