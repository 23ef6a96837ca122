//! The subscriptions to one filter.

use crate::util::sorted::Map;

/// The subscriptions to one filter, at least one. Most filters have just one, so that needs no memory of its own.
#[derive(Debug)]
pub(super) enum List<K, V> {
    One(K, V),
    Many(Map<K, V>),
}

/// The outcome of a removal.
pub(super) enum Removed {
    Nothing,
    OneOfMany,
    TheLast,
}

impl<K: Copy + Ord, V: Copy> List<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::One(only, former) if *only == key => Some(core::mem::replace(former, value)),
            &mut Self::One(other, former) => {
                let mut many = Map::new();
                many.insert(other, former);
                many.insert(key, value);
                *self = Self::Many(many);
                None
            }
            Self::Many(all) => all.insert(key, value),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        match self {
            &Self::One(only, value) => (only == key).then_some(value),
            Self::Many(all) => all.get(&key).copied(),
        }
    }

    /// Removes an entry. The last one stays, because its list has to be removed as a whole.
    pub(super) fn remove(&mut self, key: K) -> Removed {
        match self {
            Self::One(only, _) if *only == key => Removed::TheLast,
            Self::One(..) => Removed::Nothing,
            Self::Many(all) => {
                if all.remove(&key).is_none() {
                    return Removed::Nothing;
                }
                if all.len() == 1
                    && let Some((only, value)) = all.pop_first()
                {
                    *self = Self::One(only, value);
                }
                Removed::OneOfMany
            }
        }
    }

    pub(super) fn append_to(&self, found: &mut Vec<(K, V)>) {
        match self {
            &Self::One(key, value) => found.push((key, value)),
            Self::Many(all) => found.extend(all.iter().map(|(&key, &value)| (key, value))),
        }
    }
}
