//! Who sends: how often each address may, and all together; no address is kept, only a salted hash of it in memory.
//!
//! Behind one address of a carrier stands a whole community (NAT), so that an address may much; what keeps
//! reports within what people can answer is the bound of all. An IPv6 network of 64 bits is one address, and
//! one of 48 bits, which a customer of a provider may have to himself, is two.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

use super::super::wrong_tokens::network;
use crate::base::{Bucket, lock};

/// Addresses that are remembered; when there are more, the one that was quiet for longest goes.
const ADDRESSES_MAX: usize = 10_000;
/// Forms that one address may send at once, and in ten minutes; most of them come to nothing.
const AT_ONCE_MAX: u32 = 32;
const TRIES: f64 = 300.0;
const TRIES_FILL_S: f64 = 600.0;
/// An IPv6 network of 48 bits may so many times what an address may.
const WIDE_TIMES: u32 = 2;
/// Wrong look-up numbers of one address that are answered at once, and how fast they are forgiven.
const WRONG: f64 = 10.0;
const WRONG_FILL_S: f64 = 600.0;
const HOUR_S: f64 = 3_600.0;

struct Sender {
    tries: Bucket,
    reports: Bucket,
    wrong: Bucket,
    now_sending: u32,
    at_once_max: u32,
}

impl Sender {
    /// Whose bounds are so many times those of an address.
    fn new(reports: f64, times: u32, now_ms: u64) -> Self {
        let bucket = |most: f64, fill_s: f64| {
            let most = most * f64::from(times);
            Bucket::full(most, most / fill_s, now_ms)
        };
        Self {
            tries: bucket(TRIES, TRIES_FILL_S),
            reports: bucket(reports, HOUR_S),
            wrong: bucket(WRONG, WRONG_FILL_S),
            now_sending: 0,
            at_once_max: AT_ONCE_MAX * times,
        }
    }

    fn begins(&mut self, now_ms: u64) -> bool {
        let may = self.tries.spend(1.0, now_ms) && self.now_sending < self.at_once_max;
        self.now_sending += u32::from(may);
        may
    }
}

struct Table {
    senders: HashMap<u64, Sender>,
    all: Bucket,
}

/// Everybody who sends, bounded.
pub(super) struct Senders {
    salt: [u8; 16],
    per_address: f64,
    table: Mutex<Table>,
}

/// A form that is being sent; when it is dropped, its address may send another.
pub(super) struct Sending {
    senders: Arc<Senders>,
    ids: Vec<u64>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut table = lock(&self.senders.table);
        for id in &self.ids {
            if let Some(sender) = table.senders.get_mut(id) {
                sender.now_sending = sender.now_sending.saturating_sub(1);
            }
        }
    }
}

impl Senders {
    /// So many reports an hour of one address, and of all.
    pub(super) fn new(per_address: u32, all: u32, now_ms: u64) -> Arc<Self> {
        let all = f64::from(all);
        let table = Table { senders: HashMap::new(), all: Bucket::full(all, all / HOUR_S, now_ms) };
        let per_address = f64::from(per_address);
        Arc::new(Self { salt: rand::random(), per_address, table: Mutex::new(table) })
    }

    /// Who counts, and how many times as much as an address: the wider one first, so that the table holds no
    /// more of its networks than it may try.
    fn ids_of(&self, address: IpAddr) -> impl Iterator<Item = (u64, u32)> {
        let own = network(address);
        let wide = match own {
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Some((format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), WIDE_TIMES))
            }
            IpAddr::V4(_) => None,
        };
        wide.into_iter()
            .chain([(own.to_string(), 1)])
            .map(move |(name, times)| (self.id_of(&name), times))
    }

    fn id_of(&self, name: &str) -> u64 {
        let hash = Sha256::new_with_prefix(self.salt).chain_update(name).finalize();
        hash[..8].iter().fold(0, |id, byte| id << 8 | u64::from(*byte))
    }

    fn with<T>(
        &self,
        (id, times): (u64, u32),
        now_ms: u64,
        ask: impl FnOnce(&mut Sender) -> T,
    ) -> T {
        let mut table = lock(&self.table);
        let senders = &mut table.senders;
        if senders.len() >= ADDRESSES_MAX && !senders.contains_key(&id) {
            let idle = senders.iter().filter(|(_, one)| one.now_sending == 0);
            let quietest = idle.min_by_key(|(_, one)| one.tries.asked_ms()).map(|(id, _)| *id);
            quietest.map(|id| senders.remove(&id));
        }
        ask(senders.entry(id).or_insert_with(|| Sender::new(self.per_address, times, now_ms)))
    }

    /// Somebody begins to send a form; `None`: too many of this address are under way, or were.
    pub(super) fn begins(self: &Arc<Self>, address: IpAddr, now_ms: u64) -> Option<Sending> {
        let mut sending = Sending { senders: self.clone(), ids: Vec::new() };
        for one in self.ids_of(address) {
            if !self.with(one, now_ms, |sender| sender.begins(now_ms)) {
                return None;
            }
            sending.ids.push(one.0);
        }
        Some(sending)
    }

    /// A report that would be taken: whether there is one left in this hour, of this address and of all.
    pub(super) fn reports(&self, address: IpAddr, now_ms: u64) -> bool {
        let mut ids = self.ids_of(address);
        ids.all(|one| self.with(one, now_ms, |sender| sender.reports.spend(1.0, now_ms)))
            && lock(&self.table).all.spend(1.0, now_ms)
    }

    /// A look-up number that is none: whether its answer need not wait.
    pub(super) fn guesses(&self, address: IpAddr, now_ms: u64) -> bool {
        let mut ids = self.ids_of(address);
        ids.all(|one| {
            self.with(one, now_ms, |sender| {
                sender.tries.spend(0.0, now_ms);
                sender.wrong.spend(1.0, now_ms)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_hour_and_all_have_theirs() {
        let senders = Senders::new(3, 5, 0);
        let sends = |from: &str, ms: u64| senders.reports(ip(from), ms);
        assert!((0..3).all(|_| sends("2001:db8::1", 0)) && !sends("2001:db8::ffff", 0));
        assert!(sends("192.0.2.1", 0) && sends("192.0.2.2", 0));
        assert!(!sends("192.0.2.3", 0), "five in all");
        assert!(sends("192.0.2.3", 720_000), "a fifth of an hour later");
        assert!(!sends("192.0.2.4", 720_000));
        assert!(sends("2001:db8::1", 1_440_000) && !sends("2001:db8::1", 1_440_001));
    }

    #[test]
    fn a_community_behind_one_address_reports_and_no_network_speaks_for_all() {
        let config = || -> (u32, u32) {
            let config = serde_json::json!({ "listen": "127.0.0.1:0" });
            let config: super::super::Config = serde_json::from_value(config).unwrap();
            (config.address_hourly_max, config.hourly_max)
        };
        let (one, all) = config();
        let senders = Senders::new(one, all, 0);
        let sends = |from: &str| senders.reports(ip(from), 0);
        // Carrier NAT: everybody of the community has this address.
        assert_eq!((0..1_000).filter(|_| sends("203.0.113.9")).count(), 100);
        assert!(sends("198.51.100.7"), "the next carrier has its own");
        let senders = Senders::new(one, all, 0);
        let sends = |from: String| senders.reports(ip(&from), 0);
        // One customer with 65,536 networks.
        let of_48 = (0..1_000).filter(|n| sends(format!("2001:db8:7:{n:x}::1"))).count();
        assert_eq!((of_48, all), (200, 400));
        assert_eq!((0..1_000).filter(|n| sends(format!("2001:db8:8::{n:x}"))).count(), 100);
        assert!(sends("203.0.113.9".into()), "the others have what is left");
        let senders = Senders::new(one, all, 0);
        let mut sending = Vec::new();
        sending.extend(
            (0..100).filter_map(|n| senders.begins(ip(&format!("2001:db8:7:{n:x}::1")), 0)),
        );
        assert_eq!(sending.len(), 64);
        let known = (0..10_000).filter(|n| senders.guesses(ip(&format!("2001:db8:9:{n:x}::1")), 0));
        assert_eq!(known.count(), 20);
        assert!(lock(&senders.table).senders.len() < 100, "a network fills no table");
    }

    #[test]
    fn p11_forms_at_once_are_bounded_and_so_are_addresses() {
        let senders = Senders::new(3, 1_000, 0);
        let begins = |ms| senders.begins(ip("192.0.2.1"), ms);
        let mut sending: Vec<Sending> = (0..32).filter_map(|_| begins(0)).collect();
        assert!(sending.len() == 32 && begins(0).is_none());
        sending.pop();
        assert!(begins(0).is_some(), "one has ended");
        let tried = (0..500).filter(|_| begins(0).is_some()).count();
        assert!(
            (200..300).contains(&tried) && begins(1_000).is_none() && begins(60_000).is_some(),
            "{tried}"
        );
        assert_eq!((0..20).filter(|_| senders.guesses(ip("192.0.2.7"), 0)).count(), 10);
        sending.extend(begins(120_000));
        for n in 0..10_100u32 {
            senders.guesses(IpAddr::from(n.to_be_bytes()), 120_001);
        }
        assert!(lock(&senders.table).senders.len() <= ADDRESSES_MAX);
        assert!(begins(180_000).is_none(), "who is sending is not forgotten");
    }
}
