//! A camera that was added on the page: laid over the hand-written file (`site.d`) and read anew; its password in a file.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    console_backend::ReloadAsked,
    rule_changes::{named, written},
    typed_keys::{TEXT_CHARS_MAX, TypedKeys, set},
};
use crate::{
    base::write_whole_secret,
    config::{self, Changes, Config, Refusal, env::ProcessEnvironment},
    console::{DeskRefusal, NewCamera},
    wire::outside_address::{is_of_this_machine, outside},
};

/// In the data folder, beside the other secrets.
const SECRETS: &str = "keys";
const SECRET_BEGINS: &str = "camera-";
const SECRET_ENDS: &str = ".password";

/// Answers when it is in effect, or says why nothing was written.
pub(super) async fn add_camera(
    config: Arc<Config>,
    asked: NewCamera,
    now: Timestamp,
    reloads: &mpsc::Sender<ReloadAsked>,
) -> Result<Value, DeskRefusal> {
    named(&asked.by)?;
    let keys = checked(&config, &asked)?;
    let (data, id, password) = (config.data.path.clone(), asked.id.clone(), asked.password);
    let why = format!("在页面上添加摄像头 {id}");
    let (on, by) = (asked.on, asked.by);
    written(&config, reloads, false, move |file| {
        let secret = match password.filter(|password| !password.is_empty()) {
            Some(password) => Some(keep_password(&data, &password, now)?),
            None => None,
        };
        let path = secret.as_ref().map(|path| json!(path.display().to_string()));
        let keys = keys.into_iter().chain(path.map(|path| ("password_file", path)));
        let all =
            keys.map(|(key, value)| set("camera", &id, key, &value)).collect::<Result<_, _>>();
        let applied = all.and_then(|all| {
            let changes = Changes { on, by, why, all };
            config::apply(&file, &ProcessEnvironment, now, &changes, false)
        });
        match (&applied, secret) {
            // Nobody asks for it.
            (Err(_), Some(secret)) => drop(fs::remove_file(secret)),
            _ => clear_away(&file, &data),
        }
        applied
    })
    .await
}

/// Its keys, or everything that is wrong.
fn checked(config: &Config, asked: &NewCamera) -> Result<Vec<(&'static str, Value)>, DeskRefusal> {
    let mut typed = TypedKeys::default();
    let is_taken = config.cameras.iter().any(|camera| camera.id == asked.id);
    typed.id(&asked.id, "camera", is_taken);
    let mut has_address = false;
    for (key, text, schemes) in
        [("url", &asked.url, &["rtsp", "rtsps"]), ("onvif", &asked.onvif, &["http", "https"])]
    {
        let Some(text) = text.as_ref().filter(|text| !text.trim().is_empty()) else { continue };
        has_address = true;
        match outside(text, schemes, is_of_this_machine) {
            Ok(address) => typed.put(key, json!(address)),
            Err(why) => typed.wrong(format!("{key}: {why}")),
        }
    }
    if !has_address {
        typed.wrong("url: expected one, or onvif".into());
    }
    typed.line("name", Some(&asked.name), TEXT_CHARS_MAX);
    typed.line("onvif_source", asked.onvif_source.as_ref(), TEXT_CHARS_MAX);
    typed.line("username", asked.username.as_ref(), TEXT_CHARS_MAX);
    typed.line("grid", asked.grid.as_ref(), TEXT_CHARS_MAX);
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if let Some(password) = &asked.password {
        typed.is_line("password", password, TEXT_CHARS_MAX);
    }
    if has(&asked.password) && !has(&asked.username) {
        typed.wrong("username: expected one beside a password".into());
    }
    if let Some(place) = asked.place {
        typed.put("place", json!(place));
    }
    typed.finish()
}

/// Under a name that is nobody's words, for its owner alone; where it lies.
fn keep_password(data: &Path, password: &str, now: Timestamp) -> Result<PathBuf, Refusal> {
    let folder = data.join(SECRETS);
    let failed = |error: std::io::Error| {
        Refusal::Failed(format!("{}: cannot be written: {error}", folder.display()))
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let path = (0..)
        .map(|more| now.as_microsecond().saturating_add(more))
        .map(|name| folder.join(format!("{SECRET_BEGINS}{name:016x}{SECRET_ENDS}")))
        .find(|path| !path.exists());
    let path = path.ok_or_else(|| Refusal::Failed("no name is free".into()))?;
    write_whole_secret(&path, format!("{password}\n").as_bytes()).map_err(failed)?;
    Ok(path)
}

/// Takes away passwords that no version names any more, neither that in effect nor one that can come back.
fn clear_away(file: &Path, data: &Path) {
    let Ok(files) = fs::read_dir(data.join(SECRETS)) else { return };
    let ours = |path: &Path| {
        let name = path.file_name()?.to_str()?.to_owned();
        (name.starts_with(SECRET_BEGINS) && name.ends_with(SECRET_ENDS)).then_some(name)
    };
    let files = files.flatten().map(|entry| entry.path());
    for (path, name) in files.filter_map(|path| ours(&path).map(|name| (path, name))) {
        if !config::is_named(file, data, &name) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
#[path = "tests_adding_room.rs"]
pub(super) mod room;
#[cfg(test)]
#[path = "tests_camera_adding.rs"]
mod tests;
