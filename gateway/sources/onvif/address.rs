//! Addresses that a camera names, as we can reach them. Pure.
//!
//! Behind NAT a camera names a host that nobody outside has, and nobody but the camera itself must
//! ever be told who we are: the host is always the one that was configured. Path and port are the
//! answer's, and where its host is another one, so may its port be.

use url::Url;

/// The places that this address of a service may mean, the likeliest first; never none.
pub(super) fn candidates(device: &Url, address: &str) -> Result<Vec<Url>, String> {
    let told = |why: String| format!("the address `{address}`: {why}");
    // Some write the path alone.
    let mut named = device.join(address).map_err(|error| told(error.to_string()))?;
    if !matches!(named.scheme(), "http" | "https") {
        return Err(told(format!("{}://… is not spoken, expected http://…", named.scheme())));
    }
    let _ = named.set_username("").and(named.set_password(None));
    let mut ours = named.clone();
    let _ = ours.set_scheme(device.scheme());
    for url in [&mut named, &mut ours] {
        let moved = url.set_host(device.host_str());
        moved.map_err(|error| told(error.to_string()))?;
    }
    let _ = ours.set_port(device.port());
    // What is configured as https is never spoken to without.
    if device.scheme() == "https" && named.scheme() == "http" {
        return Ok(vec![ours]);
    }
    let elsewhere = Url::parse(address).is_ok_and(|url| url.host_str() != device.host_str());
    let mut all = if elsewhere { vec![ours, named] } else { vec![named, ours] };
    all.dedup();
    Ok(all)
}

/// Where a redirect leads; the error says why it is not followed.
pub(super) fn redirected(device: &Url, from: &Url, location: &str) -> Result<Url, String> {
    let told = |why: &str| format!("it sends us on to `{location}`: {why}");
    let mut to = from.join(location).map_err(|error| told(&error.to_string()))?;
    let _ = to.set_username("").and(to.set_password(None));
    if to.host_str() != device.host_str() {
        return Err(told("another host, which is not asked"));
    }
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(to),
        _ => Err(told("expected https://…")),
    }
}

/// The address of a stream, without a user where `named` says that there is one of ours; and the
/// host it names, where that is another one than the camera's.
pub(super) fn stream(
    device: &Url,
    address: &str,
    named: bool,
) -> Result<(Url, Option<String>), String> {
    let told = |why: String| format!("the address of a stream: {why}");
    let mut url = Url::parse(address).map_err(|error| told(error.to_string()))?;
    if !matches!(url.scheme(), "rtsp" | "rtsps") {
        let scheme = url.scheme();
        return Err(told(format!("{scheme}://… is not spoken, expected rtsp://… or rtsps://…")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(told("it names no host".into()));
    }
    if named {
        let _ = url.set_username("").and(url.set_password(None));
    }
    let host = device.host_str();
    let other = url.host_str().filter(|other| Some(*other) != host).map(str::to_owned);
    url.set_host(host).map_err(|error| told(error.to_string()))?;
    Ok((url, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    fn all(at: &str, address: &str) -> Vec<String> {
        let all = candidates(&device(at), address).unwrap_or_else(|why| panic!("{why}"));
        all.into_iter().map(String::from).collect()
    }

    #[test]
    fn the_host_is_the_one_configured_whatever_is_named() {
        let at = "http://203.0.113.9:8080/onvif/device_service";
        for (address, expected) in [
            // Where it is asked, and the same with another port.
            ("http://203.0.113.9:8080/m", &["http://203.0.113.9:8080/m"][..]),
            ("http://203.0.113.9/m", &["http://203.0.113.9/m", "http://203.0.113.9:8080/m"]),
            // Behind NAT.
            (
                "http://10.0.0.5/m?a=1",
                &["http://203.0.113.9:8080/m?a=1", "http://203.0.113.9/m?a=1"],
            ),
            ("http://10.0.0.5:99/m", &["http://203.0.113.9:8080/m", "http://203.0.113.9:99/m"]),
            ("http://u:p@[fe80::1]/m", &["http://203.0.113.9:8080/m", "http://203.0.113.9/m"]),
            ("/m", &["http://203.0.113.9:8080/m"]),
            ("https://203.0.113.9/m", &["https://203.0.113.9/m", "http://203.0.113.9:8080/m"]),
        ] {
            assert_eq!(all(at, address), expected, "{address}");
        }
        let six = "http://[2001:db8::7]/onvif/device_service";
        assert_eq!(all(six, "http://192.0.2.1/m"), ["http://[2001:db8::7]/m"]);
    }

    #[test]
    fn tls_is_never_left() {
        let at = "https://cam.example/onvif/device_service";
        assert_eq!(all(at, "http://192.0.2.1:80/m"), ["https://cam.example/m"]);
        assert_eq!(
            all(at, "https://192.0.2.1:8443/m"),
            ["https://cam.example/m", "https://cam.example:8443/m"]
        );
        let from = device("https://cam.example/a");
        assert!(redirected(&from, &from, "http://cam.example/b").is_err());
    }

    #[test]
    fn what_is_no_address_of_a_service_is_told() {
        let at = device("http://192.0.2.7/");
        for address in ["file:///etc/passwd", "rtsp://192.0.2.7/", "http://", "http://[::"] {
            let why = candidates(&at, address).unwrap_err();
            assert!(why.contains(address), "{why}");
        }
    }

    #[test]
    fn a_redirect_leads_to_the_camera_itself_or_nowhere() {
        let at = device("http://192.0.2.7/onvif/device_service");
        let to = |location: &str| redirected(&at, &at, location).map(String::from);
        assert_eq!(to("/x").unwrap(), "http://192.0.2.7/x");
        assert_eq!(to("https://192.0.2.7/x").unwrap(), "https://192.0.2.7/x");
        assert!(to("http://192.0.2.8/x").unwrap_err().contains("another host"));
        assert!(to("//evil.example/x").unwrap_err().contains("another host"));
        assert!(to("ftp://192.0.2.7/x").unwrap_err().contains("expected https"));
    }

    #[test]
    fn a_stream_is_at_the_camera_with_its_own_port_and_path() {
        let at = device("http://cam.example:8080/onvif/device_service");
        let of = |address: &str, named| {
            let (url, other) = stream(&at, address, named).unwrap_or_else(|why| panic!("{why}"));
            (String::from(url), other)
        };
        let xm =
            "rtsp://10.0.0.5:554/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream";
        assert_eq!(of(xm, true).0, xm.replace("10.0.0.5", "cam.example"));
        assert_eq!(of(xm, true).1.as_deref(), Some("10.0.0.5"));
        let plain =
            "rtsp://cam.example/Streaming/Channels/101?transportmode=unicast&profile=Profile_1";
        assert_eq!(of(plain, true), (plain.to_owned(), None));
        assert_eq!(of("rtsp://a:b@cam.example:1/x", true).0, "rtsp://cam.example:1/x");
        assert_eq!(of("rtsp://a:b@cam.example:1/x", false).0, "rtsp://a:b@cam.example:1/x");
        assert_eq!(
            of("rtsp://[fe80::1]:554//h264/main", true).0,
            "rtsp://cam.example:554//h264/main"
        );
        for address in ["http://cam.example/mjpg", "rtsp:", "", "rtsp://", "/onvif/media"] {
            let why = stream(&at, address, true).unwrap_err();
            assert!(why.starts_with("the address of a stream: "), "{why}");
        }
    }
}
