//! Values under small numbers that are used again.

use core::ops::{Index, IndexMut};

/// A list whose freed places are filled first, so that it is never longer than it once had to be.
///
/// An index is the engine's own, never one from outside: to use it after its removal is a bug and panics.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> usize {
        if let Some(index) = self.free.pop() {
            self.slots[index] = Some(value);
            index
        } else {
            self.slots.push(Some(value));
            self.slots.len() - 1
        }
    }

    pub(crate) fn remove(&mut self, index: usize) -> T {
        let Some(value) = self.slots[index].take() else {
            unreachable!("slot {index} is free")
        };
        self.free.push(index);
        value
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.slots.get(index)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.slots.get_mut(index)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> Index<usize> for Slab<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        match &self.slots[index] {
            Some(value) => value,
            None => unreachable!("slot {index} is free"),
        }
    }
}

impl<T> IndexMut<usize> for Slab<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        match &mut self.slots[index] {
            Some(value) => value,
            None => unreachable!("slot {index} is free"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_places_are_used_again() {
        let mut slab = Slab::new();
        let a = slab.insert('a');
        let b = slab.insert('b');
        assert_eq!(slab.remove(a), 'a');
        assert_eq!(slab.insert('c'), a);
        assert_eq!((slab[a], slab[b], slab.len()), ('c', 'b', 2));
    }

    #[test]
    #[should_panic(expected = "slot 0 is free")]
    fn a_freed_place_is_not_read() {
        let mut slab = Slab::new();
        let a = slab.insert('a');
        slab.remove(a);
        let _ = slab[a];
    }
}
