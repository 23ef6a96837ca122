//! The messages of a subscription as a stream.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::cell::RefCell;
use std::rc::Rc;

use futures_core::Stream;
use tab::api::{Message, Subscription};

use super::client::Client;
use super::ring_buffer::RingBuffer;
use super::subscriber::Subscriber;

/// The messages of a subscription, in order, as a [`Stream`] that does not end. It keeps the newest messages until they are taken,
/// and counts the dropped ones. Dropping it unsubscribes.
///
/// ```no_run
/// # use tabmq_worker::{Client, api::Subscription};
/// # async fn example(client: Client) {
/// let wanted = Subscription { topic_filter: "oven/#".into(), ..Default::default() };
/// let mut messages = client.messages(wanted, 100);
/// loop {
///     let message = messages.recv().await;
///     // `message.topic`, `message.payload`
/// }
/// # }
/// ```
pub struct Messages {
    subscriber: Subscriber,
    inbox: Rc<Inbox>,
}

struct Inbox {
    messages: RefCell<RingBuffer<Rc<Message>>>,
    waker: RefCell<Option<Waker>>,
}

impl Messages {
    pub(crate) fn new(client: &Client, subscription: Subscription, capacity: usize) -> Self {
        let inbox = Rc::new(Inbox {
            messages: RefCell::new(RingBuffer::new(capacity)),
            waker: RefCell::new(None),
        });
        let filled = Rc::clone(&inbox);
        let subscriber = client.subscribe(subscription, move |message| {
            filled.messages.borrow_mut().push(message);
            let waker = filled.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Self { subscriber, inbox }
    }

    /// Waits for the next message.
    pub async fn recv(&mut self) -> Rc<Message> {
        poll_fn(|context| self.inbox.poll(context)).await
    }

    /// Number of messages that were dropped for lack of room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inbox.messages.borrow().dropped()
    }

    /// The subscription.
    pub fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }
}

impl Inbox {
    fn poll(&self, context: &Context<'_>) -> Poll<Rc<Message>> {
        let next = self.messages.borrow_mut().pop();
        match next {
            Some(message) => Poll::Ready(message),
            None => {
                self.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Stream for Messages {
    type Item = Rc<Message>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll(context).map(Some)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Messages").field(&self.subscriber).finish()
    }
}
