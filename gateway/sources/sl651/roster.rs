//! Which connections are open, so that one that has not said anything yet makes room for one that may.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

/// Connections of one address that have not sent a report yet: half of all, and at least so many. A
/// whole county may stand behind the address of a mobile network; those that have are not counted.
const MUTE_AN_ADDRESS_MIN: usize = 256;

struct Line {
    address: IpAddr,
    /// A whole frame has come from it.
    known: bool,
    leave: Arc<Notify>,
}

/// All open connections, by number: the smaller, the older.
#[derive(Default)]
pub(super) struct Roster {
    /// Locked for one change; nothing is awaited with it.
    lines: Mutex<(u64, BTreeMap<u64, Line>)>,
}

/// One connection's place; given back when it is dropped.
pub(super) struct Seat {
    roster: Arc<Roster>,
    number: u64,
    /// Told when it has to make room.
    pub(super) leave: Arc<Notify>,
}

impl Roster {
    /// A place for a new connection; `None`: all are taken by stations that speak.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Seat> {
        let mut lines = self.lines.lock().expect("no panic while it is held");
        let of_address = |line: &Line| line.address == address && !line.known;
        let mute = lines.1.values().filter(|line| of_address(line)).count();
        if mute >= (most / 2).max(MUTE_AN_ADDRESS_MIN) {
            send_away(&mut lines.1, of_address);
        }
        if lines.1.len() >= most && !send_away(&mut lines.1, |line| !line.known) {
            return None;
        }
        let leave = Arc::new(Notify::new());
        lines.0 += 1;
        let number = lines.0;
        lines.1.insert(number, Line { address, known: false, leave: leave.clone() });
        Some(Seat { roster: self.clone(), number, leave })
    }

    pub(super) fn count(&self) -> usize {
        self.lines.lock().expect("no panic while it is held").1.len()
    }
}

/// The oldest of these leaves; false: there is none.
fn send_away(lines: &mut BTreeMap<u64, Line>, which: impl Fn(&Line) -> bool) -> bool {
    let oldest = lines.iter().find(|(_, line)| which(line)).map(|(number, _)| *number);
    let line = oldest.and_then(|number| lines.remove(&number));
    line.is_some_and(|line| {
        line.leave.notify_one();
        true
    })
}

impl Seat {
    /// A whole frame came: it is a station.
    pub(super) fn speaks(&self) {
        let mut lines = self.roster.lines.lock().expect("no panic while it is held");
        if let Some(line) = lines.1.get_mut(&self.number) {
            line.known = true;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.lines.lock().expect("no panic while it is held").1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_mute_connection_makes_room_and_a_station_never() {
        let roster = Arc::new(Roster::default());
        let address: IpAddr = [127, 0, 0, 1].into();
        let station = roster.seat(address, 3).unwrap();
        station.speaks();
        let (mute, other) = (roster.seat(address, 3).unwrap(), roster.seat(address, 3).unwrap());
        let new = roster.seat(address, 3).unwrap();
        assert_eq!(roster.count(), 3);
        let left = |seat: &Seat| {
            let told = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let soon = std::time::Duration::from_millis(1);
            told.block_on(async { tokio::time::timeout(soon, seat.leave.notified()).await.is_ok() })
        };
        assert_eq!([&station, &mute, &other, &new].map(left), [false, true, false, false]);
        other.speaks();
        new.speaks();
        assert!(roster.seat(address, 3).is_none(), "all of them are stations");
        drop(station);
        assert!(roster.seat(address, 3).is_some());
        // One address does not fill it with silence.
        let crowd: Vec<Seat> = (0..1_500).map(|_| roster.seat(address, 2_048).unwrap()).collect();
        assert!(roster.count() <= 1_024 + 3, "{}", roster.count());
        assert!(crowd.len() == 1_500 && roster.seat([10, 0, 0, 1].into(), 2_048).is_some());
    }
}
