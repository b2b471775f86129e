//! The addresses in what a Wi-Fi sensor says, whatever its make; nothing of it is ever quoted. Pure.
//!
//! Read are: `{"mac": …, "rssi": …}` and the like (`addr`, `address`, `id`, `client` …), as sniffers on an ESP and
//! OpenMQTTGateway word them; lists of those, in a list or under any key; lists of addresses; objects whose keys are
//! addresses; lines and columns of text (`probe,aa:bb:cc:dd:ee:ff,-70`); and the last level of the topic, where the
//! message holds none. Next to a list, an object's own address is the sensor's. An address is written with colons,
//! dashes, dots or nothing between its digits, large or small.

use serde_json::{Map, Value};
use zeroize::Zeroize;

/// Keys that hold the address of a device, small and without `_` and `-`.
const ADDRESS_KEYS: [&str; 13] = [
    "mac",
    "macaddress",
    "macaddr",
    "addr",
    "address",
    "id",
    "sta",
    "client",
    "clientmac",
    "src",
    "source",
    "sourcemac",
    "device",
];
/// Keys of what hears: an address there is a sensor's or an access point's.
const HEARING_KEYS: [&str; 9] =
    ["gateway", "gw", "sensor", "sensormac", "node", "ap", "bssid", "host", "receiver"];
const RSSI_KEYS: [&str; 4] = ["rssi", "signal", "dbm", "power"];
/// Of a random address, where the make says so (Bluetooth).
const TYPE_KEYS: [&str; 3] = ["mactype", "addrtype", "addresstype"];

/// One address as it was heard.
pub(super) struct Sighting {
    pub(super) address: [u8; 6],
    /// The device made it up.
    pub(super) random: bool,
}

impl Drop for Sighting {
    fn drop(&mut self) {
        self.address.zeroize();
    }
}

/// What a message came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Addresses that were handed on.
    pub(super) heard: u32,
    /// Addresses that were too weak, of a group, or none.
    pub(super) left_out: u32,
}

/// Hands every address on. The error is a fixed sentence: why it holds none.
pub(super) fn read(
    (topic, payload): (&str, &[u8]),
    rssi_min: Option<i32>,
    tell: &mut dyn FnMut(&Sighting),
) -> Result<Found, &'static str> {
    let mut reader = Reader { rssi_min, tell, found: Found::default(), empty_list: false };
    let mut rssi = None;
    if let Ok(value) = serde_json::from_slice::<Value>(payload) {
        rssi = value.as_object().and_then(rssi_of);
        reader.value(&value, None);
    } else {
        let text = std::str::from_utf8(payload).map_err(|_| "neither JSON nor text")?;
        text.lines().for_each(|line| reader.line(line));
    }
    if reader.found == Found::default() && !reader.empty_list {
        reader.text(topic.rsplit('/').next().unwrap_or_default(), rssi, None);
    }
    let Reader { found, empty_list, .. } = reader;
    match found {
        Found { heard: 0, left_out: 0 } if !empty_list => Err("no address is in it"),
        found => Ok(found),
    }
}

struct Reader<'r> {
    rssi_min: Option<i32>,
    tell: &'r mut dyn FnMut(&Sighting),
    found: Found,
    /// Nobody is there.
    empty_list: bool,
}

impl Reader<'_> {
    fn value(&mut self, value: &Value, rssi: Option<i64>) {
        match value {
            Value::Array(all) if all.is_empty() => self.empty_list = true,
            Value::Array(all) => all.iter().for_each(|one| self.value(one, rssi)),
            Value::String(text) => {
                self.text(text, rssi, None);
            }
            Value::Object(map) => self.object(map),
            _ => {}
        }
    }

    fn object(&mut self, map: &Map<String, Value>) {
        let rssi = rssi_of(map);
        let before = self.found.heard + self.found.left_out;
        for (key, value) in map {
            let plain = plain(key);
            if HEARING_KEYS.contains(&plain.as_str()) {
                continue;
            }
            if parsed(key).is_some() {
                let own = value.as_i64().or_else(|| value.as_object().and_then(rssi_of));
                self.text(key, own, None);
            } else if value.is_array() || value.is_object() {
                self.value(value, None);
            }
        }
        // Next to a list, what has an address is whoever heard it.
        if self.found.heard + self.found.left_out > before {
            return;
        }
        let random = map.iter().any(|(key, value)| {
            TYPE_KEYS.contains(&plain(key).as_str())
                && (value.as_i64() == Some(1) || value.as_str() == Some("random"))
        });
        let own = map.iter().find_map(|(key, value)| {
            let is_address = ADDRESS_KEYS.contains(&plain(key).as_str());
            value.as_str().filter(|text| is_address && parsed(text).is_some())
        });
        if let Some(own) = own {
            self.text(own, rssi, random.then_some(true));
        }
    }

    /// A line of text: an address among its columns, and perhaps how strong it was.
    fn line(&mut self, line: &str) {
        let columns = || line.split([',', ';', ' ', '\t', '|', '"', '\'']).map(str::trim);
        let rssi = columns()
            .find_map(|column| column.parse::<i64>().ok().filter(|dbm| (-120..0).contains(dbm)));
        if let Some(address) = columns().find(|column| parsed(column).is_some()) {
            self.text(address, rssi, None);
        }
    }

    fn text(&mut self, text: &str, rssi: Option<i64>, random: Option<bool>) {
        let Some(mut address) = parsed(text) else { return };
        let weak = self.rssi_min.zip(rssi).is_some_and(|(least, dbm)| dbm < i64::from(least));
        let group = address[0] & 1 != 0 && random != Some(true);
        let nobody = address == [0; 6] || address == [0xff; 6];
        if weak || group || nobody {
            self.found.left_out += 1;
        } else {
            let random = random.unwrap_or(address[0] & 2 != 0);
            (self.tell)(&Sighting { address, random });
            self.found.heard += 1;
        }
        address.zeroize();
    }
}

fn rssi_of(map: &Map<String, Value>) -> Option<i64> {
    map.iter().find_map(|(key, value)| {
        let number = || value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        RSSI_KEYS.contains(&plain(key).as_str()).then(number).flatten().map(|dbm| dbm as i64)
    })
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !['_', '-'].contains(c)).flat_map(char::to_lowercase).take(32).collect()
}

/// Six bytes, however they are written; `None`: it is no address.
fn parsed(text: &str) -> Option<[u8; 6]> {
    let text = text.trim();
    let between = match text.len() {
        12 => None,
        14 => Some(('.', 4)),
        17 => Some((if text.contains(':') { ':' } else { '-' }, 2)),
        _ => return None,
    };
    let mut address = [0u8; 6];
    let mut digits = 0;
    for (at, c) in text.chars().enumerate() {
        if let Some((mark, every)) = between.filter(|(_, every)| at % (every + 1) == *every) {
            if c != mark {
                return None;
            }
            let _ = every;
            continue;
        }
        let digit = c.to_digit(16)?;
        let byte = address.get_mut(digits / 2)?;
        *byte = *byte << 4 | digit as u8;
        digits += 1;
    }
    (digits == 12).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was heard: addresses, each with whether it is made up.
    fn heard(topic: &str, payload: &str, rssi_min: Option<i32>) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        let mut tell = |one: &Sighting| {
            let text = one.address.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            all.push((text, one.random));
        };
        read((topic, payload.as_bytes()), rssi_min, &mut tell)
            .unwrap_or_else(|why| panic!("{payload}: {why}"));
        all
    }

    #[test]
    fn each_make_is_read_as_it_speaks() {
        let one = vec![("a41908112233".to_owned(), false)];
        for payload in [
            r#"{"mac":"A4:19:08:11:22:33","rssi":-61}"#,
            r#"{"mac":"a4-19-08-11-22-33","ssid":"home","channel":6}"#,
            r#"{"id":"A4:19:08:11:22:33","mac_type":0,"rssi":-70,"distance":0.49}"#,
            r#"{"addr":"a4:19:08:11:22:33","rssi":-61,"gateway":"a4:19:08:99:99:99"}"#,
            r#"{"address":"A41908112233","RSSI":"-61"}"#,
            r#"[{"mac":"a4:19:08:11:22:33"}]"#,
            r#"["a4:19:08:11:22:33"]"#,
            r#"{"a4:19:08:11:22:33":-61}"#,
            r#"{"MAC":"A4:19:08:00:00:00","probes":[{"address":"a4:19:08:11:22:33","rssi":-61}]}"#,
            r#"{"sensor":"x","count":1,"devices":{"a4:19:08:11:22:33":{"rssi":-61}}}"#,
            "probe,a4:19:08:11:22:33,-61,home",
            "a419.0811.2233 -61",
            "a4:19:08:11:22:33",
            r#""a4:19:08:11:22:33""#,
        ] {
            assert_eq!(heard("wifi/square", payload, None), one, "{payload}");
        }
        assert_eq!(heard("home/BTtoMQTT/A41908112233", "3", None), one, "the topic alone says it");
        let two = heard("t", "a4:19:08:11:22:33\n02:00:00:00:00:01", None);
        assert_eq!(two[1], ("020000000001".into(), true), "the device made it up");
        let ble = heard("t", r#"{"id":"45:F6:8A:76:86:C5","mac_type":1}"#, None);
        assert_eq!(ble, [("45f68a7686c5".to_owned(), true)], "Bluetooth says so itself");
    }

    #[test]
    fn nobody_is_no_mistake_and_what_holds_no_address_is_one() {
        let none = |payload: &[u8]| read(("t", payload), None, &mut |_| panic!("heard"));
        for empty in ["[]", r#"{"devices":[]}"#, r#"{"mac":"a4:19:08:11:22:33","probes":[]}"#] {
            let mut heard = 0;
            let found = read(("t", empty.as_bytes()), None, &mut |_| heard += 1);
            assert!(found.is_ok(), "{empty}");
        }
        for (payload, why) in [
            (&b"{}"[..], "no address is in it"),
            (b"", "no address is in it"),
            (b"{\"uptime\":5}", "no address is in it"),
            (b"{\"mac\":\"a4:19:08:11:22\"}", "no address is in it"),
            (b"{\"mac\":\"a4:19:08:11:22:3g\"}", "no address is in it"),
            (b"{\"mac\":[1,{\"x\":", "no address is in it"),
            (b"\xff\xfe\x00", "neither JSON nor text"),
        ] {
            assert_eq!(none(payload), Err(why), "{payload:?}");
        }
        let weak = r#"{"mac":"a4:19:08:11:22:33","rssi":-90}"#.as_bytes();
        let group = br#"["01:00:5e:00:00:01","ff:ff:ff:ff:ff:ff","00:00:00:00:00:00"]"#;
        let left = |payload, least| read(("t", payload), least, &mut |_| panic!("heard"));
        assert_eq!(left(weak, Some(-85)), Ok(Found { heard: 0, left_out: 1 }));
        assert_eq!(left(group, None), Ok(Found { heard: 0, left_out: 3 }));
        assert_eq!(heard("t", r#"{"mac":"a4:19:08:11:22:33","rssi":-85}"#, Some(-85)).len(), 1);
    }

    #[test]
    fn no_bytes_panic() {
        use rand::{Rng, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(crate::domain::seed());
        let whole = r#"{"mac":"a4:19:08:11:22:33","probes":[{"address":"é4:19:08:11:22:33"}]}"#;
        for _ in 0..20_000 {
            let mut bytes = whole.as_bytes().to_vec();
            for _ in 0..random.random_range(0..6) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            bytes.truncate(random.random_range(0..=bytes.len()));
            let _ = read(("é/é4:19:08:11:22:3", &bytes), Some(-80), &mut |_| {});
        }
        let deep = "[".repeat(100_000);
        let _ = read(("t", deep.as_bytes()), None, &mut |_| {});
    }
}
