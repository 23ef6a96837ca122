//! A subscriber of a topic filter.

use core::fmt;
use core::future::Future;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use tab::api::{Message, QoS, Subscription};

use super::client::Client;
use super::error::RequestError;
use super::listeners::{Listeners, Listening};
use super::request::Request;
use super::subscribers::{SubscriberId, SubscriptionStatus};

/// One subscription of an app. Dropping it unsubscribes, unless another subscriber of the client has the same filter.
///
/// ```no_run
/// # use tabmq_worker::api::Subscription;
/// # use tabmq_worker::{Client, RequestError, SubscriptionStatus};
/// # async fn example(client: Client) -> Result<(), RequestError> {
/// let wanted = Subscription { topic_filter: "oven/#".into(), ..Default::default() };
/// let subscriber = client.subscribe(wanted, |message| { /* … */ });
/// match subscriber.status() {
///     SubscriptionStatus::Granted(qos) => { /* messages come with this QoS at most */ }
///     SubscriptionStatus::Refused(error) => { /* it displays as a sentence */ }
///     SubscriptionStatus::Suspended | SubscriptionStatus::Requested => {}
/// }
/// subscriber.unsubscribe().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it unsubscribes when it is dropped"]
pub struct Subscriber {
    client: Client,
    id: SubscriberId,
    slot: Rc<Slot>,
    is_over: bool,
}

/// The callbacks and the status of a subscriber.
pub(crate) struct Slot {
    on_message: Box<dyn Fn(Rc<Message>)>,
    on_status: Listeners<SubscriptionStatus>,
    status: RefCell<SubscriptionStatus>,
}

impl Subscriber {
    pub(crate) fn new(client: Client, id: SubscriberId, slot: Rc<Slot>) -> Self {
        Self {
            client,
            id,
            slot,
            is_over: false,
        }
    }

    /// The broker's answer (SUBACK, MQTT 5.0, 3.9).
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        self.slot.status.borrow().clone()
    }

    /// Calls back at every change of the status.
    pub fn on_status(&self, callback: impl Fn(&SubscriptionStatus) + 'static) -> Listening {
        self.slot.on_status.add(callback)
    }

    /// Waits for the broker's answer: the maximum QoS that it grants.
    ///
    /// # Errors
    /// The broker refuses it with a reason code, the filter is invalid, or the subscriber has unsubscribed
    /// ([`RequestError::Closed`]).
    pub fn granted(&self) -> impl Future<Output = Result<QoS, RequestError>> + 'static {
        let (answer_to, answered) = oneshot::channel();
        let answer_to = Cell::new(Some(answer_to));
        let on_status = move |status: &SubscriptionStatus| {
            let answer = match status {
                SubscriptionStatus::Granted(qos) => Ok(*qos),
                SubscriptionStatus::Refused(error) => Err(error.clone()),
                SubscriptionStatus::Suspended | SubscriptionStatus::Requested => return,
            };
            if let Some(answer_to) = answer_to.take() {
                // This fails if the future is dropped.
                let _ = answer_to.send(answer);
            }
        };
        on_status(&self.status());
        let listening = self.on_status(on_status);
        async move {
            let answer = answered.await.unwrap_or(Err(RequestError::Closed));
            drop(listening);
            answer
        }
    }

    /// Changes the filter or the options. No message that both filters match is missed.
    pub fn change(&mut self, subscription: Subscription) {
        self.client.core().change(self.id, subscription);
    }

    /// Unsubscribes (MQTT 5.0, 3.10). Resolves to the reason code of UNSUBACK. It is 0x00 without a packet if others have the same
    /// filter, or if there is no worker. In the latter case, the next worker unsubscribes if the session continues.
    pub fn unsubscribe(mut self) -> Request {
        self.is_over = true;
        let (request, answer) = Request::new();
        self.client.core().unsubscribe(self.id, answer);
        request
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if !self.is_over {
            self.client.core().unsubscribe(self.id, drop);
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("client", &self.client)
            .field("status", &self.slot.status)
            .finish_non_exhaustive()
    }
}

impl Slot {
    pub(crate) fn new(on_message: impl Fn(Rc<Message>) + 'static) -> Self {
        Self {
            on_message: Box::new(on_message),
            on_status: Listeners::default(),
            status: RefCell::new(SubscriptionStatus::Suspended),
        }
    }

    pub(crate) fn on_message(&self, message: &Rc<Message>) {
        (self.on_message)(Rc::clone(message));
    }

    pub(crate) fn set_status(&self, status: SubscriptionStatus) {
        if *self.status.borrow() != status {
            self.status.replace(status.clone());
            self.on_status.notify(&status);
        }
    }
}
