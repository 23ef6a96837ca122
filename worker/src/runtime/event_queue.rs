//! What is told, one turn after the other.

use core::fmt;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Hands over what is told: at once, but never within a turn, which ends first. Clones share it.
pub(crate) struct Turns<T>(Rc<Inner<T>>);

struct Inner<T> {
    waiting: RefCell<VecDeque<T>>,
    /// Borrowed as long as a turn lasts.
    take: RefCell<Option<Take<T>>>,
}

type Take<T> = Box<dyn FnMut(T)>;

impl<T> Turns<T> {
    /// What is told waits until they begin.
    pub(crate) fn new() -> Self {
        Self(Rc::new(Inner {
            waiting: RefCell::default(),
            take: RefCell::new(None),
        }))
    }

    /// From now on `take` gets what is told, each in a turn of its own, and first what waits.
    pub(crate) fn begin(&self, take: impl FnMut(T) + 'static) {
        self.0.take.replace(Some(Box::new(take)));
        self.go_on();
    }

    pub(crate) fn tell(&self, it: T) {
        self.0.waiting.borrow_mut().push_back(it);
        self.go_on();
    }

    /// No more turns, and nothing of whoever took them is left. Not to be called within one.
    pub(crate) fn end(&self) {
        let take = self.0.take.take();
        // What it holds may tell something as it goes.
        drop(take);
    }

    fn go_on(&self) {
        // Else a turn is under way, which goes on itself with what was told meanwhile.
        let Ok(mut take) = self.0.take.try_borrow_mut() else {
            return;
        };
        let Some(take) = take.as_mut() else {
            return;
        };
        loop {
            let next = self.0.waiting.borrow_mut().pop_front();
            match next {
                Some(next) => take(next),
                None => return,
            }
        }
    }
}

impl<T> Clone for Turns<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Turns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_within_a_turn_has_a_turn_of_its_own_after_it() {
        let turns = Turns::new();
        let taken = Rc::new(RefCell::new(Vec::new()));
        turns.tell(3);
        let (within, noted) = (turns.clone(), Rc::clone(&taken));
        turns.begin(move |number: u32| {
            noted.borrow_mut().push(format!("{number} begins"));
            if number > 0 {
                within.tell(number - 1);
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
        turns.tell(0);
        assert_eq!(taken.take(), ["0 begins", "0 ends"]);
    }

    #[test]
    fn whoever_took_them_is_dropped_at_the_end_though_it_tells_and_nobody_hears() {
        struct Last(Turns<u32>);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.tell(9);
            }
        }
        let turns = Turns::new();
        let (last, taken) = (Last(turns.clone()), Rc::new(RefCell::new(Vec::new())));
        let noted = Rc::clone(&taken);
        turns.begin(move |number| {
            let _ = &last;
            noted.borrow_mut().push(number);
        });
        turns.tell(1);
        turns.end();
        turns.tell(2);
        assert_eq!((taken.take(), Rc::strong_count(&taken)), (vec![1], 1));
    }
}
