//! `gridpost discover`: cameras on the network, what they offer, and the lines of configuration to paste.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::{Failure, print_line};
use crate::runtime::{self, Discovered, Search, SourceOffer};

/// Of an id; the host is in it.
const ID_CHARS_MAX: usize = 60;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ask here and not the whole network: a host, or `http://…` where it does not answer to
    /// WS-Discovery. Multicast ends at routers and VLANs.
    addresses: Vec<String>,
    /// A user of the cameras: most tell what they offer to nobody else.
    #[arg(short, long)]
    username: Option<String>,
    /// File with its password.
    #[arg(short, long, requires = "username")]
    password_file: Option<PathBuf>,
    /// For `https://…`: authorities that sign the cameras' certificates, PEM.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Seconds to wait for answers.
    #[arg(short, long, default_value_t = 3.0, value_parser = seconds)]
    wait: f64,
    /// A JSON document a line, with everything that is known.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let wait = text.parse().ok().filter(|wait| (0.1..=60.0).contains(wait));
    wait.ok_or_else(|| "expected 0.1 to 60 seconds".to_owned())
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let search = Search {
        addresses: args.addresses.clone(),
        wait: Duration::from_secs_f64(args.wait),
        username: args.username.clone(),
        password_file: args.password_file.clone(),
        ca_file: args.ca_file.clone(),
        described_within: None,
    };
    let found = runtime::discover(search).map_err(Failure::Other)?;
    if args.json {
        for camera in &found {
            let line = serde_json::to_string(camera)
                .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
            print_line(&line)?;
        }
    } else {
        let mut ids = BTreeSet::new();
        for line in found.iter().flat_map(|camera| lines(camera, args, &mut ids)) {
            print_line(&line)?;
        }
    }
    if found.is_empty() {
        let hint = "multicast ends at routers and VLANs, and a camera may have ONVIF switched off: name an address";
        return Err(Failure::Other(format!("no camera answered within {} s; {hint}", args.wait)));
    }
    eprintln!("{} found; paste what is wanted, and `gridpost check`", found.len());
    Ok(())
}

/// TOML: what is known as comments, then a `[[camera]]` for each of its sources.
fn lines(camera: &Discovered, args: &Args, ids: &mut BTreeSet<String>) -> Vec<String> {
    let mut lines = vec![format!("# {}", camera.onvif)];
    let mut say = |what: &str, value: &Option<String>| {
        lines.extend(value.as_ref().map(|value| format!("#   {what}: {value}")));
    };
    say("name", &camera.name);
    say("hardware", &camera.hardware);
    say("firmware", &camera.firmware);
    say("location", &camera.location);
    say("what it offers is not known", &camera.trouble);
    let scopes = camera.scopes.iter().filter_map(|scope| scope.rsplit_once("onvif.org/"));
    let scopes: Vec<&str> = scopes.map(|(_, scope)| scope).collect();
    if !scopes.is_empty() {
        lines.push(format!("#   scopes: {}", scopes.join(" ")));
    }
    let unknown = [SourceOffer::default()];
    let sources = if camera.sources.is_empty() { &unknown[..] } else { &camera.sources };
    for source in sources {
        lines.extend(source.profiles.iter().map(|profile| format!("#   offers {profile}")));
        if !source.chosen.is_empty() {
            lines.push(format!("#   {}", source.chosen));
        }
        lines.extend(section(camera, source, args, ids));
    }
    lines
}

fn section(
    camera: &Discovered,
    source: &SourceOffer,
    args: &Args,
    ids: &mut BTreeSet<String>,
) -> Vec<String> {
    let id = id_of(&camera.onvif, ids);
    let mut lines = vec!["[[camera]]".to_owned(), format!("id = {}", quoted(&id))];
    let mut set = |key: &str, value: Option<&str>| {
        lines.extend(value.map(|value| format!("{key} = {}", quoted(value))));
    };
    set("name", camera.name.as_deref());
    set("onvif", Some(&camera.onvif));
    set("onvif_source", source.source.as_deref());
    // The configuration is read from anywhere.
    let path = |path: &PathBuf| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        path.to_string_lossy().into_owned()
    };
    set("onvif_ca_file", args.ca_file.as_ref().map(path).as_deref());
    match &args.username {
        Some(username) => {
            set("username", Some(username));
            set("password_file", args.password_file.as_ref().map(path).as_deref());
        }
        // Its user is not ours to guess.
        None if camera.trouble.is_some() => lines.extend([
            "# username = \"viewer\"".to_owned(),
            "# password_file = \"/etc/gridpost/camera-password\"".to_owned(),
        ]),
        None => {}
    }
    lines.push(String::new());
    lines
}

/// `camera-192-0-2-11`, and a number where there are several.
fn id_of(onvif: &str, ids: &mut BTreeSet<String>) -> String {
    let host = onvif.split("://").nth(1).unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let host: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let host: String = host.trim_matches('-').chars().take(ID_CHARS_MAX).collect();
    let plain = format!("camera-{host}");
    let mut id = plain.clone();
    let mut n = 2;
    while !ids.insert(id.clone()) {
        id = format!("{plain}-{n}");
        n += 1;
    }
    id
}

/// As a TOML string; a dollar sign is just that.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_configuration() {
        let args = Args {
            addresses: Vec::new(),
            username: Some("o\"p$".into()),
            password_file: Some("/etc/x".into()),
            ca_file: None,
            wait: 1.0,
            json: false,
        };
        let channel = |n: u8| SourceOffer {
            source: Some(format!("Source {n}")),
            chosen: "clips: main".into(),
            ..SourceOffer::default()
        };
        let recorder = Discovered {
            onvif: "http://[2001:db8::7]:8080/onvif/device_service".into(),
            name: Some("${HOME} 东门\\".into()),
            sources: vec![channel(1), channel(2)],
            ..Discovered::default()
        };
        let unknown = Discovered {
            onvif: "http://192.0.2.7/onvif".into(),
            trouble: Some("it asks for a user".into()),
            ..Discovered::default()
        };
        let mut ids = BTreeSet::new();
        let all: Vec<String> =
            [&recorder, &unknown].iter().flat_map(|one| lines(one, &args, &mut ids)).collect();
        let text = format!("[site]\nid = \"x\"\n{}", all.join("\n"));
        let environment = crate::config::env::FixedEnvironment::default();
        let (config, problems) = crate::config::parse("a.toml", &text, &environment);
        let config = config.unwrap_or_else(|| panic!("{text}\n{problems:?}"));
        assert!(problems.is_empty(), "{problems:?}");
        let [one, two, three] = &config.cameras[..] else { panic!("{text}") };
        let id = "camera-2001-db8--7--8080";
        assert_eq!((one.id.as_str(), two.id.as_str()), (id, format!("{id}-2").as_str()));
        assert_eq!(two.onvif_source.as_deref(), Some("Source 2"));
        assert_eq!((one.name.as_str(), three.id.as_str()), ("${HOME} 东门\\", "camera-192-0-2-7"));
        assert_eq!(one.username.as_deref(), Some("o\"p$"));
    }
}
