//! Who is connected to a listener, and who goes when it is full: strangers before those who said who they are, a listed device never.
//!
//! A place is given before anybody is known, so it is given on loan. Who has not said who he is has
//! a share by address, and the oldest of these goes first. Of those who are known and stand on no
//! list, the address that holds the most places gives one up.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// So many places strangers keep, so that who comes can still say who he is; a quarter of all at most.
const STRANGERS_MIN: usize = 16;

/// How well a connection is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It has not said who it is.
    Stranger,
    /// It has, and may be here.
    Known,
    /// It is a device of the site's own list, or a person with the token.
    Listed,
}

/// A client by its own id, and whose it is: its user, or its address where nobody gives a name.
pub type Name = (String, String);

/// Why one has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Others need the place.
    Room,
    /// The same client has come again.
    TakenOver,
}

struct Entry {
    from: IpAddr,
    standing: Trust,
    name: Option<Name>,
    /// Devices of the list that it speaks for, and nobody since.
    devices: HashSet<String>,
    tell: oneshot::Sender<Leave>,
}

#[derive(Default)]
struct Table {
    /// By number: the oldest first.
    entries: BTreeMap<u64, Entry>,
    by_name: HashMap<Name, u64>,
    /// Who spoke last for a device of the list.
    by_device: HashMap<String, u64>,
    next: u64,
    /// Somebody was sent away, or not let in, for want of room since it was last asked.
    crowded: bool,
}

/// The places of one listener.
#[derive(Default)]
pub struct Guests(Mutex<Table>);

/// One place; it is free when this is dropped.
pub struct Guest {
    guests: Arc<Guests>,
    number: u64,
    leave: oneshot::Receiver<Leave>,
}

impl Guests {
    fn table(&self) -> MutexGuard<'_, Table> {
        // What a panic leaves behind is a table like any other.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among `most`, of which strangers of one address have `share`. `None`: all of them
    /// are taken by listed devices.
    pub fn admit(self: &Arc<Self>, from: IpAddr, most: usize, share: usize) -> Option<Guest> {
        let mut table = self.table();
        let own = table.entries.values().filter(|one| one.is_stranger_of(from)).count();
        if own >= share.max(1) {
            let oldest = table.entries.iter().find(|(_, one)| one.is_stranger_of(from));
            let oldest = oldest.map(|(number, _)| *number);
            table.send_away(oldest, Leave::Room);
        }
        if table.entries.len() >= most {
            table.crowded = true;
            let weakest = table.weakest(most);
            table.send_away(weakest, Leave::Room);
            if table.entries.len() >= most {
                return None;
            }
        }
        let number = table.next;
        table.next += 1;
        let (tell, leave) = oneshot::channel();
        let entry =
            Entry { from, standing: Trust::Stranger, name: None, devices: HashSet::new(), tell };
        table.entries.insert(number, entry);
        drop(table);
        Some(Guest { guests: self.clone(), number, leave })
    }

    fn stands(&self, number: u64, standing: Trust) {
        if let Some(entry) = self.table().entries.get_mut(&number) {
            entry.standing = entry.standing.max(standing);
        }
    }

    /// Connections now.
    pub fn count(&self) -> usize {
        self.table().entries.len()
    }

    /// Whether it was full since this was last asked.
    pub fn was_crowded(&self) -> bool {
        std::mem::take(&mut self.table().crowded)
    }

    /// Whether this client is connected.
    pub fn has(&self, name: &Name) -> bool {
        self.table().by_name.contains_key(name)
    }
}

/// Names a place, and does not hold it.
#[derive(Clone)]
pub struct GuestHandle {
    guests: Arc<Guests>,
    number: u64,
}

impl GuestHandle {
    /// See [`Guest::stands`].
    pub fn stands(&self, standing: Trust) {
        self.guests.stands(self.number, standing);
    }

    /// What comes next on it is of this address: a proxy's connection serves one after another. It is a stranger
    /// again, of whom one address has this share.
    pub fn comes_from(&self, from: IpAddr, share: usize) {
        let mut table = self.guests.table();
        let Some(entry) = table.entries.get_mut(&self.number) else { return };
        (entry.from, entry.standing) = (from, Trust::Stranger);
        let others = table
            .entries
            .iter()
            .filter(|(number, one)| **number != self.number && one.is_stranger_of(from));
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        if others.len() >= share.max(1) {
            table.send_away(others.first().copied(), Leave::Room);
        }
    }
}

impl Guest {
    /// It has said who it is, and may be here. Its earlier connection is told to leave.
    pub fn is(&self, name: Name, standing: Trust) {
        let mut table = self.guests.table();
        let before = table.by_name.get(&name).copied().filter(|number| *number != self.number);
        table.send_away(before, Leave::TakenOver);
        let Some(entry) = table.entries.get_mut(&self.number) else { return };
        entry.standing = entry.standing.max(standing);
        entry.name = Some(name.clone());
        table.by_name.insert(name, self.number);
    }

    /// Of all places of its listener, which one it is.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// It has shown so much.
    pub fn stands(&self, standing: Trust) {
        self.guests.stands(self.number, standing);
    }

    /// It speaks for a device of the list. Who did so before is known, and listed no more by this
    /// device: with the name of one button nobody fills all places.
    pub fn speaks_for(&self, device: &str) {
        self.guests.table().speaks_for(self.number, device);
    }

    /// For whoever learns more of it while it is served.
    pub fn handle(&self) -> GuestHandle {
        GuestHandle { guests: self.guests.clone(), number: self.number }
    }

    /// Returns when it has to leave. Cancelling forgets nothing.
    pub async fn told_to_leave(&mut self) -> Leave {
        match (&mut self.leave).await {
            Ok(why) => why,
            // Its entry is gone without a word: that cannot be, and would end nothing.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.table().forget(self.number);
    }
}

impl Entry {
    fn is_stranger_of(&self, from: IpAddr) -> bool {
        self.standing == Trust::Stranger && self.from == from
    }
}

impl Table {
    /// Who leaves when there is no place.
    fn weakest(&self, most: usize) -> Option<u64> {
        let kept = STRANGERS_MIN.min(most / 4);
        let of = |standing| self.entries.iter().filter(move |(_, one)| one.standing == standing);
        let strangers = of(Trust::Stranger).count();
        let first = if strangers > kept { Trust::Stranger } else { Trust::Known };
        let second = if strangers > kept { Trust::Known } else { Trust::Stranger };
        [first, second].into_iter().find_map(|standing| {
            let mut places: HashMap<IpAddr, usize> = HashMap::new();
            of(standing).for_each(|(_, one)| *places.entry(one.from).or_default() += 1);
            let most = places.values().copied().max()?;
            of(standing).find(|(_, one)| places[&one.from] == most).map(|(number, _)| *number)
        })
    }

    fn speaks_for(&mut self, number: u64, device: &str) {
        if self.by_device.get(device) == Some(&number) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.standing = Trust::Listed;
        entry.devices.insert(device.to_owned());
        let Some(before) = self.by_device.insert(device.to_owned(), number) else { return };
        if let Some(entry) = self.entries.get_mut(&before) {
            entry.devices.remove(device);
            if entry.devices.is_empty() {
                entry.standing = Trust::Known;
            }
        }
    }

    fn send_away(&mut self, number: Option<u64>, why: Leave) {
        if let Some(entry) = number.and_then(|number| self.forget(number)) {
            let _ = entry.tell.send(why);
        }
    }

    fn forget(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        for device in &entry.devices {
            self.by_device.remove(device);
        }
        if let Some(name) = &entry.name
            && self.by_name.get(name) == Some(&number)
        {
            self.by_name.remove(name);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn name(id: &str) -> Name {
        (id.into(), "user".into())
    }

    fn left(guest: &mut Guest) -> Option<Leave> {
        guest.leave.try_recv().ok()
    }

    #[test]
    fn i9_the_oldest_mute_one_goes_then_the_unlisted_and_a_listed_one_never() {
        let guests = Arc::new(Guests::default());
        let mut listed = guests.admit(address(1), 40, 40).unwrap();
        listed.is(name("btn"), Trust::Listed);
        let mut known = guests.admit(address(1), 40, 40).unwrap();
        known.is(name("other"), Trust::Known);
        let mut mute: Vec<Guest> =
            (0..500).map(|_| guests.admit(address(2), 40, 40).unwrap()).collect();
        assert_eq!(guests.count(), 40);
        assert!(left(&mut mute[0]).is_some() && left(&mut mute[461]).is_some());
        assert!(mute[462..].iter_mut().all(|one| left(one).is_none()), "the newest stay");
        assert!(left(&mut known).is_none() && left(&mut listed).is_none());
        drop(mute);
        assert_eq!(guests.count(), 2);
        // All the others are known and unlisted: of these the address with the most gives way.
        let mut many: Vec<Guest> = (0..60u8)
            .map(|n| {
                let guest = guests.admit(address(3), 40, 40).unwrap();
                guest.is(name(&n.to_string()), Trust::Known);
                guest
            })
            .collect();
        assert!(left(&mut known).is_none(), "it has one place, they have many");
        assert!(left(&mut many[0]).is_some() && left(&mut many[59]).is_none());
        // And where all are listed, nobody comes in.
        let guests = Arc::new(Guests::default());
        let all: Vec<Guest> = (0..40)
            .map(|n| {
                let guest = guests.admit(address(1), 40, 40).unwrap();
                guest.is(name(&format!("btn-{n}")), Trust::Listed);
                guest
            })
            .collect();
        assert!(guests.admit(address(9), 40, 40).is_none() && guests.was_crowded());
        drop(all);
        assert!(guests.admit(address(9), 40, 40).is_some() && !guests.was_crowded());
    }

    #[test]
    fn strangers_of_one_address_share_and_the_known_behind_it_do_not() {
        let guests = Arc::new(Guests::default());
        let mut behind: Vec<Guest> = (0..686)
            .map(|n| {
                let guest = guests.admit(address(1), 750, 8).unwrap();
                guest.is(name(&format!("btn-{n}")), Trust::Listed);
                guest
            })
            .collect();
        let mut mute: Vec<Guest> =
            (0..9).map(|_| guests.admit(address(1), 750, 8).unwrap()).collect();
        assert_eq!(left(&mut mute[0]), Some(Leave::Room));
        assert!(behind.iter_mut().all(|one| left(one).is_none()));
        assert!(!guests.was_crowded(), "there is room");
    }

    #[test]
    fn behind_a_proxy_each_address_has_its_share_and_nobody_inherits_a_standing() {
        let guests = Arc::new(Guests::default());
        let mut ways: Vec<Guest> =
            (0..20).map(|_| guests.admit(address(1), 40, 40).unwrap()).collect();
        ways[0].stands(Trust::Listed);
        for way in &ways[..8] {
            way.handle().comes_from(address(9), 4);
        }
        let left = |ways: &mut [Guest]| ways.iter_mut().filter_map(left).count();
        assert_eq!(left(&mut ways[..4]), 4, "also the one on which a listed one came before");
        assert_eq!(left(&mut ways[4..]), 0, "nor do those of others");
        ways[7].handle().comes_from(address(9), 4);
        ways[7].handle().comes_from(address(10), 4);
        ways[8].handle().comes_from(address(9), 4);
        assert_eq!(left(&mut ways[4..]), 0, "the seventh is of another one now");
    }

    #[test]
    fn the_same_client_takes_over_and_another_users_does_not() {
        let guests = Arc::new(Guests::default());
        let mut first = guests.admit(address(1), 9, 9).unwrap();
        first.is(name("btn"), Trust::Known);
        let other = guests.admit(address(2), 9, 9).unwrap();
        other.is(("btn".into(), "somebody else".into()), Trust::Known);
        assert_eq!(left(&mut first), None);
        let again = guests.admit(address(3), 9, 9).unwrap();
        again.is(name("btn"), Trust::Known);
        assert_eq!(left(&mut first), Some(Leave::TakenOver));
        drop(first);
        assert!(guests.has(&name("btn")), "the later one stays when the earlier has left");
        drop(again);
        assert!(!guests.has(&name("btn")));
    }

    #[test]
    fn with_the_name_of_one_button_nobody_fills_all_places() {
        let guests = Arc::new(Guests::default());
        let mut button = guests.admit(address(1), 40, 40).unwrap();
        button.is(name("btn-1"), Trust::Known);
        button.speaks_for("btn-1");
        let mut bridge = guests.admit(address(1), 40, 40).unwrap();
        bridge.is(name("bridge"), Trust::Known);
        ["btn-2", "btn-3"].iter().for_each(|device| bridge.speaks_for(device));
        let many: Vec<Guest> = (0..60u8)
            .map(|n| {
                let guest = guests.admit(address(3), 40, 40).unwrap();
                guest.is(name(&format!("x{n}")), Trust::Known);
                guest.speaks_for("btn-2");
                guest
            })
            .collect();
        assert_eq!(guests.count(), 40, "each newcomer has had a place");
        assert!(left(&mut button).is_none() && left(&mut bridge).is_none());
        // It has gone over, and comes back with its next word.
        bridge.speaks_for("btn-2");
        drop((many, bridge));
        assert_eq!(guests.table().by_device.len(), 1);
        drop(button);
        assert!(guests.table().by_device.is_empty(), "nothing is left of who went");
    }

    #[test]
    fn a_small_listener_keeps_its_devices_from_those_who_say_nothing() {
        let guests = Arc::new(Guests::default());
        let mut known: Vec<Guest> = (0..14u8)
            .map(|n| {
                let guest = guests.admit(address(n), 16, 64).unwrap();
                guest.is(name(&n.to_string()), Trust::Known);
                guest
            })
            .collect();
        let mute: Vec<Guest> =
            (0..200).map(|_| guests.admit(address(99), 16, 64).unwrap()).collect();
        let gone = known.iter_mut().filter_map(left).count();
        assert_eq!(gone, 3, "a quarter of the places is for those who have just come, and one");
        drop(mute);
        // The one place that there is, is for who comes.
        let guests = Arc::new(Guests::default());
        let one = guests.admit(address(1), 1, 64).unwrap();
        one.is(name("a"), Trust::Known);
        assert!(guests.admit(address(2), 1, 64).is_some());
    }
}
