//! What is wrong with `wakes` of cameras: unknown names, the camera's own, and names given twice.

use super::{problem::did_you_mean, read::Document, sections::Items};
use crate::sources::camera;

pub(super) fn check(document: &mut Document<'_>, cameras: &Items<camera::Config>) {
    let ids = || cameras.iter().map(|(_, camera)| camera.id.as_str());
    for (index, camera) in cameras {
        for (at, id) in camera.wakes.iter().enumerate() {
            let place = at.to_string();
            let path = ["camera", index.as_str(), "wakes", place.as_str()];
            if *id == camera.id {
                let message = "a camera does not wake itself; name its neighbours".to_owned();
                document.problem(&path, message, None);
            } else if !ids().any(|known| known == id) {
                let message = format!("no camera is called `{id}`");
                document.problem(&path, message, did_you_mean(id, ids()));
            } else if camera.wakes[..at].contains(id) {
                document.problem(&path, format!("`{id}` is named twice"), None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn a_neighbour_that_is_nobody_oneself_or_named_twice_is_told_with_its_line() {
        let text = "[site]\nid = \"x\"\n[[camera]]\nid = \"gate\"\nurl = \"rtsp://h/1\"\nwakes = [\"yard\", \"gate\", \"yrad\", \"yard\"]\n[[camera]]\nid = \"yard\"\nurl = \"rtsp://h/2\"\n";
        let (_, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a.toml:6: error: camera[1].wakes[2]: a camera does not wake itself; name its neighbours",
                "a.toml:6: error: camera[1].wakes[3]: no camera is called `yrad` (did you mean `yard`?)",
                "a.toml:6: error: camera[1].wakes[4]: `yard` is named twice",
            ]
        );
    }
}
