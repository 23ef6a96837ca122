//! Lists of callbacks.

use core::fmt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

type Callbacks<T> = RefCell<(u64, BTreeMap<u64, Rc<dyn Fn(&T)>>)>;

/// The callbacks of one kind of event.
pub(crate) struct Listeners<T: ?Sized>(Rc<Callbacks<T>>);

impl<T: ?Sized> Default for Listeners<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T: ?Sized> fmt::Debug for Listeners<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

impl<T: ?Sized + 'static> Listeners<T> {
    pub(crate) fn add(&self, callback: impl Fn(&T) + 'static) -> Listening {
        let number = {
            let (last, callbacks) = &mut *self.0.borrow_mut();
            *last += 1;
            callbacks.insert(*last, Rc::new(callback));
            *last
        };
        let callbacks = Rc::downgrade(&self.0);
        Listening(Some(Box::new(move || {
            // Dropped when nothing is borrowed, because values of the callback may add or remove listeners.
            let _removed = callbacks
                .upgrade()
                .and_then(|it| it.borrow_mut().1.remove(&number));
        })))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().1.is_empty()
    }

    /// Calls all callbacks. A callback may add and remove others; a removed one is not called.
    pub(crate) fn notify(&self, it: &T) {
        let numbers: Vec<_> = self.0.borrow().1.keys().copied().collect();
        for number in numbers {
            let callback = self.0.borrow().1.get(&number).cloned();
            if let Some(callback) = callback {
                callback(it);
            }
        }
    }
}

/// Keeps a callback registered until it is dropped.
///
/// ```no_run
/// # use tabmq_worker::BusHandle;
/// # fn example(bus: &BusHandle) {
/// let listening = bus.on_failure(|why| { /* a sentence for people */ });
/// // Keep it as long as the callback is needed.
/// drop(listening);
/// # }
/// ```
#[must_use = "dropping it removes the callback"]
pub struct Listening(Option<Box<dyn FnOnce()>>);

impl Listening {
    /// Also calls `act` when it is dropped, after the callback is removed.
    pub(crate) fn and_then(self, act: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(move || {
            drop(self);
            act();
        })))
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listening")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn all_callbacks_are_called_until_they_are_removed() {
        let listeners = Listeners::<u32>::default();
        let total = Rc::new(Cell::new(0));
        let listen = |factor| {
            let total = Rc::clone(&total);
            listeners.add(move |it| total.set(total.get() + it * factor))
        };
        let (one, _ten) = (listen(1), listen(10));
        listeners.notify(&1);
        drop(one);
        listeners.notify(&1);
        assert_eq!(total.get(), 21);
    }

    #[test]
    fn and_then_acts_after_the_callback_is_removed() {
        let listeners = Rc::new(Listeners::<()>::default());
        let was_empty = Rc::new(Cell::new(false));
        let listening = listeners.add(|()| {}).and_then({
            let (listeners, was_empty) = (Rc::clone(&listeners), Rc::clone(&was_empty));
            move || was_empty.set(listeners.is_empty())
        });
        assert!(!listeners.is_empty());
        drop(listening);
        assert!(was_empty.get());
    }

    #[test]
    fn a_callback_may_remove_another_and_add_more() {
        let listeners = Rc::new(Listeners::<()>::default());
        let total = Rc::new(Cell::new(0));
        let other = Rc::new(RefCell::new(None));
        let _first = listeners.add({
            let (listeners, other) = (Rc::clone(&listeners), Rc::clone(&other));
            move |()| {
                let more = listeners.add(|()| {});
                drop(other.replace(Some(more)));
            }
        });
        let counting = Rc::clone(&total);
        let second = listeners.add(move |()| counting.set(counting.get() + 1));
        other.replace(Some(second));
        listeners.notify(&());
        assert_eq!(total.get(), 0);
    }
}
