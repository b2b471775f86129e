//! WS-Discovery's two messages: the question who is there, and what answers. Pure.

use core::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::Url;
use uuid::Uuid;

use super::read::{all, first, one_line, parse, words};

/// What cameras answer to: most to the first, some to the second alone.
const TYPES: [&str; 2] = [
    "<d:Types xmlns:n=\"http://www.onvif.org/ver10/network/wsdl\">n:NetworkVideoTransmitter</d:Types>",
    "<d:Types xmlns:n=\"http://www.onvif.org/ver10/device/wsdl\">n:Device</d:Types>",
];
/// Devices in one answer, and addresses of one device.
const MATCHES_MAX: usize = 16;
const ADDRESSES_MAX: usize = 8;

/// The questions; each has an id of its own.
pub(super) fn probes(ids: [Uuid; 2]) -> [String; 2] {
    let probe = |(types, id): (&str, Uuid)| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header><a:Action s:mustUnderstand=\"1\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action><a:MessageID>uuid:{id}</a:MessageID><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header><s:Body><d:Probe>{types}<d:Scopes/></d:Probe></s:Body></s:Envelope>"
        )
    };
    let [first, second] = [0, 1].map(|n| probe((TYPES[n], ids[n])));
    [first, second]
}

/// One device that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProbeMatch {
    /// Its own name, the same whichever way it is asked; may be empty.
    pub(super) endpoint: String,
    /// Where it may be asked, the likeliest first.
    pub(super) addresses: Vec<Url>,
    /// As it writes them.
    pub(super) scopes: Vec<String>,
}

impl ProbeMatch {
    /// `onvif://www.onvif.org/name/AXIS%20M3014` → `AXIS M3014`.
    pub(super) fn scope(&self, kind: &str) -> Option<String> {
        let of = |scope: &String| {
            let at = scope.to_ascii_lowercase().find(&format!("onvif.org/{kind}/"))?;
            let value = &scope[at + "onvif.org//".len() + kind.len()..];
            Some(plain(value)).filter(|value| !value.is_empty())
        };
        self.scopes.iter().find_map(of)
    }
}

/// Decoded; some write their name in an alphabet of their own, some a space as `_` or `+`.
fn plain(value: &str) -> String {
    let text = percent_decode_str(value).decode_utf8_lossy();
    one_line(&text).trim_matches(['/', ' ']).to_owned()
}

/// Cameras in one datagram from `sender`. Its RelatesTo is not asked for: some write what they like,
/// and the socket that it came to has asked one question alone.
pub(super) fn matches(text: &str, sender: IpAddr) -> Vec<ProbeMatch> {
    let Ok(tree) = parse(text) else { return Vec::new() };
    all(tree.root(), "ProbeMatch")
        .take(MATCHES_MAX)
        .filter_map(|one| {
            let part = |name| first(one, name).map(words).unwrap_or_default();
            let scopes: Vec<String> =
                part("Scopes").split_whitespace().map(str::to_owned).collect();
            let types = part("Types");
            let is_camera = ["NetworkVideoTransmitter", "NetworkVideoStorage"]
                .iter()
                .any(|kind| types.contains(kind))
                || scopes.iter().any(|scope| scope.starts_with("onvif://"));
            let addresses = addresses(&part("XAddrs"), sender);
            let endpoint = first(one, "EndpointReference").map(words).unwrap_or_default();
            (is_camera && !addresses.is_empty()).then_some(ProbeMatch {
                endpoint,
                addresses,
                scopes,
            })
        })
        .collect()
}

/// Those at the sender's own host first: a camera lists addresses of all its networks, of the link,
/// and old ones. One that lists none at it is asked there all the same, with the path it names.
fn addresses(listed: &str, sender: IpAddr) -> Vec<Url> {
    let parse = |text: &str| {
        let mut url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let _ = url.set_username("").and(url.set_password(None));
        Some(url)
    };
    let mut all: Vec<Url> = listed.split_whitespace().filter_map(parse).collect();
    let host = match sender {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let is_here = |url: &Url| url.host_str() == Some(host.as_str());
    if !all.iter().any(is_here)
        && let Some(mut here) = all.first().cloned()
        && here.set_host(Some(&host)).is_ok()
    {
        all.insert(0, here);
    }
    all.sort_by_key(|url| (!is_here(url), url.scheme() == "https"));
    all.dedup();
    all.truncate(ADDRESSES_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 11));

    fn answer(types: &str, scopes: &str, addresses: &str) -> String {
        format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:wsdd=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><SOAP-ENV:Body><wsdd:ProbeMatches><wsdd:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:1419d68a</wsa:Address></wsa:EndpointReference><wsdd:Types>{types}</wsdd:Types><wsdd:Scopes>{scopes}</wsdd:Scopes><wsdd:XAddrs>{addresses}</wsdd:XAddrs></wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    }

    fn asked(addresses: &str) -> Vec<String> {
        let found = matches(&answer("dn:NetworkVideoTransmitter", "", addresses), SENDER);
        found.into_iter().flat_map(|one| one.addresses).map(String::from).collect()
    }

    #[test]
    fn what_a_camera_says_of_itself_is_read() {
        let scopes = " onvif://www.onvif.org/type/video_encoder\n onvif://www.onvif.org/name/AXIS%20M3014 onvif://www.onvif.org/hardware/M3014 onvif://www.onvif.org/location/city/%E9%BE%99%E5%B2%97 ";
        let text = answer("dn:NetworkVideoTransmitter tds:Device", scopes, "http://192.0.2.11/x");
        let [found] = &matches(&text, SENDER)[..] else { panic!("one") };
        assert_eq!(found.endpoint, "urn:uuid:1419d68a");
        assert_eq!(found.scope("name").as_deref(), Some("AXIS M3014"));
        assert_eq!(found.scope("hardware").as_deref(), Some("M3014"));
        assert_eq!(found.scope("location").as_deref(), Some("city/龙岗"));
        assert_eq!(found.scope("serial"), None);
        // By its scopes alone, as some that answer to `Device`.
        assert_eq!(matches(&answer("tds:Device", scopes, "http://192.0.2.11/x"), SENDER).len(), 1);
        // A printer, a computer.
        assert!(matches(&answer("wsdp:Device wprt:Printer", "", "http://h/"), SENDER).is_empty());
    }

    #[test]
    fn the_address_that_it_answers_from_comes_first_and_dead_ones_last() {
        // As Axis and Bosch answer.
        assert_eq!(
            asked("http://169.254.119.177/onvif/services http://192.0.2.11/onvif/services"),
            ["http://192.0.2.11/onvif/services", "http://169.254.119.177/onvif/services"]
        );
        assert_eq!(
            asked("https://192.0.2.11:443/o http://192.0.2.11:80/o"),
            ["http://192.0.2.11/o", "https://192.0.2.11/o"]
        );
        // Behind NAT, or with the address of the shelf.
        assert_eq!(
            asked("http://192.168.1.64:8899/o http://[fe80::1]/o"),
            ["http://192.0.2.11:8899/o", "http://192.168.1.64:8899/o", "http://[fe80::1]/o"]
        );
        assert!(asked("").is_empty() && asked("ftp://192.0.2.11/ nonsense").is_empty());
        let many: String = (0..100).map(|n| format!("http://192.0.2.11:{}/o ", 1000 + n)).collect();
        assert_eq!(asked(&many).len(), ADDRESSES_MAX);
    }

    #[test]
    fn whatever_comes_in_a_datagram_is_survived() {
        let whole = answer("dn:NetworkVideoTransmitter", "", "http://192.0.2.11/x");
        for at in 0..whole.len() {
            assert!(matches(&whole[..at], SENDER).is_empty());
        }
        let many = "<ProbeMatch><Types>NetworkVideoTransmitter</Types><XAddrs>http://h/</XAddrs></ProbeMatch>";
        let many = format!("<a>{}</a>", many.repeat(500));
        assert_eq!(matches(&many, SENDER).len(), MATCHES_MAX);
    }

    #[test]
    fn the_questions_are_xml_and_differ() {
        let [one, two] = probes([Uuid::from_u128(1), Uuid::from_u128(2)]);
        assert!(parse(&one).is_ok() && parse(&two).is_ok() && one != two);
        assert!(one.contains("NetworkVideoTransmitter") && two.contains("n:Device"));
    }
}
