//! Whose word of who asks counts: chains of proxies, headers of strangers, and both kinds of header.

use super::*;

const NAMED: [&str; 3] = ["10.0.0.1", "192.168.0.0/16", "fd00::/8"];

fn proxies(header: ProxyHeader) -> Proxies {
    Proxies::of(&NAMED.map(str::to_owned), header)
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn arrival(header: ProxyHeader, peer: &str, pairs: &[(&'static str, &str)]) -> Arrival {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4_000);
    proxies(header).arrival(peer, &headers(pairs))
}

#[test]
fn only_named_proxies_say_who_asks() {
    let of = |peer: &str, lines: &[&str]| {
        let pairs: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        arrival(ProxyHeader::XForwardedFor, peer, &pairs).from.ip().to_string()
    };
    assert_eq!(of("203.0.113.9", &["1.2.3.4"]), "203.0.113.9", "anybody may write a header");
    assert_eq!(of("203.0.113.9", &["10.0.0.1"]), "203.0.113.9", "also the name of a proxy");
    assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(of("10.0.0.1", &["1.2.3.4"]), "1.2.3.4");
    assert_eq!(of("::ffff:10.0.0.1", &["9.9.9.9, 1.2.3.4, 192.168.7.7"]), "1.2.3.4");
    assert_eq!(of("10.0.0.1", &["9.9.9.9", "1.2.3.4"]), "1.2.3.4", "the last line counts");
    // Who writes a proxy's address himself stands behind what the real one has added.
    assert_eq!(of("10.0.0.1", &["9.9.9.9, 192.168.1.1, 1.2.3.4"]), "1.2.3.4");
    assert_eq!(of("10.0.0.1", &["127.0.0.1, 1.2.3.4"]), "1.2.3.4");
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
    let holds =
        |network: &str, one: &str| Network::parse(network).unwrap().holds(one.parse().unwrap());
    assert!(holds("0.0.0.0/0", "9.9.9.9") && holds("::/0", "2001:db8::1"));
    assert!(!holds("0.0.0.0/0", "2001:db8::1"));
}

#[test]
fn the_other_kind_of_header_is_a_strangers_own_writing() {
    let forged = [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https")];
    let got = arrival(ProxyHeader::Forwarded, "10.0.0.1", &forged);
    assert_eq!((got.from.ip().to_string().as_str(), got.https), ("10.0.0.1", None));
    let forged = [("forwarded", "for=9.9.9.9;proto=https"), ("x-forwarded-for", "1.2.3.4")];
    let got = arrival(ProxyHeader::XForwardedFor, "10.0.0.1", &forged);
    assert_eq!((got.from.ip().to_string().as_str(), got.https), ("1.2.3.4", None));
}

#[test]
fn forwarded_is_read_with_its_quotes_and_from_its_end() {
    let of = |line: &str| {
        let got = arrival(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]);
        (got.from.ip().to_string(), got.https, got.host)
    };
    let host = |name: &str| Some(name.to_owned());
    assert_eq!(
        of("for=1.2.3.4;proto=https;host=room"),
        ("1.2.3.4".into(), Some(true), host("room"))
    );
    assert_eq!(of("For=\"[2001:db8::7]:99\" ; Proto=http").0, "2001:db8::7");
    // The word of the first named proxy counts, and not that of who stands before it.
    assert_eq!(
        of(
            "for=9.9.9.9;proto=http;host=evil, for=1.2.3.4;proto=https;host=room, for=192.168.0.9;proto=http"
        ),
        ("1.2.3.4".into(), Some(true), host("room"))
    );
    // A comma and a proxy's address within quotes are one value.
    assert_eq!(of("for=9.9.9.9, by=\"x, for=192.168.0.1\\\"\";for=1.2.3.4").0, "1.2.3.4");
    for unknown in ["for=unknown", "for=_hidden", "proto=https", "", "for=", "=;=,;,\"", "for=\""] {
        assert_eq!(of(unknown).0, "10.0.0.1", "{unknown}");
    }
}

#[test]
fn what_a_stranger_says_of_tls_and_of_a_name_counts_for_nothing() {
    let said = [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil")];
    let got = arrival(ProxyHeader::XForwardedFor, "203.0.113.9", &said);
    assert_eq!((got.https, got.host, got.proxied), (None, None, true), "it may be anywhere");
    let got = arrival(ProxyHeader::XForwardedFor, "203.0.113.9", &[]);
    assert!(!got.proxied);
    let said = [("x-forwarded-proto", "http, https"), ("x-forwarded-host", "evil, room")];
    let got = arrival(ProxyHeader::XForwardedFor, "10.0.0.1", &said);
    assert_eq!((got.https, got.host.as_deref()), (Some(true), Some("room")), "the nearest one's");
    assert_eq!(got.from.ip().to_string(), "10.0.0.1");
}

#[test]
fn p11_a_long_chain_is_read_once() {
    let long = "192.168.0.1, ".repeat(3_000) + "192.168.0.1";
    let got = arrival(ProxyHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", &long)]);
    assert_eq!(got.from.ip().to_string(), "192.168.0.1");
}
