//! How long evidence is kept, held against the cameras that there are and the days that the rules ask for.

use super::{read::Document, sections::Items};
use crate::{
    sources::{camera, drone},
    store,
};

/// As `[evidence] keep_days`.
const ASKED_DAYS: u32 = 30;

pub(super) fn check(
    document: &mut Document<'_>,
    evidence: Option<&store::EvidenceConfig>,
    data: Option<&store::Config>,
    (cameras, drones): (&Items<camera::Config>, &Items<drone::Config>),
) {
    let Some(evidence) = evidence else { return };
    let is_known = |id: &str| {
        cameras.iter().any(|(_, one)| one.id == id) || drones.iter().any(|(_, one)| one.id == id)
    };
    for (n, one) in evidence.keep.iter().enumerate() {
        if let Some(id) = one.camera.as_deref().filter(|id| !is_known(id)) {
            let message = format!("entry {}: no camera or drone is called `{id}`", n + 1);
            document.problem(&["evidence", "keep"], message, None);
        }
    }
    let days = data.map_or(ASKED_DAYS, |data| data.evidence_days);
    if evidence.keep_days.is_none() && days < ASKED_DAYS && days > 0 {
        let message =
            format!("{days} days: the rules for public video ask for at least {ASKED_DAYS}");
        document.warning(&["data", "evidence_days"], message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    fn told(text: &str) -> Vec<String> {
        let site =
            "[site]\nid = \"s\"\n\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://192.0.2.1/\"\n\n";
        let (_, problems) = parse("a.toml", &format!("{site}{text}"), &FixedEnvironment::default());
        let ours = |line: &String| line.contains("evidence") || line.contains("private");
        problems.iter().map(ToString::to_string).filter(ours).collect()
    }

    #[test]
    fn fewer_days_than_the_rules_ask_for_and_cameras_that_there_are_not_are_told() {
        let nothing: [String; 0] = [];
        assert_eq!(told("[data]\nevidence_days = 30\n"), nothing);
        assert_eq!(told("[data]\nevidence_days = 7\n[evidence]\nkeep_days = 30\n"), nothing);
        let short = told("[data]\nevidence_days = 29\n");
        assert!(short[0].contains("warning: data.evidence_days: 29 days"), "{short:?}");
        let right = "[evidence]\nkeep = [{ camera = \"gate\", days = 90 }]\n";
        assert_eq!(told(right), nothing);
        let wrong = told("[evidence]\nkeep = [{ camera = \"gata\", days = 90 }]\n");
        assert!(wrong[0].contains("error: evidence.keep: entry 1: no camera"), "{wrong:?}");
        let kind = told("[evidence]\nkeep = [{ kind = \"intrusionn\", days = 90 }]\n");
        assert_eq!(kind.len(), 1, "{kind:?}");
    }

    #[test]
    fn private_parts_are_polygons_in_the_picture_and_say_what_they_do_not_hide() {
        let camera = |private: &str| {
            let text = format!(
                "[[camera]]\nid = \"yard\"\nurl = \"rtsp://192.0.2.2/\"\nprivate = {private}\n"
            );
            told(&text)
        };
        for (private, expected) in [
            ("[[[0.0, 0.0], [0.5, 0.5]]]", "2 points"),
            ("[[[0.0, 0.0], [1.2, 0.0], [1.0, 1.0]]]", "outside 0..1"),
            ("[[[-0.1, 0.0], [1.0, 0.0], [1.0, 1.0]]]", "outside 0..1"),
            ("[[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]", "cross each other"),
            ("[[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]]", "encloses nothing"),
            ("[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], [[0.5, 0.5]]]", "polygon 2: 1 points"),
        ] {
            let lines = camera(private);
            let is_told = |line: &String| line.contains("error") && line.contains(expected);
            assert!(lines.iter().any(is_told), "{private}: {lines:?}");
        }
        let whole = "[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]";
        for right in [whole, "[[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]]"] {
            let lines = camera(right);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("warning") && lines[0].contains("no sink gets"), "{lines:?}");
        }
        assert!(camera("[]").is_empty());
    }
}
