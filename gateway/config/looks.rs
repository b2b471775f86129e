//! Rules that ask for more looks than their cameras are given: warnings, a sentence each.
//!
//! Nothing stops because of these: such a rule still tells of who stays. But an installer who reads
//! nothing believes that it tells of everybody.

use super::{read::Document, sections::Items};
use crate::{
    rules::{self, RuleKind},
    sources::{camera, drone},
};

/// Looks in which a thing must be found before it is believed.
const LOOKS_MIN: f64 = 2.0;
/// Who walks is followed over a line from this many looks a second on.
const LINE_FPS_MIN: f64 = 1.0;
/// A visit of so many seconds is one that a rule without a dwell is expected to tell of.
const VISIT_S: f64 = 5.0;
/// Cameras that are named in one sentence; the others are counted.
const NAMED_MAX: usize = 3;

/// What decides how often a camera or drone is looked at.
struct Watched<'c> {
    id: &'c str,
    fps: f64,
    /// Between two looks while nothing changes; `None`: it never sleeps.
    look_every_s: Option<f64>,
}

pub(super) fn check(
    document: &mut Document<'_>,
    rules: &Items<rules::Config>,
    cameras: &Items<camera::Config>,
    drones: &Items<drone::Config>,
) {
    for (index, rule) in rules {
        let watches = |id: &str| rule.cameras.iter().any(|one| one == id);
        let cameras = cameras.iter().filter(|(_, one)| rule.cameras.is_empty() || watches(&one.id));
        let drones = drones.iter().filter(|(_, one)| watches(&one.id));
        let mut watched: Vec<Watched<'_>> = cameras
            .map(|(_, camera)| {
                let sleeps = camera.decode == camera::Decode::Adaptive;
                let look_every_s = sleeps.then(|| camera.look_every_s());
                Watched { id: &camera.id, fps: camera.detect_fps, look_every_s }
            })
            .collect();
        watched.extend(drones.map(|(_, drone)| Watched {
            id: &drone.id,
            fps: drone.detect_fps,
            look_every_s: None,
        }));
        for (key, message) in warnings(rule, &watched) {
            document.warning(&["rule", index, key], message);
        }
    }
}

/// As (key, message).
fn warnings(rule: &rules::Config, watched: &[Watched<'_>]) -> Vec<(&'static str, String)> {
    let mut warnings = Vec::new();
    let line = rule.kind == RuleKind::Line;
    let dwell_s = rule.dwell_s();
    let slow = |one: &&Watched<'_>| match line {
        true => one.fps < LINE_FPS_MIN,
        false => LOOKS_MIN / one.fps > dwell_s.max(VISIT_S),
    };
    if let Some((names, worst)) = named(watched, slow, |one| 1.0 / one.fps) {
        let what = match line {
            true => "who walks over the line may not be followed from one side to the other; `detect_fps` 2 and more follows him".to_owned(),
            false => format!("who is there for less than {:.0} s is not told; a higher `detect_fps` tells of him", worst * LOOKS_MIN),
        };
        let message = format!("with a look every {} s ({names}), {what}", short(worst));
        warnings.push(("kind", message));
    }
    let seldom = |one: &&Watched<'_>| one.look_every_s.is_some_and(|s| s > dwell_s.max(VISIT_S));
    if let Some((names, worst)) = named(watched, seldom, |one| one.look_every_s.unwrap_or(0.0)) {
        let asked = match rule.dwell_s() {
            0.0 => "comes and goes".to_owned(),
            dwell_s => format!("stays for `dwell_s` = {}", short(dwell_s)),
        };
        let message = format!(
            "with a look every {} s while nothing changes (`look_every_s` of {names}), who {asked} between two looks is not told",
            short(worst)
        );
        warnings.push(("kind", message));
    }
    let clear_s = rule.clear_s;
    let ends = |one: &&Watched<'_>| !line && clear_s <= 1.0 / one.fps;
    if let Some((names, worst)) = named(watched, ends, |one| 1.0 / one.fps) {
        let message = format!(
            "{} s is no longer than from one look to the next ({} s, {names}): each look may end the happening and begin another",
            short(clear_s),
            short(worst)
        );
        warnings.push(("clear_s", message));
    }
    warnings
}

/// The names of those for which it holds, and the largest figure of these.
fn named<'w>(
    watched: &'w [Watched<'w>],
    holds: impl Fn(&&Watched<'w>) -> bool,
    figure: impl Fn(&Watched<'w>) -> f64,
) -> Option<(String, f64)> {
    let found: Vec<&Watched<'_>> = watched.iter().filter(holds).collect();
    let worst = found.iter().map(|one| figure(one)).reduce(f64::max)?;
    let names: Vec<String> =
        found.iter().take(NAMED_MAX).map(|one| format!("`{}`", one.id)).collect();
    let names = names.join(", ");
    let more = found.len().saturating_sub(NAMED_MAX);
    Some((if more > 0 { format!("{names} and {more} more") } else { names }, worst))
}

/// Seconds without digits that say nothing.
fn short(seconds: f64) -> String {
    let rounded = (seconds * 10.0).round() / 10.0;
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    /// Warnings on a rule of these keys before a camera of these.
    fn said(rule: &str, camera: &str) -> Vec<String> {
        let text = format!(
            "[site]\nid = \"x\"\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://h/1\"\n{camera}\n[[rule]]\nid = \"r\"\n{rule}\n"
        );
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        assert!(config.is_some(), "a warning stops nothing: {problems:?}");
        assert!(problems.iter().all(|problem| problem.warning), "{problems:?}");
        problems.iter().map(ToString::to_string).collect()
    }

    const LINE: &str = "kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]";

    #[test]
    fn what_cannot_work_is_said_in_a_sentence_and_what_works_is_not() {
        for (rule, camera, part) in [
            (
                LINE,
                "detect_fps = 0.9",
                "rule[1].kind: with a look every 1.1 s (`gate`), who walks over",
            ),
            (
                "kind = \"intrusion\"",
                "detect_fps = 0.3",
                "every 3.3 s (`gate`), who is there for less than 7 s",
            ),
            (
                "kind = \"loiter\"\ndwell_s = 10\nclear_s = 11",
                "detect_fps = 0.1",
                "for less than 20 s is not told",
            ),
            (
                "kind = \"intrusion\"",
                "look_every_s = 5.5",
                "every 5.5 s while nothing changes (`look_every_s` of `gate`), who comes and goes",
            ),
            (
                "kind = \"loiter\"\ndwell_s = 10",
                "look_every_s = 10.5",
                "who stays for `dwell_s` = 10 between two looks",
            ),
            (
                "kind = \"fire-lane\"\ndwell_s = 0.2",
                "look_every_s = 60",
                "who stays for `dwell_s` = 0.2",
            ),
            (
                "kind = \"intrusion\"\nclear_s = 0.2",
                "",
                "rule[1].clear_s: 0.2 s is no longer than from one look to the next (0.2 s, `gate`)",
            ),
            ("kind = \"crowd\"\nclear_s = 0", "", "clear_s: 0 s is no longer"),
        ] {
            let said = said(rule, camera);
            assert_eq!(said.len(), 1, "{rule} {camera}: {said:?}");
            assert!(said[0].contains("warning") && said[0].contains(part), "{part}: {said:?}");
        }
        for (rule, camera) in [
            (LINE, ""),
            (LINE, "detect_fps = 1"),
            (LINE, "look_every_s = 5"),
            ("kind = \"intrusion\"", "detect_fps = 0.4"),
            ("kind = \"loiter\"\nclear_s = 11", "detect_fps = 0.1\ndecode = \"full\""),
            ("kind = \"loiter\"", "look_every_s = 60"),
            ("kind = \"intrusion\"", "look_every_s = 60\ndecode = \"full\""),
            ("kind = \"intrusion\"\nclear_s = 0.3", ""),
            ("kind = \"line\"\nline = [[0.0, 0.5], [1.0, 0.5]]\nclear_s = 0", ""),
        ] {
            assert_eq!(said(rule, camera), Vec::<String>::new(), "{rule} {camera}");
        }
    }

    #[test]
    fn only_cameras_that_the_rule_watches_count_and_few_are_named() {
        let camera = |id: &str| {
            format!("[[camera]]\nid = \"{id}\"\nurl = \"rtsp://h/1\"\ndetect_fps = 0.2\n")
        };
        let cameras: String = ["a", "b", "c", "d", "e"].map(camera).concat();
        let of = |keys: &str| {
            let text = format!(
                "[site]\nid = \"x\"\n{cameras}[[rule]]\nid = \"r\"\n{LINE}\n{keys}\n[[camera]]\nid = \"fast\"\nurl = \"rtsp://h/1\"\n"
            );
            let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            problems.iter().map(ToString::to_string).collect::<Vec<String>>().concat()
        };
        assert!(of("").contains("a look every 5 s (`a`, `b`, `c` and 2 more)"), "{}", of(""));
        assert!(of("cameras = [\"d\"]").contains("a look every 5 s (`d`)"));
        assert_eq!(of("cameras = [\"fast\"]"), "");
    }
}
