//! Addresses that came by the page, for the gateway to open: never the box itself, a program or a file.
//!
//! A name may lead anywhere tomorrow, and each reader of addresses reads odd ones its own way; so only an address in
//! plain numbers passes, and what passes is written as it was read here.

use std::net::{IpAddr, UdpSocket};

use url::Url;

/// A longer one is no address of a camera.
const BYTES_MAX: usize = 500;

/// The address as it is to be written; the error says what is wrong, without a word of it. `is_own`: whether this
/// machine has that address.
pub fn outside(
    text: &str,
    schemes: &[&str],
    is_own: impl Fn(IpAddr) -> bool,
) -> Result<String, String> {
    let text = text.trim();
    let odd = |sign: char| !sign.is_ascii_graphic() || sign == '\\';
    if text.len() > BYTES_MAX || text.contains(odd) {
        return Err(format!("expected at most {BYTES_MAX} characters of ASCII, none of them `\\`"));
    }
    let said = || format!("expected {}://…", schemes.join("://… or "));
    let url = Url::parse(text).map_err(|_| said())?;
    if !schemes.contains(&url.scheme()) || url.cannot_be_a_base() {
        return Err(said());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("names a user: user and password have fields of their own".into());
    }
    if url.fragment().is_some() {
        return Err("has a `#`, which no camera is told".into());
    }
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address: IpAddr = bare.parse().map_err(
        |_| "expected the address in numbers, as 192.168.1.64: a name may lead elsewhere tomorrow",
    )?;
    let address = address.to_canonical();
    if !is_of_one_host(address) || is_own(address) {
        return Err("leads into this box, or to no single camera".into());
    }
    Ok(url.into())
}

/// A camera may have it.
fn is_of_one_host(address: IpAddr) -> bool {
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        return false;
    }
    match address {
        // 0.…, 169.254.…, and all from 240 on.
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_link_local() && v4.octets()[0] < 240,
        // fe80::…, and those that hold one of IPv4 in their last part.
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            first != 0 && first & 0xffc0 != 0xfe80 && first != 0x64
        }
    }
}

/// Whether an address is one of this machine: nobody else's can be listened at.
pub fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMS: &[&str] = &["rtsp", "rtsps"];
    const PAGES: &[&str] = &["http", "https"];

    fn own(address: IpAddr) -> bool {
        address == IpAddr::from([192, 168, 1, 2])
    }

    #[test]
    fn a_camera_of_the_network_passes_as_it_was_read() {
        for (text, schemes, written) in [
            ("rtsp://192.168.1.64:554/a?b=c", STREAMS, "rtsp://192.168.1.64:554/a?b=c"),
            (" rtsps://10.0.0.7/x ", STREAMS, "rtsps://10.0.0.7/x"),
            ("http://33.1.2.3/onvif/device_service", PAGES, "http://33.1.2.3/onvif/device_service"),
            ("https://[fd00::7]:8443/o", PAGES, "https://[fd00::7]:8443/o"),
            ("rtsp://[fd00::7]/o", STREAMS, "rtsp://[fd00::7]/o"),
        ] {
            assert_eq!(outside(text, schemes, own).as_deref(), Ok(written));
        }
    }

    #[test]
    fn nothing_leads_into_the_box_or_runs_a_program() {
        for text in [
            "rtsp://127.0.0.1/a",
            "rtsp://127.1/a",
            "rtsp://0x7f.0.0.1/a",
            "rtsp://2130706433/a",
            "rtsp://0177.0.0.1/a",
            "rtsp://0.0.0.0/a",
            "rtsp://0.1.2.3/a",
            "rtsp://localhost/a",
            "rtsp://camera.lan/a",
            "rtsp://127.0.0.1.nip.io/a",
            "rtsp://192.168.1.2:8686/a",
            "rtsp://169.254.169.254/latest",
            "rtsp://224.0.0.1/a",
            "rtsp://255.255.255.255/a",
            "rtsp://[::1]/a",
            "rtsp://[::]/a",
            "rtsp://[::ffff:127.0.0.1]/a",
            "rtsp://[::ffff:192.168.1.2]/a",
            "rtsp://[::127.0.0.1]/a",
            "rtsp://[64:ff9b::7f00:1]/a",
            "rtsp://[fe80::1]/a",
            "rtsp://[ff02::1]/a",
            "rtsp://10.0.0.7\\@127.0.0.1/a",
            "rtsp://10.0.0.7#@127.0.0.1/a",
            "rtsp://127.0.0.1@10.0.0.7/a",
            "rtsp://u:p@10.0.0.7/a",
            "rtsp://10.0.0.7/a b",
            "rtsp://10.0.0.7/\n-i",
            "rtsp://１２７.0.0.1/a",
            "rtsp:10.0.0.7",
            "rtsp:///a",
            "rtsp://",
            "",
            "/etc/passwd",
            "file:///etc/passwd",
            "file:/etc/passwd",
            "pipe:0",
            "exec:/bin/sh",
            "concat:/etc/passwd|/etc/shadow",
            "ffmpeg:rtsp://10.0.0.7",
            "subfile,,start,0,end,9,,:/etc/passwd",
            "data:text/plain,x",
            "gopher://10.0.0.7/",
            "http://10.0.0.7/a",
            "-i",
        ] {
            let told = outside(text, STREAMS, own);
            assert!(told.is_err(), "{text}: {told:?}");
        }
        // Of http a reader makes one address of all these.
        for text in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://①②⑦.0.0.1/",
            "http://192.168.1.2/onvif",
            "http://10.0.0.7@127.0.0.1/",
            "rtsp://10.0.0.7/",
        ] {
            assert!(outside(text, PAGES, own).is_err(), "{text}");
        }
        assert!(outside(&format!("rtsp://10.0.0.7/{}", "a".repeat(600)), STREAMS, own).is_err());
    }

    #[test]
    fn a_machine_knows_its_own_addresses() {
        assert!(is_of_this_machine(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_of_this_machine(IpAddr::from([192, 0, 2, 77])));
    }
}
