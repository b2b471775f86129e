//! Who sends: how often each address may, and all together; no address is kept, only a salted hash of it in memory.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

use super::super::wrong_tokens::network;
use crate::base::{Bucket, lock};

/// Addresses that are remembered; when there are more, the one that was quiet for longest goes.
const ADDRESSES_MAX: usize = 10_000;
/// Forms that one address may send at once, and in ten minutes; most of them come to nothing.
const AT_ONCE_MAX: u32 = 8;
const TRIES: f64 = 60.0;
const TRIES_PER_SECOND: f64 = TRIES / 600.0;
/// Wrong look-up numbers of one address that are answered at once, and how fast they are forgiven.
const WRONG: f64 = 10.0;
const WRONG_PER_SECOND: f64 = WRONG / 600.0;
const HOUR_S: f64 = 3_600.0;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let first = |value: u128, width: u32| value.checked_shr(width - self.bits).unwrap_or(0);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                first(own.to_bits().into(), 32) == first(other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                first(own.to_bits(), 128) == first(other.to_bits(), 128)
            }
            _ => false,
        }
    }
}

/// Whose request it is: the peer, or, where that is a trusted proxy, the last address that a proxy was
/// not. What whoever is beyond has written into the header himself counts for nothing.
pub(super) fn sender(peer: IpAddr, forwarded: &[&str], proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|proxy| proxy.holds(address));
    let mut sender = peer.to_canonical();
    let hops = forwarded.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops {
        if !is_proxy(sender) {
            break;
        }
        match hop_address(hop) {
            Some(address) => sender = address.to_canonical(),
            None => break,
        }
    }
    sender
}

/// `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5678`, as proxies write it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

struct Sender {
    tries: Bucket,
    reports: Bucket,
    wrong: Bucket,
    now_sending: u32,
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
    id: u64,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(sender) = lock(&self.senders.table).senders.get_mut(&self.id) {
            sender.now_sending = sender.now_sending.saturating_sub(1);
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

    fn id_of(&self, address: IpAddr) -> u64 {
        let network = network(address).to_string();
        let hash = Sha256::new_with_prefix(self.salt).chain_update(network).finalize();
        hash[..8].iter().fold(0, |id, byte| id << 8 | u64::from(*byte))
    }

    fn with<T>(&self, address: IpAddr, now_ms: u64, ask: impl FnOnce(&mut Sender) -> T) -> T {
        let id = self.id_of(address);
        let mut table = lock(&self.table);
        let senders = &mut table.senders;
        if senders.len() >= ADDRESSES_MAX && !senders.contains_key(&id) {
            let idle = senders.iter().filter(|(_, one)| one.now_sending == 0);
            let quietest = idle.min_by_key(|(_, one)| one.tries.asked_ms()).map(|(id, _)| *id);
            quietest.map(|id| senders.remove(&id));
        }
        let per_address = self.per_address;
        ask(senders.entry(id).or_insert_with(|| Sender {
            tries: Bucket::full(TRIES, TRIES_PER_SECOND, now_ms),
            reports: Bucket::full(per_address, per_address / HOUR_S, now_ms),
            wrong: Bucket::full(WRONG, WRONG_PER_SECOND, now_ms),
            now_sending: 0,
        }))
    }

    /// Somebody begins to send a form; `None`: too many of this address are under way, or were.
    pub(super) fn begins(self: &Arc<Self>, address: IpAddr, now_ms: u64) -> Option<Sending> {
        let may = self.with(address, now_ms, |sender| {
            let may = sender.tries.spend(1.0, now_ms) && sender.now_sending < AT_ONCE_MAX;
            sender.now_sending += u32::from(may);
            may
        });
        may.then(|| Sending { senders: self.clone(), id: self.id_of(address) })
    }

    /// A report that would be taken: whether there is one left in this hour, of this address and of all.
    pub(super) fn reports(&self, address: IpAddr, now_ms: u64) -> bool {
        self.with(address, now_ms, |sender| sender.reports.spend(1.0, now_ms))
            && lock(&self.table).all.spend(1.0, now_ms)
    }

    /// A look-up number that is none: whether its answer need not wait.
    pub(super) fn guesses(&self, address: IpAddr, now_ms: u64) -> bool {
        self.with(address, now_ms, |sender| {
            sender.tries.spend(0.0, now_ms);
            sender.wrong.spend(1.0, now_ms)
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
    fn only_named_proxies_say_who_sends() {
        let proxies: Vec<Network> =
            ["10.0.0.1", "192.168.0.0/16", "fd00::/8"].map(|it| Network::parse(it).unwrap()).into();
        let of = |peer: &str, lines: &[&str]| sender(ip(peer), lines, &proxies).to_string();
        assert_eq!(of("203.0.113.9", &["1.2.3.4"]), "203.0.113.9", "anybody may write a header");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        assert_eq!(of("::ffff:10.0.0.1", &["9.9.9.9, 1.2.3.4, 192.168.7.7"]), "1.2.3.4");
        assert_eq!(of("10.0.0.1", &["9.9.9.9", "1.2.3.4"]), "1.2.3.4", "the last line counts");
        assert_eq!(of("fd00::1", &["2001:db8::5"]), "2001:db8::5");
        for written in ["[2001:db8::5]", "[2001:db8::5]:443", " 2001:db8::5 "] {
            assert_eq!(of("fd00::1", &[written]), "2001:db8::5", "{written}");
        }
        assert_eq!(of("10.0.0.1", &["1.2.3.4:5678"]), "1.2.3.4");
        assert_eq!(of("10.0.0.1", &["1.2.3.4, rubbish"]), "10.0.0.1");
        assert_eq!(of("10.0.0.2", &["1.2.3.4"]), "10.0.0.2");
        for wrong in ["", "x", "10.0.0.1/33", "::/129", "10.0.0/8", "1.2.3.4/x", "1.2.3.4/-1"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds(ip("9.9.9.9")));
        assert!(Network::parse("::/0").unwrap().holds(ip("2001:db8::1")));
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
    fn p11_forms_at_once_are_bounded_and_so_are_addresses() {
        let senders = Senders::new(3, 1_000, 0);
        let begins = |ms| senders.begins(ip("192.0.2.1"), ms);
        let mut sending: Vec<Sending> = (0..8).filter_map(|_| begins(0)).collect();
        assert!(sending.len() == 8 && begins(0).is_none());
        sending.pop();
        assert!(begins(0).is_some(), "one has ended");
        let tried = (0..100).filter(|_| begins(0).is_some()).count();
        assert!(tried < 60 && begins(1_000).is_none() && begins(60_000).is_some(), "{tried}");
        assert_eq!((0..20).filter(|_| senders.guesses(ip("192.0.2.7"), 0)).count(), 10);
        sending.extend(begins(120_000));
        for n in 0..10_100u32 {
            senders.guesses(IpAddr::from(n.to_be_bytes()), 120_001);
        }
        assert!(lock(&senders.table).senders.len() <= ADDRESSES_MAX);
        assert!(begins(180_000).is_none(), "who is sending is not forgotten");
    }
}
