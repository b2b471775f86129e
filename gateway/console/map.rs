//! `GET /api/v1/map` and `/map/ground`: a page that has it is answered with 304.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Backend,
    problem::{problem, stopping},
    seen::Seen,
    site_map::{read_picture, tag},
};

pub(super) async fn serve<B: Backend>(backend: Seen<B>, asked: HeaderMap) -> Response {
    let map = backend.map();
    answer(&asked, &map.revision, "application/json", map.json.clone())
}

/// The file is read anew each time: whoever draws a better plan needs no reload.
pub(super) async fn ground<B: Backend>(backend: Seen<B>, asked: HeaderMap) -> Response {
    let Some(path) = backend.map().picture.clone() else {
        return problem(StatusCode::NOT_FOUND, "there is no picture of the ground; see [map]");
    };
    match tokio::task::spawn_blocking(move || read_picture(&path)).await {
        Ok(Ok((bytes, kind))) => answer(&asked, &tag(&bytes), kind, bytes.into()),
        // The path is the installer's business.
        Ok(Err(_)) => problem(StatusCode::GONE, "the picture of the ground cannot be read"),
        Err(_) => stopping(),
    }
}

fn answer(asked: &HeaderMap, tag: &str, kind: &'static str, bytes: Bytes) -> Response {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let has_it = known.is_some_and(|known| {
        known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    let mut answer = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response(),
    };
    let headers = answer.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::site_map::{MapView, SiteMap};

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let map = SiteMap::of(MapView::default(), None);
        let asked = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
            answer(&headers, &map.revision, "application/json", map.json.clone()).status()
        };
        assert_eq!(asked("\"other\""), StatusCode::OK);
        assert_eq!(asked(&map.revision), StatusCode::NOT_MODIFIED);
        assert_eq!(asked(&format!("\"other\", W/{}", map.revision)), StatusCode::NOT_MODIFIED);
        let other = MapView { place: Some([1.0, 2.0]), ..MapView::default() };
        assert_ne!(SiteMap::of(other, None).revision, map.revision);
    }
}
