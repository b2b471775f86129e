//! A chat robot as WeCom's and DingTalk's are: 200 to everything, its verdict in the body.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::wait_for;

#[derive(Default)]
struct Inner {
    /// Query and body of what it took.
    texts: Mutex<Vec<(HashMap<String, String>, Value)>>,
    refused: Mutex<u32>,
    /// What it says next: 0 is fine.
    errcode: Mutex<i64>,
}

pub(crate) struct Robot {
    inner: Arc<Inner>,
    pub(crate) url: String,
}

impl Robot {
    pub(crate) async fn start() -> Self {
        let inner: Arc<Inner> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let app = Router::new().route("/send", post(take)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { inner, url }
    }

    pub(crate) fn says(&self, errcode: i64) {
        *self.inner.errcode.lock().unwrap() = errcode;
    }

    pub(crate) fn refused(&self) -> u32 {
        *self.inner.refused.lock().unwrap()
    }

    pub(crate) fn texts(&self) -> Vec<(HashMap<String, String>, Value)> {
        self.inner.texts.lock().unwrap().clone()
    }

    pub(crate) async fn text(&self) -> (HashMap<String, String>, Value) {
        wait_for("a text at the robot", || async { self.texts().first().cloned() }).await
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Json<Value> {
    let errcode = *inner.errcode.lock().unwrap();
    if errcode != 0 {
        *inner.refused.lock().unwrap() += 1;
        return Json(json!({ "errcode": errcode, "errmsg": "not now" }));
    }
    let Ok(body) = serde_json::from_slice(&body) else {
        return Json(json!({ "errcode": 40_058, "errmsg": "no JSON" }));
    };
    inner.texts.lock().unwrap().push((query, body));
    Json(json!({ "errcode": 0, "errmsg": "ok" }))
}
