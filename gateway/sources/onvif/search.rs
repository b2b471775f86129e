//! WS-Discovery over UDP: who answers, on every network of the box or at addresses that are given.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{UdpSocket, lookup_host},
    time::Instant,
};
use url::Url;
use uuid::Uuid;

use super::probe::{ProbeMatch, matches, probes};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const PORT: u16 = 3702;
/// A datagram may be lost: each question is asked so often.
const ASK_TIMES: u32 = 3;
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Cameras of one search; a network of more is asked in parts.
const CAMERAS_MAX: usize = 1_024;

/// All that answer, once each.
pub(super) async fn search(
    addresses: &[String],
    wait: Duration,
) -> Result<Vec<ProbeMatch>, String> {
    let (mut asked, mut direct) = (Vec::new(), Vec::new());
    for address in addresses {
        match Url::parse(address) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => direct.push(url),
            _ => asked.push(hosts(address).await?),
        }
    }
    let mut sockets = Vec::new();
    if addresses.is_empty() {
        sockets = on_each_network().await?;
    } else if !asked.is_empty() {
        for wildcard in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6([0; 16].into())] {
            let targets = asked.iter().filter(|to| to.is_ipv4() == wildcard.is_ipv4()).copied();
            let targets: Vec<SocketAddr> = targets.collect();
            if !targets.is_empty() {
                sockets.push((bound(wildcard).await?, targets));
            }
        }
    }
    let answers = sockets.iter().map(|(socket, targets)| listen(socket, targets, wait));
    let answers = futures_util::future::join_all(answers).await;
    let mut found: BTreeMap<String, ProbeMatch> = BTreeMap::new();
    for one in answers.into_iter().flatten() {
        let name = match one.endpoint.as_str() {
            "" => one.addresses.first().map(Url::to_string).unwrap_or_default(),
            endpoint => endpoint.to_owned(),
        };
        if found.len() < CAMERAS_MAX {
            found.entry(name).or_insert(one);
        }
    }
    let mut found: Vec<ProbeMatch> = found.into_values().collect();
    let silent = asked.into_iter().filter(|to| !found.iter().any(|one| one.is_at(to.ip())));
    // One that does not answer to WS-Discovery may be there all the same.
    let usual = |to: SocketAddr| {
        let host = SocketAddr::new(to.ip(), 80);
        Url::parse(&format!("http://{host}/onvif/device_service")).ok()
    };
    direct.extend(silent.filter_map(usual).collect::<Vec<_>>());
    found.extend(direct.into_iter().map(|url| ProbeMatch {
        endpoint: String::new(),
        addresses: vec![url],
        scopes: Vec::new(),
    }));
    Ok(found)
}

impl ProbeMatch {
    fn is_at(&self, host: IpAddr) -> bool {
        let host = SocketAddr::new(host, 80);
        let host = Url::parse(&format!("http://{host}/")).ok();
        let host = host.as_ref().and_then(Url::host_str);
        self.addresses.iter().any(|url| url.host_str() == host)
    }
}

/// `192.0.2.11`, `cam.example`, `[2001:db8::1]:3702`.
async fn hosts(address: &str) -> Result<SocketAddr, String> {
    if let Ok(host) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(host, PORT));
    }
    let whole = match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{PORT}"),
    };
    let expected = "expected a host, a host with a port, or http://…";
    let found =
        lookup_host(&whole).await.map_err(|error| format!("{address}: {error}; {expected}"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().ok_or_else(|| format!("{address}: no address; {expected}"))
}

async fn bound(to: IpAddr) -> Result<UdpSocket, String> {
    let socket = UdpSocket::bind(SocketAddr::new(to, 0)).await;
    socket.map_err(|error| format!("{to}: cannot send from here: {error}"))
}

/// A socket on each of the box's networks: what is bound to an address is sent out there.
async fn on_each_network() -> Result<Vec<(UdpSocket, Vec<SocketAddr>)>, String> {
    let interfaces = if_addrs::get_if_addrs()
        .map_err(|error| format!("the box's own addresses cannot be read: {error}"))?;
    let mut sockets = Vec::new();
    for interface in interfaces.iter().filter(|one| !one.is_loopback() && one.ip().is_ipv4()) {
        match bound(interface.ip()).await {
            Ok(socket) => sockets.push((socket, vec![SocketAddr::from((GROUP, PORT))])),
            Err(reason) => tracing::warn!(reason, "discover: a network is left out"),
        }
    }
    match sockets.is_empty() {
        true => Err("the box has no network but its own loopback; name an address".into()),
        false => Ok(sockets),
    }
}

/// Asks `targets`, and gathers what answers.
async fn listen(socket: &UdpSocket, targets: &[SocketAddr], wait: Duration) -> Vec<ProbeMatch> {
    let until = Instant::now() + wait;
    let questions = probes([0, 1].map(|_| Uuid::from_bytes(rand::random())));
    let asking = async {
        for _ in 0..ASK_TIMES {
            for (target, question) in
                targets.iter().flat_map(|to| questions.iter().map(move |q| (to, q)))
            {
                if let Err(error) = socket.send_to(question.as_bytes(), target).await {
                    tracing::debug!(%target, %error, "discover: not sent");
                }
            }
            tokio::time::sleep(wait / (ASK_TIMES + 1)).await;
        }
    };
    let hearing = async {
        let mut found = Vec::new();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while let Ok(heard) = tokio::time::timeout_at(until, socket.recv_from(&mut datagram)).await
        {
            // An error is of one datagram: where nobody listens, the next receive says so.
            let Ok((size, sender)) = heard else { continue };
            let text = String::from_utf8_lossy(&datagram[..size]);
            if found.len() < CAMERAS_MAX {
                found.extend(matches(&text, sender.ip()));
            }
        }
        found
    };
    tokio::join!(asking, hearing).1
}
