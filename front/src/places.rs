//! Places for connections whose client is not accepted yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long a connection keeps its place at least: time for the WebSocket handshake and for CONNECT. Meanwhile newcomers wait in
/// the system's queue, so none of thousands of clients that connect at once loses its place.
const KEPT: Duration = Duration::from_millis(200);

/// A limited number of places. A newcomer always gets one: when all are taken, another connection loses its place and is closed.
///
/// It is a connection of the address that has the most places, so an address with fewer places than another one loses none. Among
/// those it is the oldest that has sent no CONNECT, and the oldest of all if every one has sent its CONNECT. A hostile silent
/// connection is soon the oldest. Behind a proxy all connections have one address. Then each of them still has [`KEPT`] to send
/// its CONNECT, and a newcomer waits at most that long for each time that the places were filled before it.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    taken: Mutex<Taken>,
    /// A place was given back.
    freed: Notify,
}

#[derive(Debug)]
struct Taken {
    max: usize,
    count: usize,
    /// The number of the next place.
    next: u64,
    by_address: HashMap<IpAddr, BTreeMap<Rank, Holder>>,
    /// The number of places of each address.
    counts: BTreeSet<(usize, IpAddr)>,
    /// The number of connections that have lost their place.
    lost: u64,
}

/// The order in which the connections of an address lose their places: those without CONNECT first, and older ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    has_sent_connect: bool,
    number: u64,
}

/// A connection that has a place.
#[derive(Debug)]
struct Holder {
    /// Until then it keeps its place.
    keeps_until: Instant,
    sender: oneshot::Sender<Lost>,
}

/// A connection has lost its place to a newcomer.
#[derive(Debug)]
struct Lost;

/// The place of a connection. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    address: IpAddr,
    rank: Rank,
}

/// Tells a connection that it has lost its place.
#[derive(Debug)]
pub(crate) struct PlaceLost(oneshot::Receiver<Lost>);

impl PlaceLost {
    /// Resolves when the place is lost, and never if the connection gave it back.
    pub(crate) async fn wait(self) {
        if self.0.await.is_err() {
            pending().await
        }
    }
}

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Shared {
            taken: Mutex::new(Taken {
                max: max.max(1),
                count: 0,
                next: 0,
                by_address: HashMap::new(),
                counts: BTreeSet::new(),
                lost: 0,
            }),
            freed: Notify::new(),
        }))
    }

    /// Takes a place, if necessary that of another connection.
    pub(crate) async fn take(&self, address: IpAddr) -> (Place, PlaceLost) {
        loop {
            // This precedes the check, so a place that is given back after the check is noticed.
            let freed = self.0.freed.notified();
            match self.try_take(address, Instant::now()) {
                Ok(place) => return place,
                // Whether a place is free or a connection may lose its own.
                Err(until) => {
                    let _ = timeout_at(until, freed).await;
                }
            }
        }
    }

    /// The error is when a connection may lose its place.
    fn try_take(&self, address: IpAddr, now: Instant) -> Result<(Place, PlaceLost), Instant> {
        let (sender, receiver) = oneshot::channel();
        let mut taken = self.taken();
        if taken.count >= taken.max {
            taken.free_one(now)?;
        }
        let rank = Rank {
            has_sent_connect: false,
            number: taken.next,
        };
        taken.next += 1;
        let holder = Holder {
            keeps_until: now + KEPT,
            sender,
        };
        taken.insert(address, rank, holder);
        let place = Place {
            places: self.clone(),
            address,
            rank,
        };
        Ok((place, PlaceLost(receiver)))
    }

    /// No panic under the lock leaves an inconsistent state.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The client has sent its CONNECT.
    pub(crate) fn has_sent_connect(&mut self) {
        let mut taken = self.places.taken();
        if let Some(holder) = taken.remove(self.address, self.rank) {
            self.rank.has_sent_connect = true;
            taken.insert(self.address, self.rank, holder);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.address, self.rank);
        self.places.0.freed.notify_waiters();
    }
}

impl Taken {
    fn insert(&mut self, address: IpAddr, rank: Rank, holder: Holder) {
        let places = self.by_address.entry(address).or_default();
        let before = places.len();
        places.insert(rank, holder);
        self.count += 1;
        self.counts.remove(&(before, address));
        self.counts.insert((before + 1, address));
    }

    /// None if the place was lost.
    fn remove(&mut self, address: IpAddr, rank: Rank) -> Option<Holder> {
        let places = self.by_address.get_mut(&address)?;
        let before = places.len();
        let holder = places.remove(&rank)?;
        self.count -= 1;
        self.counts.remove(&(before, address));
        if before > 1 {
            self.counts.insert((before - 1, address));
        } else {
            self.by_address.remove(&address);
        }
        Some(holder)
    }

    /// The error is when a connection may lose its place.
    fn free_one(&mut self, now: Instant) -> Result<(), Instant> {
        let Some((_, address)) = self.counts.last().copied() else {
            return Ok(());
        };
        let places = self.by_address.get(&address);
        let Some((rank, holder)) = places.and_then(BTreeMap::first_key_value) else {
            return Ok(());
        };
        if now < holder.keeps_until {
            return Err(holder.keeps_until);
        }
        let rank = *rank;
        if let Some(holder) = self.remove(address, rank) {
            // A connection that has just ended does not receive this.
            let _ = holder.sender.send(Lost);
            self.lost += 1;
            // The number of lines is logarithmic, so no client can fill a disk with them.
            if self.lost.is_power_of_two() {
                eprintln!(
                    "{} connections without an accepted client were closed for newer ones, the last one of {address}. \
                    connecting_max is {}.",
                    self.lost, self.max
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    /// Places, and a clock that advances by [`KEPT`] with each newcomer.
    struct Fixture {
        places: Places,
        now: Instant,
    }

    impl Fixture {
        fn new(max: usize) -> Self {
            Self {
                places: Places::new(max),
                now: Instant::now(),
            }
        }

        fn take(&mut self, address: IpAddr) -> (Place, PlaceLost) {
            self.now += KEPT;
            self.places.try_take(address, self.now).unwrap()
        }
    }

    fn is_lost((_, lost): &mut (Place, PlaceLost)) -> bool {
        lost.0.try_recv().is_ok()
    }

    #[test]
    fn a_new_connection_takes_the_place_of_the_oldest_one_without_connect() {
        let mut fixture = Fixture::new(3);
        let mut all: Vec<_> = (0..3).map(|_| fixture.take(HERE)).collect();
        all[0].0.has_sent_connect();
        assert!(!all.iter_mut().any(is_lost));
        all.push(fixture.take(HERE));
        assert!(is_lost(&mut all[1]));
        all.push(fixture.take(HERE));
        assert!(is_lost(&mut all[2]));
        all[3].0.has_sent_connect();
        all[4].0.has_sent_connect();
        all.push(fixture.take(HERE));
        assert!(is_lost(&mut all[0]), "all have sent their CONNECT");
    }

    #[test]
    fn a_connection_has_time_to_send_its_connect() {
        let fixture = Fixture::new(2);
        let begin = fixture.now;
        let take = |now| fixture.places.try_take(HERE, now);
        let mut first = take(begin).unwrap();
        let second = take(begin + KEPT / 2).unwrap();
        assert_eq!(take(begin + KEPT / 2).unwrap_err(), begin + KEPT);
        assert!(!is_lost(&mut first));
        let third = take(begin + KEPT).unwrap();
        assert!(is_lost(&mut first));
        take(begin + KEPT).unwrap_err();
        drop(second);
        take(begin + KEPT).unwrap();
        drop(third);
    }

    #[tokio::test]
    async fn a_waiting_connection_takes_a_returned_place() {
        let places = Places::new(1);
        let (place, mut lost) = places.take(HERE).await;
        let newcomer = tokio::spawn({
            let places = places.clone();
            async move { places.take(HERE).await }
        });
        drop(place);
        drop(newcomer.await.unwrap());
        assert!(lost.0.try_recv().is_err(), "a place was lost");
        assert_eq!(places.taken().lost, 0);
    }

    #[test]
    fn the_address_with_the_most_places_loses_one() {
        let mut fixture = Fixture::new(3);
        let mut first = fixture.take(THERE);
        let mut many = vec![fixture.take(HERE), fixture.take(HERE)];
        many[0].0.has_sent_connect();
        many[1].0.has_sent_connect();
        for round in 0..10 {
            many.push(fixture.take(HERE));
            assert!(!is_lost(&mut first), "round {round}");
        }
        many.push(fixture.take(THERE));
        assert!(!is_lost(&mut first));
        assert_eq!(fixture.places.taken().count, 3);
    }

    #[test]
    fn a_returned_place_is_free() {
        let mut fixture = Fixture::new(1);
        let (place, mut lost) = fixture.take(HERE);
        drop(place);
        let mut next = fixture.take(HERE);
        assert!(lost.0.try_recv().is_err());
        assert!(!is_lost(&mut next));
        drop(next);
        let taken = fixture.places.taken();
        assert!(taken.count == 0 && taken.by_address.is_empty() && taken.counts.is_empty());
    }

    #[test]
    fn a_lost_place_is_not_returned_twice() {
        let mut fixture = Fixture::new(1);
        let mut first = fixture.take(HERE);
        let mut second = fixture.take(HERE);
        assert!(is_lost(&mut first));
        first.0.has_sent_connect();
        drop(first);
        assert!(!is_lost(&mut second));
        assert_eq!(fixture.places.taken().count, 1);
    }
}
