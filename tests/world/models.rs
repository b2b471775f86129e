//! Folders of models: with all that was fetched, or with some of it, as where the better model cannot be had.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use gridpost::vision::{Catalog, ModelSpec, missing_for_plates};
use tempfile::TempDir;

use super::root;

/// The model that npm brings, which can be had wherever the tests run.
pub(crate) const SSD: &str = "ssd-mobilenet-v2-coco";

/// Makes every gateway of the tests look with this model of the catalogue.
const CHOSEN: &str = "GRIDPOST_TEST_MODEL";

/// Where the gateways of tests find their models: what was fetched, or with `GRIDPOST_TEST_MODEL=NAME`
/// that model alone.
pub(crate) fn models() -> PathBuf {
    let Ok(name) = std::env::var(CHOSEN) else { return root().join("models") };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("models-{name}"));
    if !folder.exists() {
        let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fill(made.path(), &[&name]);
        // Another test may have been first; its folder is as good.
        let _ = fs::rename(made.path(), &folder);
    }
    folder
}

/// A folder with the catalogue, the library and these models alone.
pub(crate) fn models_of(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), names);
    folder
}

/// The catalogue's defaults that were fetched, the best first.
pub(crate) fn fetched() -> Vec<ModelSpec> {
    let models = root().join("models");
    let catalog = Catalog::read(&models).unwrap();
    let here = catalog.defaults().filter(|spec| spec.verify(&models).is_ok());
    let here: Vec<ModelSpec> = here.cloned().collect();
    assert!(!here.is_empty(), "no model is fetched; `make models` does it");
    here
}

/// Whether only the SSD looks here, of which what the better model sees is not true; says so if it is.
pub(crate) fn only_the_ssd() -> bool {
    let better = fetched().iter().any(|model| model.name == "yolox-nano");
    let only = !better || std::env::var(CHOSEN).is_ok_and(|name| name != "yolox-nano");
    if only {
        eprintln!("skipped: this is true of yolox-nano, and only the SSD is here");
    }
    only
}

/// Whether what reads plates is here. It is no default, so it is fetched for these tests where pip reaches its
/// index; where it does not, the test says that it has not run.
pub(crate) fn plate_models() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        if missing_for_plates(&root().join("models")).is_empty() {
            return true;
        }
        let fetch = Command::new("/usr/bin/python3")
            .arg(root().join("models/fetch"))
            .arg("--plates")
            .output();
        let missing = missing_for_plates(&root().join("models"));
        if let Some(why) = missing.first() {
            let said = fetch.map(|one| String::from_utf8_lossy(&one.stderr).into_owned());
            eprintln!("NOT RUN: {why}; fetching it: {}", said.unwrap_or_default());
        }
        missing.is_empty()
    })
}

fn fill(folder: &Path, names: &[&str]) {
    let models = root().join("models");
    let catalog = Catalog::read(&models).unwrap();
    fs::create_dir(folder.join("cache")).unwrap();
    fs::copy(models.join("catalog.toml"), folder.join("catalog.toml")).unwrap();
    let mut files = vec![PathBuf::from("libonnxruntime.so")];
    for name in names {
        let spec = catalog.get(name).unwrap();
        files.push(spec.file.clone());
        files.extend(spec.int8.as_ref().map(|int8| int8.file.clone()));
    }
    for file in files {
        symlink(models.join("cache").join(&file), folder.join("cache").join(file)).unwrap();
    }
}
