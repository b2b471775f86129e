//! Faces are not recognised here, and a configuration that asks for it is told so in words, not as a slip of the pen.

use super::read::Document;

/// What somebody may write who looks for it.
const SECTIONS: [&str; 7] =
    ["faces", "face", "face_list", "face_recognition", "person_list", "watchlist", "blacklist"];

const REFUSAL: &str = "gridpost recognises no faces and looks for nobody by a list: there is no model whose errors by lighting and distance can be stated under a licence that may be used here, and a poor one would name the wrong person. Heads in pictures are blurred; what would have to be true first is in gateway/docs/privacy.md, \"Faces\". Take this section away";

/// Any of these sections, however it is written, with whatever is in it.
pub(super) fn refuse(document: &mut Document<'_>) {
    for name in SECTIONS {
        if document.has(name) {
            document.knows(name);
            document.problem(&[name], REFUSAL.into(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn a_section_of_faces_is_refused_in_words_however_it_is_written() {
        for text in [
            "[faces]\n",
            "[faces]\nenabled = false\n",
            "[faces]\nlist_url = \"https://platform/list\"\nmodel = \"arcface\"\n",
            "[[faces]]\nid = \"staff\"\nconsent = \"all\"\n",
            "[[face]]\nname = \"x\"\n",
            "[[watchlist]]\nfile = \"people.csv\"\n",
            "[[person_list]]\nfile = \"people.csv\"\n",
        ] {
            let whole = format!("[site]\nid = \"x\"\n{text}");
            let (config, problems) = parse("a.toml", &whole, &FixedEnvironment::default());
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(config.is_none() && told.len() == 1, "{text}: {told:?}");
            for part in ["a.toml:3: error", "recognises no faces", "privacy.md"] {
                assert!(told[0].contains(part), "{part} not in {told:?}");
            }
            assert!(!told[0].contains("unknown"), "{told:?}");
        }
    }

    #[test]
    fn no_rule_and_no_model_asks_for_a_face() {
        let rule = "[site]\nid = \"x\"\n[[camera]]\nid = \"c\"\nurl = \"rtsp://h/c\"\n[[rule]]\nid = \"r\"\nkind = \"face\"\n";
        let (config, _) = parse("a.toml", rule, &FixedEnvironment::default());
        assert!(config.is_none(), "no rule is of that kind");
        let catalogue = include_str!("../../models/catalog.toml");
        // What says where a face is, so that it is blurred, is the last entry; no other model has to do with faces.
        let (others, finder) = catalogue.split_once("# Finds where a face is").unwrap();
        assert!(!others.to_lowercase().contains("face"), "a model of faces is in the catalogue");
        assert_eq!(finder.matches("\nfile = ").count(), 1, "beside the finder there is none");
        assert!(finder.contains("\nfile = \"face_detection_front_128x128_barracuda.onnx\""));
    }
}
