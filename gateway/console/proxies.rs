//! Reverse proxies that are named may say who asks, and how he came; nobody else's word counts.
//!
//! A header of whoever is beyond the last named proxy is his own writing: it is read from its end, and no further
//! than the first address that is no proxy. Of the two headers that there are one alone is read, since a proxy
//! passes on unread what it does not write.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
    fn parse(text: &str) -> Option<Self> {
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

/// Which headers the proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// The proxies of one listener. The default is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    networks: Vec<Network>,
    header: ProxyHeader,
}

/// How a request came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Who asks: the peer, or for whom a named proxy asks.
    pub(super) from: SocketAddr,
    /// It came by a proxy, named or not: who asks may be anywhere.
    pub(super) proxied: bool,
    /// Whether the browser speaks TLS, as a named proxy says.
    pub(super) https: Option<bool>,
    /// The name that the browser knows, as a named proxy says.
    pub(super) host: Option<String>,
}

/// One hop as a proxy wrote it down.
#[derive(Default)]
struct Hop {
    from: Option<IpAddr>,
    proto: Option<String>,
    host: Option<String>,
}

const NAMES: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "forwarded"];

impl Proxies {
    /// As the configuration names them; what is no address was told by [`problems`].
    pub(super) fn of(texts: &[String], header: ProxyHeader) -> Self {
        let networks = texts.iter().filter_map(|text| Network::parse(text)).collect();
        Self { networks, header }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    /// How a request of this peer came.
    pub(super) fn arrival(&self, peer: SocketAddr, headers: &HeaderMap) -> Arrival {
        let proxied = self.has(peer.ip()) || NAMES.iter().any(|name| headers.contains_key(*name));
        let mut arrival = Arrival { from: peer, proxied, https: None, host: None };
        if !self.has(peer.ip()) {
            return arrival;
        }
        let hops = match self.header {
            ProxyHeader::XForwardedFor => x_forwarded(headers),
            ProxyHeader::Forwarded => forwarded(headers),
        };
        for hop in hops.into_iter().rev() {
            if !self.has(arrival.from.ip()) {
                break;
            }
            let proto = hop.proto.map(|proto| proto.eq_ignore_ascii_case("https"));
            arrival.https = proto.or(arrival.https);
            arrival.host = hop.host.or(arrival.host);
            let Some(from) = hop.from else { break };
            arrival.from = SocketAddr::new(from.to_canonical(), 0);
        }
        arrival
    }
}

/// All lines of a header, in order.
fn lines<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok())
}

/// Proto and host stand for all hops: their last word, which the nearest proxy wrote.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let last = |name| {
        let word = lines(headers, name).last()?.rsplit(',').next()?.trim();
        (!word.is_empty()).then(|| word.to_owned())
    };
    let hops = lines(headers, NAMES[0]).flat_map(|line| line.split(','));
    let mut hops: Vec<Hop> =
        hops.map(|hop| Hop { from: hop_address(hop), ..Hop::default() }).collect();
    if hops.is_empty() {
        hops.push(Hop::default());
    }
    if let Some(nearest) = hops.last_mut() {
        nearest.proto = last("x-forwarded-proto");
        nearest.host = last("x-forwarded-host");
    }
    hops
}

/// `for=192.0.2.43;proto=https, for="[2001:db8::1]:4711"`.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let elements = lines(headers, NAMES[2]).flat_map(|line| unquoted_parts(line, ','));
    elements.map(hop_of).collect()
}

fn hop_of(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in unquoted_parts(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = bare.unwrap_or(value).replace('\\', "");
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.from = hop_address(&value),
            "proto" => hop.proto = Some(value),
            "host" => hop.host = Some(value),
            _ => {}
        }
    }
    hop
}

/// Splits where no quotes are open.
fn unquoted_parts(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |sign| {
        match sign {
            _ if escaped => {
                escaped = false;
                return false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        sign == at && !quoted
    })
}

/// `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:5678`, as proxies write it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

const KEY: &str = "trusted_proxies";

/// Errors as (key, message).
pub(super) fn problems(proxies: &[String]) -> impl Iterator<Item = (&'static str, String)> {
    proxies
        .iter()
        .filter(|one| Network::parse(one).is_none())
        .map(|one| (KEY, format!("`{one}`: expected an address or a network, as 10.0.0.0/8")))
}

/// A warning where everybody may be one, as (key, message).
pub(super) fn open_to_all(proxies: &[String]) -> Option<(&'static str, String)> {
    let open = proxies.iter().find(|one| one.ends_with("/0"))?;
    Some((KEY, format!("`{open}`: anybody may then say that he is somebody else")))
}

#[cfg(test)]
#[path = "tests_proxies.rs"]
mod tests;
