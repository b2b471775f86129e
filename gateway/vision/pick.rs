//! Which model of the catalogue looks: the one that is named, else the first default whose file is right.

use std::path::Path;

use super::{Catalog, Config, ModelSpec, Variant, variant};

/// The model that looks.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Its entry, in 32 bits.
    pub spec: ModelSpec,
    /// Better ones that were passed over because their files are wrong; one sentence each. One that
    /// was never fetched is no fault and is not among them.
    pub passed_over: Vec<String>,
}

/// Picks the model; the file of one that is named is not looked at. The error is one sentence, about
/// `name` or `variant`, or about every default.
pub fn pick(config: &Config, catalog: &Catalog, models: &Path) -> Result<Pick, String> {
    if let Some(name) = &config.name {
        return Ok(Pick { spec: catalog.get(name)?.clone(), passed_over: Vec::new() });
    }
    let (mut passed_over, mut absent) = (Vec::new(), Vec::new());
    for spec in candidates(config, catalog)? {
        match spec.verify(models) {
            Ok(_) => return Ok(Pick { spec: spec.clone(), passed_over }),
            Err(reason) if spec.path(models).exists() => passed_over.push(reason),
            Err(reason) => absent.push(reason),
        }
    }
    passed_over.extend(absent);
    Err(passed_over.join("; "))
}

/// The defaults that can do what `variant` asks for; at least one.
pub(super) fn candidates<'c>(
    config: &Config,
    catalog: &'c Catalog,
) -> Result<Vec<&'c ModelSpec>, String> {
    let defaults: Vec<&ModelSpec> = catalog.defaults().collect();
    let first = *defaults.first().ok_or("the catalogue of models is empty")?;
    if config.variant != Variant::Int8 {
        return Ok(defaults);
    }
    let in_8_bits: Vec<&ModelSpec> =
        defaults.into_iter().filter(|spec| spec.int8.is_some()).collect();
    if in_8_bits.is_empty() { Err(variant::no_int8(first)) } else { Ok(in_8_bits) }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const RIGHT: [&[u8]; 3] = [b"better", b"better, exported otherwise", b"other"];

    fn hex(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `better` has two right files, `other` has 8 bits, `odd` is no default.
    fn catalog() -> Catalog {
        let [better, also, other] = RIGHT.map(hex);
        let entry = |name: &str, sha256: &str, more: &str| {
            format!(
                "[[model]]\nname = \"{name}\"\nfamily = \"yolo\"\nhead = \"yolox\"\nfile = \"{name}.onnx\"\nsha256 = \"{sha256}\"\nlabels = [\"person\"]\n{more}\n[model.input]\nname = \"x\"\nwidth = 32\nheight = 32\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"rgb\"\nresize = \"stretch\"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n[model.outputs]\npredictions = \"y\"\n"
            )
        };
        let also = format!("default = true\nalso = [{{ sha256 = \"{also}\" }}]");
        let int8 =
            format!("default = true\nint8 = {{ file = \"other8.onnx\", sha256 = \"{other}\" }}");
        let text = [
            entry("odd", &other, ""),
            entry("better", &better, &also),
            entry("other", &other, &int8),
        ];
        Catalog::parse(&text.concat()).unwrap()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join("cache").join(name), bytes).unwrap();
        }
        folder
    }

    /// What is picked, and how many are passed over; or the error.
    fn picked(config: &Config, files: &[(&str, &[u8])]) -> Result<(String, Vec<String>), String> {
        pick(config, &catalog(), folder(files).path())
            .map(|pick| (pick.spec.name, pick.passed_over))
    }

    #[test]
    fn the_first_default_whose_file_is_right_looks_and_a_wrong_one_is_said() {
        let config = Config::default();
        let [better, also, other] = RIGHT;
        let no_name = |files: &[(&str, &[u8])]| picked(&config, files);
        let is = |name: &str| Ok((name.to_owned(), Vec::new()));
        assert_eq!(no_name(&[("better.onnx", better), ("other.onnx", other)]), is("better"));
        assert_eq!(no_name(&[("better.onnx", also), ("other.onnx", other)]), is("better"));
        assert_eq!(no_name(&[("better.onnx", better)]), is("better"));
        // Never fetched: no word of it. Cut short, one byte too long, of another model, empty: said.
        assert_eq!(no_name(&[("other.onnx", other)]), is("other"));
        for wrong in [&better[..5], b"better ", other, b""] {
            let (name, passed_over) =
                no_name(&[("better.onnx", wrong), ("other.onnx", other)]).unwrap();
            assert_eq!((name.as_str(), passed_over.len()), ("other", 1));
            let sizes =
                format!("better.onnx is not what the catalogue says ({} bytes", wrong.len());
            assert!(passed_over[0].contains(&sizes), "{passed_over:?}");
        }
        let page: &[u8] = b"\xef\xbb\xbf \r\n<!DOCTYPE html><title>Sign in</title>";
        let (_, said) = no_name(&[("better.onnx", page), ("other.onnx", other)]).unwrap();
        assert!(said[0].contains("is a web page, and not what the catalogue says"), "{said:?}");
        // A folder of that name can be read as little as a wrong file.
        let dir = folder(&[("other.onnx", other)]);
        std::fs::create_dir(dir.path().join("cache/better.onnx")).unwrap();
        let pick = pick(&config, &catalog(), dir.path()).unwrap();
        assert_eq!((pick.spec.name.as_str(), pick.passed_over.len()), ("other", 1));
        // Nothing is right: each is named.
        let none = no_name(&[("better.onnx", b"?"), ("odd.onnx", other)]).unwrap_err();
        assert!(
            none.contains("better.onnx is not what") && none.contains("other is not"),
            "{none}"
        );
    }

    #[test]
    fn a_name_is_obeyed_and_eight_bits_narrow_the_defaults() {
        let [better, _, other] = RIGHT;
        let both = [("better.onnx", better), ("other.onnx", other)];
        let named = |name: &str| Config { name: Some(name.into()), ..Config::default() };
        // Also where its file is not there: loading it says so.
        assert_eq!(picked(&named("odd"), &both).unwrap().0, "odd");
        assert_eq!(picked(&named("better"), &[("other.onnx", other)]).unwrap().0, "better");
        assert!(
            picked(&named("none"), &both).unwrap_err().contains("the catalogue has odd, better")
        );
        let int8 = Config { variant: Variant::Int8, ..Config::default() };
        assert_eq!(picked(&int8, &both).unwrap().0, "other");
        assert!(picked(&int8, &both[..1]).unwrap_err().contains("model other is not there"));
        let mut plain = catalog();
        plain.models.pop();
        let refused = pick(&int8, &plain, folder(&both).path()).unwrap_err();
        assert!(refused.contains("better has no 8-bit variant"), "{refused}");
        plain.models.clear();
        assert!(pick(&Config::default(), &plain, folder(&both).path()).is_err());
        assert!(pick(&int8, &plain, folder(&both).path()).is_err());
    }
}
