//! `[site]`: one police room, where it is, and what is wrong with what was typed of it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    grids::{Grids, ReadGrids},
    place::on_earth,
    problem::did_you_mean,
    read::Document,
};
use crate::{domain::Datum, incident::Join};

/// `[site]`: one police room and where it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Short name in every event (`urn:gridpost:<id>`) and topic: letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// Name for people. Default: the id.
    #[serde(default)]
    pub name: String,
    /// IANA time zone of schedules and of the offset of all times. Default `Asia/Shanghai`.
    #[serde(default = "timezone")]
    pub timezone: String,
    /// `[lon, lat]`, degrees: the place of every source that has none of its own.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// What coordinates that are typed here refer to: `wgs84` (default), `cgcs2000` (the same),
    /// `gcj02` (Amap 高德, Tencent 腾讯), `bd09` (Baidu 百度). All are brought to WGS 84; outside China
    /// nothing is moved.
    #[serde(default)]
    pub datum: Datum,
    /// GeoJSON file of the grids 网格 (code, name, community, township, head, head_phone, workers).
    #[serde(default)]
    pub grids: Option<PathBuf>,
    /// What the coordinates of that file refer to. Default: as `datum`.
    #[serde(default)]
    pub grids_datum: Option<Datum>,
    /// CSV file of buttons: id, name, device, model, lon, lat, datum, address, grid, contact, note,
    /// silent_after_s, cameras (several with `;`); only id must be there.
    #[serde(default)]
    pub buttons: Option<PathBuf>,
    /// What the coordinates of that list refer to, where a row does not say it. Default: as `datum`.
    #[serde(default)]
    pub buttons_datum: Option<Datum>,
    /// Seconds after its end at which a notice (severity 3 or 4) that nobody ever took on is closed by the
    /// gateway, and not before its time is over. Default a day.
    #[serde(default = "auto_close_after_s")]
    pub auto_close_after_s: u64,
    /// Seconds between two heartbeat events to each http and mqtt sink, so that silence is an
    /// alarm at the other end; 0 sends none. Default 60.
    #[serde(default = "heartbeat_s")]
    pub heartbeat_s: u64,
    /// Rules by which several happenings are one, by place and time: `seen-by-several` (cameras and
    /// drones see one person), `button-and-eye` (a press, and who is seen beside it), `rain-and-water` (a
    /// person at the water while it rains hard is an alert). Default all; only sources with a place of
    /// their own are joined, and never two emergencies.
    #[serde(default = "join")]
    pub join: Vec<Join>,
    /// A press carries the clips of that minute of the cameras near it. Default false: a camera
    /// that looks at a door is asked for only where the site allows it.
    #[serde(default)]
    pub pictures_with_presses: bool,
    /// Cameras within this distance of a button are near it, metres, where its line names none.
    /// Default 50.
    #[serde(default = "pictures_within_m")]
    pub pictures_within_m: f64,
}

fn join() -> Vec<Join> {
    Join::ALL.to_vec()
}

fn pictures_within_m() -> f64 {
    50.0
}

fn timezone() -> String {
    "Asia/Shanghai".into()
}

fn heartbeat_s() -> u64 {
    60
}

fn auto_close_after_s() -> u64 {
    86_400
}

/// Cities that people name and the time zone database does not have: all of China has the one of
/// Shanghai by law; Urumqi is in it, with local time.
const CHINESE_CITIES: &[&str] = &[
    "beijing",
    "peking",
    "chongqing",
    "chungking",
    "guangzhou",
    "canton",
    "shenzhen",
    "tianjin",
    "wuhan",
    "chengdu",
    "nanjing",
    "hangzhou",
    "xian",
    "harbin",
    "suzhou",
    "qingdao",
    "dalian",
    "shenyang",
    "kunming",
    "changsha",
    "zhengzhou",
    "jinan",
    "hefei",
    "fuzhou",
    "xiamen",
    "nanchang",
    "nanning",
    "guiyang",
    "lanzhou",
    "taiyuan",
    "changchun",
    "shijiazhuang",
    "hohhot",
    "yinchuan",
    "xining",
    "lhasa",
    "haikou",
    "ningbo",
    "wuxi",
    "foshan",
    "dongguan",
    "china",
    "prc",
    "shanghi",
];

/// The zone of a Chinese city or of China, however it is written.
fn chinese_zone(typed: &str) -> Option<&'static str> {
    let city = typed.rsplit('/').next().unwrap_or_default().to_lowercase();
    let city: String = city.chars().filter(char::is_ascii_alphanumeric).collect();
    if ["urumchi", "wulumuqi", "kashi"].contains(&city.as_str()) {
        return Some("Asia/Urumqi");
    }
    let hours = ["utc8", "gmt8", "cst", "cst8"].contains(&city.as_str());
    let written =
        ["上海", "北京", "中国", "重庆", "东八区"].iter().any(|word| typed.contains(word));
    (hours || written || CHINESE_CITIES.contains(&city.as_str())).then_some("Asia/Shanghai")
}

/// Fills in the name where there is none.
pub(super) fn check(document: &mut Document<'_>, site: &mut SiteConfig) {
    let fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if site.id.is_empty() || !site.id.chars().all(fit) {
        let message = format!(
            "`{}`: expected letters, digits, `-`, `_` or `.` (it is part of topics)",
            site.id
        );
        document.problem(&["site", "id"], message, None);
    }
    if site.name.is_empty() {
        site.name.clone_from(&site.id);
    }
    if jiff::tz::TimeZone::get(&site.timezone).is_err() {
        let names: Vec<String> =
            jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let hint = chinese_zone(&site.timezone)
            .map(|zone| format!("did you mean `{zone}`?"))
            .or_else(|| did_you_mean(&site.timezone, names.iter().map(String::as_str)));
        let message =
            format!("no time zone is called `{}`; expected one like Asia/Shanghai", site.timezone);
        document.problem(&["site", "timezone"], message, hint);
    }
    if let Some(Err(message)) = site.place.map(on_earth) {
        document.problem(&["site", "place"], message, None);
    }
}

/// Every bad feature is reported; the good ones are kept.
pub(super) fn read_grids(document: &mut Document<'_>, site: &SiteConfig) -> Grids {
    let Some(path) = &site.grids else { return Grids::default() };
    let ReadGrids { grids, errors, warnings } =
        Grids::read(path, site.grids_datum.unwrap_or(site.datum));
    for error in errors {
        document.problem(&["site", "grids"], format!("{}: {error}", path.display()), None);
    }
    for warning in warnings {
        document.warning(&["site", "grids"], format!("{}: {warning}", path.display()));
    }
    grids
}
