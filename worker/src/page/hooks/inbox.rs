//! The received messages of a component.

use std::cell::RefCell;
use std::rc::Rc;

use tab::api::{Message, Subscription};
use yew::prelude::*;

use super::read::{use_client, use_redraw};
use crate::page::{AnimationFrame, Client, Listening, Request, Subscriber, SubscriptionStatus};

/// A bounded store of messages.
pub(super) trait Store: Clone + 'static {
    fn keep(&mut self, message: Rc<Message>);
    /// Removes the messages.
    fn clear(&mut self);
}

/// A store and the subscription that fills it. A drawing shares the store. A change after the drawing copies it first, so at most
/// once per frame.
pub(super) struct Inbox<S> {
    store: RefCell<Rc<S>>,
    subscribed: RefCell<Option<Subscribed>>,
    redraw: Rc<AnimationFrame>,
}

struct Subscribed {
    client: Client,
    subscription: Subscription,
    subscriber: Subscriber,
    _listening: Listening,
}

impl<S: Store> Inbox<S> {
    fn new(store: S, redraw: Rc<AnimationFrame>) -> Self {
        Self {
            store: RefCell::new(Rc::new(store)),
            subscribed: RefCell::new(None),
            redraw,
        }
    }

    /// Subscribes, in place of the earlier subscription.
    fn subscribe(self: &Rc<Self>, client: &Client, subscription: &Subscription, empty: S) {
        // Taken out, because nothing may be borrowed while callbacks run.
        let before = self.subscribed.take();
        let subscribed = match before {
            Some(mut before) if before.client == *client => {
                if before.subscription.topic_filter != subscription.topic_filter {
                    self.store.replace(Rc::new(empty));
                    self.redraw.ask();
                }
                before.subscriber.change(subscription.clone());
                Subscribed {
                    subscription: subscription.clone(),
                    ..before
                }
            }
            before => {
                if before.is_some() {
                    self.store.replace(Rc::new(empty));
                }
                let inbox = Rc::downgrade(self);
                let subscriber = client.subscribe(subscription.clone(), move |message| {
                    if let Some(inbox) = inbox.upgrade() {
                        inbox.change(|store| store.keep(message));
                    }
                });
                let redraw = Rc::clone(&self.redraw);
                let listening = subscriber.on_status(move |_| redraw.ask());
                self.redraw.ask();
                Subscribed {
                    client: client.clone(),
                    subscription: subscription.clone(),
                    subscriber,
                    _listening: listening,
                }
            }
        };
        self.subscribed.replace(Some(subscribed));
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut S)) {
        change(Rc::make_mut(&mut self.store.borrow_mut()));
        self.redraw.ask();
    }

    pub(super) fn clear(&self) {
        self.change(Store::clear);
    }

    pub(super) fn store(&self) -> Rc<S> {
        Rc::clone(&self.store.borrow())
    }

    pub(super) fn status(&self) -> SubscriptionStatus {
        let subscribed = self.subscribed.borrow();
        subscribed
            .as_ref()
            .map_or(SubscriptionStatus::Suspended, |it| it.subscriber.status())
    }

    /// Subscribes again with the same options.
    pub(super) fn renew(&self) {
        let subscribed = self.subscribed.take();
        if let Some(mut subscribed) = subscribed {
            subscribed
                .subscriber
                .change(subscribed.subscription.clone());
            self.subscribed.replace(Some(subscribed));
        }
    }

    /// Unsubscribes, if it is subscribed.
    pub(super) fn close(&self) -> Option<Request> {
        let subscribed = self.subscribed.take();
        subscribed.map(|it| it.subscriber.unsubscribe())
    }
}

/// Subscribes while the component is mounted. `empty` makes the store, also after a change of the filter.
#[hook]
pub(super) fn use_inbox<S: Store>(
    subscription: Subscription,
    empty: impl Fn() -> S + 'static,
) -> Rc<Inbox<S>> {
    let client = use_client();
    let redraw = use_redraw();
    let inbox = use_memo((), |()| Rc::new(Inbox::new(empty(), redraw)));
    {
        let inbox = Rc::clone(&inbox);
        use_effect_with((client, subscription), move |(client, subscription)| {
            inbox.subscribe(client, subscription, empty());
        });
    }
    {
        let inbox = Rc::clone(&inbox);
        use_effect_with((), move |()| move || drop(inbox.close()));
    }
    Rc::clone(&inbox)
}
