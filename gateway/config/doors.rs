//! What is wrong between brokers, and between the intake and the devices that are to use it.

use super::{read::Document, sections::Items, used_ids::UsedIds};
use crate::sources::{intake, mqtt};

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

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

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
