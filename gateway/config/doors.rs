//! What is wrong between brokers, and between the intake and the devices that are to use it.

use std::collections::HashSet;

use super::{
    button::ButtonConfig, grids::Grids, read::Document, sections::Items, used_ids::UsedIds,
};
use crate::{
    console::reports,
    rules::rain::GaugeConfig,
    sources::{intake, mqtt},
};

/// One id twice, one client twice at one broker, topics of another site.
pub(super) fn check_brokers(
    document: &mut Document<'_>,
    brokers: &Items<mqtt::Config>,
    site: &str,
) {
    let (mut ids, mut clients) = (UsedIds::default(), UsedIds::default());
    for (index, broker) in brokers {
        if let Some(message) = ids.twice(&broker.id) {
            document.problem(&["mqtt", index, "id"], message, None);
            continue;
        }
        if let Some(client) = &broker.client_id {
            let at = format!("{client} at {:?}:{:?}", broker.url.host_str(), broker.url.port());
            if clients.twice(&at).is_some() {
                let message = format!(
                    "`{client}` is used twice at one broker: each would throw the other out"
                );
                document.problem(&["mqtt", index, "client_id"], message, None);
            }
        }
        for message in broker.of_other_sites(site) {
            document.warning(&["mqtt", index, "topics"], message);
        }
    }
}

/// Whether every listed device can be connected at once.
pub(super) fn check_intake(
    document: &mut Document<'_>,
    intake: Option<&intake::Config>,
    devices: usize,
) {
    let Some(most) = intake.and_then(|intake| intake.connections_max) else { return };
    if most < devices {
        let message = format!(
            "{devices} devices are listed, and {most} may be connected: without this key there is room for all"
        );
        document.warning(&["intake", "connections_max"], message);
    }
}

/// Whether each named place of the public page has a grid that there is.
pub(super) fn check_reports(
    document: &mut Document<'_>,
    reports: Option<&reports::Config>,
    grids: &Grids,
) {
    for (index, place) in reports.iter().flat_map(|reports| &reports.places).enumerate() {
        if let Some(code) = place.grid.as_deref().filter(|code| grids.by_code(code).is_none()) {
            let message = format!("no grid has the code `{code}`");
            document.problem(&["reports", "places", &index.to_string(), "grid"], message, None);
        }
    }
}

/// Who may speak for whom at the intake: what is open is told, and what binds nobody.
pub(super) fn check_users(
    document: &mut Document<'_>,
    intake: Option<&intake::Config>,
    buttons: &[ButtonConfig],
    gauges: &Items<GaugeConfig>,
) {
    let owned = |button: &&ButtonConfig| button.user.is_some();
    let Some(intake) = intake else {
        if let Some(button) = buttons.iter().find(owned) {
            let message =
                format!("{}: `user` is a user of [intake], which is not there", button.id);
            document.warning(&["button"], message);
        }
        return;
    };
    if let Some(message) = open_to_anybody(intake, buttons) {
        document.warning(&["intake", "allow_anonymous"], message);
    }
    let users = intake.users();
    // A file that is not there, or cannot be read, is told already.
    if users.is_empty() && intake.users_file.is_some() {
        return;
    }
    let known: HashSet<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
    let at = ["intake", "users_file"];
    for button in buttons {
        if let Some(user) = button.user.as_deref().filter(|user| !known.contains(user)) {
            let message =
                format!("button {}: no user is called `{user}`: who speaks for it?", button.id);
            document.warning(&at, message);
        }
    }
    let names = buttons.iter().flat_map(|one| [Some(one.id.as_str()), one.device.as_deref()]);
    let gauges = gauges.iter().map(|(_, one)| [Some(one.id.as_str()), one.device.as_deref()]);
    let gauges = gauges.flatten();
    let listed: HashSet<String> =
        names.flatten().chain(gauges.flatten()).map(str::to_lowercase).collect();
    let unlisted =
        users.iter().flat_map(|(name, devices)| devices.iter().map(move |one| (name, one)));
    for (name, device) in unlisted.filter(|(_, one)| !listed.contains(&one.to_lowercase())) {
        document.warning(&at, format!("`{name}` speaks for `{device}`, which is on no list"));
    }
    let owners: HashSet<&str> = buttons.iter().filter_map(|one| one.user.as_deref()).collect();
    let unbound = users
        .iter()
        .filter(|(name, devices)| devices.is_empty() && !owners.contains(name.as_str()));
    let unbound: Vec<&str> = unbound.map(|(name, _)| name.as_str()).collect();
    if let (Some(first), false) = (unbound.first(), buttons.is_empty()) {
        let more = if unbound.len() > 1 {
            format!(" and {} more", unbound.len() - 1)
        } else {
            String::new()
        };
        document.warning(&at, format!("`{first}`{more} may press for every listed button: bind each user to his devices (`@{first} speaks-for …`, or `user` of the button)"));
    }
}

/// What nobody's name opens, where others are bound or where it can be reached from outside.
fn open_to_anybody(intake: &intake::Config, buttons: &[ButtonConfig]) -> Option<String> {
    let bound = intake.users_file.is_some() || buttons.iter().any(|one| one.user.is_some());
    let outside = !intake.listen.ip().is_loopback();
    (intake.allow_anonymous && (bound || outside)).then(|| {
        "whoever gives no name may press for every listed button, take calls back, answer cases and order postures, whatever users are bound to".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn who_may_speak_for_everybody_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        let told = |file: &str, more: &str, buttons: &str| {
            std::fs::write(&users, file).unwrap();
            // One that others may read is told of too.
            let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&users, own).unwrap();
            let text = format!(
                "[site]\nid = \"x\"\n[intake]\nlisten = \"0.0.0.0:1883\"\nusers_file = {users:?}\n{more}\n{buttons}"
            );
            let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            assert!(config.is_some(), "{problems:?}");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let button = |user: &str| format!("[[button]]\nid = \"p\"\ndevice = \"P1\"\n{user}\n");
        let bound = told("u:1\n@u speaks-for p1\n", "", &button(""));
        assert_eq!(bound, "");
        assert_eq!(told("u:1\n", "", &button("user = \"u\"")), "");
        assert_eq!(told("u:1\n", "", ""), "", "there is nobody to speak for");
        for (file, more, user, part) in [
            (
                "u:1\nv:2\n@u speaks-for p\n",
                "",
                "",
                "warning: intake.users_file: `v` may press for every",
            ),
            ("u:1\n@u speaks-for q\n", "", "", "`u` speaks for `q`, which is on no list"),
            ("u:1\n", "", "user = \"w\"", "button p: no user is called `w`"),
            ("u:1\n", "allow_anonymous = true", "user = \"u\"", "whoever gives no name may press"),
        ] {
            let told = told(file, more, &button(user));
            assert!(told.contains(part), "{part} not in {told}");
        }
    }

    #[test]
    fn brokers_that_disturb_each_other_are_told() {
        let broker = |more: &str| format!("[[mqtt]]\nurl = \"mqtt://h\"\n{more}\n");
        let text = [
            "[site]\nid = \"x\"\n".to_owned(),
            broker("id = \"a\"\nclient_id = \"c\""),
            broker("id = \"a\""),
            broker("id = \"b\"\nclient_id = \"c\""),
            broker("id = \"d\"\ntopics = [\"gridpost/y/reply\", \"a/#/b\"]"),
            "[[mqtt]]\nid = \"e\"\nurl = \"192.168.1.5:1883\"\n".to_owned(),
            "[[mqtt]]\nid = \"f\"\nurl = \"broker.lan:1883\"\n".to_owned(),
            "[intake]\nallow_anonymous = true\nconnections_max = 1\n".to_owned(),
            "[[button]]\nid = \"p\"\n[[button]]\nid = \"q\"\n".to_owned(),
        ]
        .concat();
        let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for part in [
            "error: mqtt[2].id: `a` is used twice",
            "error: mqtt[3].client_id: `c` is used twice at one broker",
            "error: mqtt[4].topics: `a/#/b`: `#` stands for all that follows",
            "error: mqtt[5].url: begin with mqtt:// or mqtts://",
            "error: mqtt[6].url: begin with mqtt:// or mqtts://",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
        let fine = text.replace("\"a/#/b\"", "\"a/#\"").replace("\"192.168", "\"mqtt://192.168");
        let fine = fine.replace("broker.lan", "mqtt://broker.lan");
        let (_, problems) = parse("a.toml", &fine, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for part in [
            "warning: mqtt[4].topics: `gridpost/y/reply` is of another site",
            "warning: intake.connections_max: 2 devices are listed, and 1 may be connected",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
    }
}
