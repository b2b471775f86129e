//! The POST of a page's form: one step of the case, by the person of the link, on what that page has shown.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{
        Backend,
        body::{NoBody, PlacedBody, drop_rest},
        forms::{self, SentForm},
        step_pictures::{self, NoPicture, Replied},
    },
    MaybeGuest, OpenedCase, PageDoor, Peer, Shared,
    page::{Button, NOTE_CHARS_MAX, REASONS},
    parts, words,
};
use crate::domain::{Answer, DismissReason, Reply, ReplyVia};

pub(super) async fn take<B: Backend>(
    State(door): Shared<B>,
    code: Result<Path<String>, PathRejection>,
    guest: MaybeGuest,
    peer: Peer,
    request: Request,
) -> Response {
    let opened = match door.open(code, guest.as_deref(), peer.as_deref()).await {
        Ok(opened) => opened,
        Err(refused) => {
            // Whoever had a link of his own hears what became of it, whatever he is still sending.
            if refused.status() == StatusCode::GONE {
                drop_rest(request.into_body(), 0).await;
            }
            return refused;
        }
    };
    let (headers, body) = parts(request);
    let (body, place) = match door.places.read(body, &headers).await {
        Ok(PlacedBody { bytes, place }) => (bytes, place),
        Err(why) => return no_body(why),
    };
    let form = match forms::read(&headers, body).await {
        Ok(form) => form,
        Err(reason) => {
            tracing::debug!(reason, "links: a form that cannot be read");
            return words::said(StatusCode::BAD_REQUEST, words::UNREADABLE);
        }
    };
    let reply = match reply(&opened, &form) {
        Ok(reply) => reply,
        Err(told) => {
            return words::html(
                StatusCode::UNPROCESSABLE_ENTITY,
                door.page(&opened).text(Some(told)),
            );
        }
    };
    let replied = step_pictures::reply(&door.backend, reply, form.picture).await;
    drop(place);
    answer(&door, opened, replied)
}

fn no_body(why: NoBody) -> Response {
    match why {
        NoBody::TooLarge => words::said(StatusCode::PAYLOAD_TOO_LARGE, words::TOO_LARGE),
        NoBody::Late => words::said(StatusCode::REQUEST_TIMEOUT, words::LATE),
        NoBody::BrokeOff => words::said(StatusCode::BAD_REQUEST, words::UNREADABLE),
        NoBody::NoPlace => words::said(StatusCode::SERVICE_UNAVAILABLE, words::BUSY),
    }
}

/// What the form asks for. The error is for the person.
fn reply(opened: &OpenedCase, form: &SentForm) -> Result<Reply, &'static str> {
    const NOT_OURS: &str = "没有收到有效的操作，请重新点击按钮。";
    let OpenedCase { of, incident, .. } = opened;
    let to = form.field("to").unwrap_or_default();
    let button = Button::ALL.into_iter().find(|one| one.name() == to).ok_or(NOT_OURS)?;
    let revision = form.field("revision").and_then(|text| text.parse::<u32>().ok());
    let revision = revision.ok_or(NOT_OURS)?;
    let note = form.field("note").map(str::trim).filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return Err("说明最多 500 字，刚才的操作没有生效。");
    }
    let mut reply = Reply::new(incident.id, button.step(incident.stage), &of.person);
    if button == Button::GiveBack {
        let said = form.field("reason").unwrap_or_default();
        let reason = REASONS.into_iter().find(|reason| reason.id() == said);
        let reason = reason.ok_or("请选择退回原因，刚才的操作没有生效。")?;
        if reason == DismissReason::Other && note.is_none() {
            return Err("原因选“其他”时请填写说明，刚才的操作没有生效。");
        }
        reply.reason = Some(reason);
    }
    reply.note = note.map(str::to_owned);
    reply.revision = Some(revision);
    // The same tap on the same page is the same reply, whichever of this person's links it came by.
    reply.id = Some(format!("link-{revision}-{}-{}", button.name(), of.mark));
    reply.via = Some(ReplyVia::Link);
    Ok(reply)
}

fn answer<B: Backend>(
    door: &Arc<PageDoor<B>>,
    opened: OpenedCase,
    replied: Result<Replied, NoPicture>,
) -> Response {
    // As it is now: somebody may have acted while this one was being read.
    let now = door.backend.incident(opened.incident.id).map(|record| record.incident);
    let opened = OpenedCase { incident: now.unwrap_or(opened.incident), ..opened };
    let page = door.page(&opened);
    let told = |status: StatusCode, told: &str| words::html(status, page.text(Some(told)));
    match replied {
        Err(NoPicture { zh, is_temporary, .. }) => {
            let status = match is_temporary {
                true => StatusCode::SERVICE_UNAVAILABLE,
                false => StatusCode::UNPROCESSABLE_ENTITY,
            };
            told(status, &format!("刚才的操作没有生效，也可以不带照片提交。{zh}"))
        }
        Ok(Replied { answer: Answer::Changed(_), picture_left: true }) => {
            told(StatusCode::OK, "此前已记录过这一步，这次的照片没有保存。")
        }
        Ok(Replied { answer: Answer::Changed(_) | Answer::Stored, .. }) => see(&opened.code),
        Ok(Replied { answer: Answer::Refused(_), .. }) => {
            let taken = page.taken_by().map(|taken| format!("{taken}。"));
            let text = format!("{}刚才的操作没有生效，以下是最新情况。", taken.unwrap_or_default());
            told(StatusCode::CONFLICT, &text)
        }
        Ok(Replied { answer: Answer::NoSuchIncident, .. }) => {
            words::said(StatusCode::GONE, words::CLOSED)
        }
        Ok(Replied { answer: Answer::Lost, .. }) => {
            words::said(StatusCode::SERVICE_UNAVAILABLE, words::LOST)
        }
    }
}

/// The page anew, by a GET: a reload does not send the form again. Beside the address that was posted to,
/// whatever a proxy has put before it.
fn see(code: &str) -> Response {
    let mut answer = words::html(StatusCode::SEE_OTHER, String::new());
    if let Ok(place) = HeaderValue::from_str(code) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer.into_response()
}
