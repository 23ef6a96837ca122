//! The event queue of the worker.

use core::fmt;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Passes events to a handler: at once, but never while the handler runs. Clones share the queue.
pub(crate) struct EventQueue<T>(Rc<Inner<T>>);

struct Inner<T> {
    waiting: RefCell<VecDeque<T>>,
    /// Borrowed while the handler runs.
    handler: RefCell<Option<Handler<T>>>,
}

type Handler<T> = Box<dyn FnMut(T)>;

impl<T> EventQueue<T> {
    /// An empty queue. Events wait until [`Self::start`].
    pub(crate) fn new() -> Self {
        Self(Rc::new(Inner {
            waiting: RefCell::default(),
            handler: RefCell::new(None),
        }))
    }

    /// Passes waiting and future events to `handler`, one call each.
    pub(crate) fn start(&self, handler: impl FnMut(T) + 'static) {
        self.0.handler.replace(Some(Box::new(handler)));
        self.drain();
    }

    pub(crate) fn push(&self, it: T) {
        self.0.waiting.borrow_mut().push_back(it);
        self.drain();
    }

    /// Drops the handler. Later events have no effect. Must not be called by the handler.
    pub(crate) fn stop(&self) {
        let handler = self.0.handler.take();
        // Its values may push events while they are dropped.
        drop(handler);
    }

    fn drain(&self) {
        // Otherwise the handler runs, and the loop below takes the new event next.
        let Ok(mut handler) = self.0.handler.try_borrow_mut() else {
            return;
        };
        let Some(handler) = handler.as_mut() else {
            return;
        };
        loop {
            let next = self.0.waiting.borrow_mut().pop_front();
            match next {
                Some(next) => handler(next),
                None => return,
            }
        }
    }
}

impl<T> Clone for EventQueue<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> fmt::Debug for EventQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventQueue")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_pushed_by_the_handler_is_handled_after_it_returns() {
        let queue = EventQueue::new();
        let taken = Rc::new(RefCell::new(Vec::new()));
        queue.push(3);
        let (within, noted) = (queue.clone(), Rc::clone(&taken));
        queue.start(move |number: u32| {
            noted.borrow_mut().push(format!("{number} begins"));
            if number > 0 {
                within.push(number - 1);
            }
            noted.borrow_mut().push(format!("{number} ends"));
        });
        assert_eq!(
            taken.take(),
            [
                "3 begins", "3 ends", "2 begins", "2 ends", "1 begins", "1 ends", "0 begins",
                "0 ends"
            ]
        );
        queue.push(0);
        assert_eq!(taken.take(), ["0 begins", "0 ends"]);
    }

    #[test]
    fn stop_drops_the_handler_and_events_pushed_by_its_drop_are_lost() {
        struct Last(EventQueue<u32>);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.push(9);
            }
        }
        let queue = EventQueue::new();
        let (last, taken) = (Last(queue.clone()), Rc::new(RefCell::new(Vec::new())));
        let noted = Rc::clone(&taken);
        queue.start(move |number| {
            let _ = &last;
            noted.borrow_mut().push(number);
        });
        queue.push(1);
        queue.stop();
        queue.push(2);
        assert_eq!((taken.take(), Rc::strong_count(&taken)), (vec![1], 1));
    }
}
