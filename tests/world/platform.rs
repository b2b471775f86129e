//! A district's platform as three of them speak: it gives ids, answers 200 with its own verdict, fails, is down, loses answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Site, grids, root, wait_for};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Docking,
    Pinyin,
    Chengguan,
}

/// What befalls the next request that is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// 503.
    Down,
    /// 200, and an error in it.
    ErrorWithin,
    /// It is done, and no answer ever comes.
    LoseAnswer,
    /// It is done, and the yes has no id in it.
    NoId,
    /// A yes without an id, and nothing was done.
    EmptyYes,
    /// 200 with this, and nothing was done.
    Says(&'static str),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    /// Our id and its own, one for each request that opened one: two of one id are a fault.
    cases: Vec<(String, String)>,
    asked: Vec<Asked>,
    troubles: VecDeque<Trouble>,
    /// Sources whose cases it chokes on, with an error in a 200.
    chokes_on: Option<String>,
    /// What it says when it is asked for steps.
    steps: Vec<Value>,
    questions: u64,
    down: bool,
    /// It lists what it is told among its own steps.
    lists_ours: bool,
}

#[derive(Clone)]
pub(crate) struct Platform {
    tongue: Tongue,
    inner: Arc<Mutex<Inner>>,
    pub(crate) url: String,
}

impl Platform {
    pub(crate) async fn start(tongue: Tongue) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let platform = Self { tongue, inner: Arc::default(), url };
        let app = Router::new().fallback(answer).with_state(platform.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        platform
    }

    /// The file of the shipped profile.
    pub(crate) fn profile(&self) -> String {
        let name = match self.tongue {
            Tongue::Docking => "docking",
            Tongue::Pinyin => "pinyin",
            Tongue::Chengguan => "chengguan",
        };
        root().join(format!("config/profiles/{name}.toml")).display().to_string()
    }

    /// Its profile with these words changed, in a folder of its own.
    pub(crate) fn changed(&self, changes: &[(&str, &str)]) -> (tempfile::TempDir, String) {
        let mut text = std::fs::read_to_string(self.profile()).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in the profile");
            text = text.replace(from, to);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("changed.toml");
        std::fs::write(&file, text).unwrap();
        (folder, file.display().to_string())
    }

    /// The demo's site with the sink `district`: this platform by the shipped profile.
    pub(crate) fn site(&self) -> Site {
        self.site_with(&self.profile())
    }

    pub(crate) fn site_with(&self, profile: &str) -> Site {
        let codes = root().join("config/profiles/codes.csv").display().to_string();
        Site::demo()
            .set("timezone", "Asia/Shanghai")
            .set("grids", grids())
            .section("[[sink]]")
            .set("id", "district")
            .set("kind", "profile")
            .set("url", &self.url)
            .set("profile_file", profile)
            .set("categories_file", codes)
            .set("kinds", ["emergency-button"])
            .set("timeout_s", 1)
            .section("[[button]]")
            .set("id", "btn-1")
            .set("name", "张秀英")
            .set("contact", "13800000000")
            .set("place", [113.9128, 30.9221])
    }

    pub(crate) fn troubles(&self, all: &[Trouble]) {
        self.inner.lock().unwrap().troubles.extend(all);
    }

    pub(crate) fn is_down(&self, down: bool) {
        self.inner.lock().unwrap().down = down;
    }

    pub(crate) fn chokes_on(&self, part: Option<&str>) {
        self.inner.lock().unwrap().chokes_on = part.map(str::to_owned);
    }

    /// It says this from now on when it is asked for steps.
    pub(crate) fn says(&self, step: Value) {
        self.inner.lock().unwrap().steps.push(step);
    }

    /// It says this and nothing else, as one that lists the latest state of each case.
    pub(crate) fn says_only(&self, state: Value) {
        self.inner.lock().unwrap().steps = vec![state];
    }

    /// What it is told stands among its own steps from now on.
    pub(crate) fn lists_ours(&self) {
        self.inner.lock().unwrap().lists_ours = true;
    }

    /// What it says when it is asked for steps.
    pub(crate) fn steps(&self) -> Vec<Value> {
        self.inner.lock().unwrap().steps.clone()
    }

    pub(crate) fn cases(&self) -> Vec<(String, String)> {
        self.inner.lock().unwrap().cases.clone()
    }

    pub(crate) fn questions(&self) -> u64 {
        self.inner.lock().unwrap().questions
    }

    /// Requests on this path, in order.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let inner = self.inner.lock().unwrap();
        inner.asked.iter().filter(|asked| asked.path.contains(path)).cloned().collect()
    }

    /// Waits until so many cases are open there.
    pub(crate) async fn has(&self, count: usize) -> Vec<(String, String)> {
        wait_for(&format!("{count} cases at the platform"), || {
            let cases = self.cases();
            async move { (cases.len() >= count).then_some(cases) }
        })
        .await
    }

    /// Waits for a request on this path that fulfils a condition.
    pub(crate) async fn hears(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Asked {
        wait_for(&format!("a request on {path}"), || {
            let found = self.asked(path).into_iter().find(|asked| wanted(&asked.body));
            async move { found }
        })
        .await
    }

    /// The yes of this platform.
    fn yes(&self, id: Option<&str>) -> Value {
        match self.tongue {
            Tongue::Docking => json!({"code": 200, "msg": "ok", "data": {"commandCode": id}}),
            Tongue::Pinyin => json!({"success": true, "data": {"SJXX_COPY_ID": id}}),
            Tongue::Chengguan => json!({"status": "success", "result": {"id": id}}),
        }
    }

    fn error(&self) -> Value {
        match self.tongue {
            Tongue::Docking => json!({"code": 500, "msg": "数据库异常"}),
            Tongue::Pinyin => json!({"success": false, "message": "数据库异常"}),
            Tongue::Chengguan => json!({"status": "error", "message": "数据库异常"}),
        }
    }

    /// A step that it was told, as one of its own list.
    fn lists(&self, body: &Value) {
        let mut inner = self.inner.lock().unwrap();
        if !inner.lists_ours {
            return;
        }
        let mut step = body.clone();
        let id = json!(format!("own-{}", inner.steps.len()));
        step[if self.tongue == Tongue::Pinyin { "SJLC_ID" } else { "stepId" }] = id;
        inner.steps.push(step);
    }

    /// Where our id stands in what opens a case.
    fn our_id(&self, body: &Value) -> String {
        let key = match self.tongue {
            Tongue::Docking => "incidentCode",
            Tongue::Pinyin => "DSFSJBS",
            Tongue::Chengguan => "eventCode",
        };
        body[key].as_str().unwrap_or_default().to_owned()
    }

    fn of_question(&self, method: &Method, path: &str, body: &Value) -> Option<Response> {
        let mut inner = self.inner.lock().unwrap();
        let find = |ours: &str| {
            let found = inner.cases.iter().find(|(our, _)| our == ours);
            found.map(|(_, theirs)| theirs.clone())
        };
        let found = match self.tongue {
            Tongue::Docking if method == Method::GET => {
                let found = find(path.split("incidentCode=").nth(1)?);
                let none = json!({"code": 1404, "msg": "无此事件"});
                Json(found.map_or(none, |id| self.yes(Some(&id)))).into_response()
            }
            Tongue::Pinyin if path.contains("/bydsf/") => match find(path.rsplit('/').next()?) {
                Some(id) => Json(self.yes(Some(&id))).into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            },
            Tongue::Chengguan if path.ends_with("/query") => {
                let found = find(body["eventCode"].as_str()?);
                let none = json!({"status": "none", "message": "无"});
                Json(found.map_or(none, |id| self.yes(Some(&id)))).into_response()
            }
            Tongue::Pinyin if method == Method::GET => {
                inner.questions += 1;
                let after = path.split("after=").nth(1)?;
                let known = inner.steps.iter().position(|step| step["SJLC_ID"] == after);
                let steps: Vec<_> =
                    inner.steps.iter().skip(known.map_or(0, |at| at + 1)).cloned().collect();
                Json(json!({"success": true, "data": steps})).into_response()
            }
            Tongue::Chengguan if path.ends_with("/steps") => {
                inner.questions += 1;
                let after: usize = body["after"].as_str()?.parse().unwrap_or(0);
                let steps: Vec<_> = inner.steps.iter().skip(after).cloned().collect();
                let result = json!({"steps": steps, "next": inner.steps.len().to_string()});
                Json(json!({"status": "success", "result": result})).into_response()
            }
            _ => return None,
        };
        Some(found)
    }
}

async fn answer(
    State(platform): State<Platform>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let path = uri.to_string();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if platform.inner.lock().unwrap().down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(answer) = platform.of_question(&method, &path, &body) {
        return answer;
    }
    let (trouble, chokes) = {
        let mut inner = platform.inner.lock().unwrap();
        inner.asked.push(Asked { path: path.clone(), body: body.clone() });
        let chokes = inner.chokes_on.as_ref().is_some_and(|part| body.to_string().contains(part));
        (inner.troubles.pop_front(), chokes)
    };
    match trouble {
        Some(Trouble::Down) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Trouble::ErrorWithin) => return Json(platform.error()).into_response(),
        Some(Trouble::Says(text)) => return text.into_response(),
        Some(Trouble::EmptyYes) => return Json(platform.yes(None)).into_response(),
        _ if chokes => return Json(platform.error()).into_response(),
        _ => {}
    }
    let opens = method == Method::POST
        && ["/reportedIncident", "/sjxx", "/event/report"].iter().any(|end| path.ends_with(end));
    let id = opens.then(|| {
        let mut inner = platform.inner.lock().unwrap();
        let id = format!("CG/{} 号", inner.cases.len() + 1);
        let ours = platform.our_id(&body);
        inner.cases.push((ours, id.clone()));
        id
    });
    if !opens {
        platform.lists(&body);
    }
    if trouble == Some(Trouble::LoseAnswer) {
        return std::future::pending().await;
    }
    let id = id.filter(|_| trouble != Some(Trouble::NoId));
    Json(platform.yes(id.as_deref())).into_response()
}
