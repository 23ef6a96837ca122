//! What a subscription of a component has received.

use std::cell::RefCell;
use std::rc::Rc;

use tab::api::{Message, Subscription};
use yew::prelude::*;

use super::read::{use_client, use_redraw};
use crate::page::{AnimationFrame, Client, Listening, Request, Subscriber, SubscriptionStatus};

/// Where messages are kept, bounded.
pub(super) trait Store: Clone + 'static {
    fn keep(&mut self, message: Rc<Message>);
    /// Forgets what the component has seen.
    fn clear(&mut self);
}

/// A store and the subscription that fills it. Whoever draws has the store as it was then; it is copied when it changes
/// meanwhile, so once per frame at most.
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

    /// Subscribes, instead of what it was subscribed to.
    fn subscribe(self: &Rc<Self>, client: &Client, subscription: &Subscription, empty: S) {
        // Taken out, because nothing may be borrowed while others are told of it.
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

    /// Asks for the same once more.
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

/// Subscribes while the component is mounted. `empty` makes the store, also when the filter is another one.
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
