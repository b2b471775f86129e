//! `POST /`: a resident's report, from its bytes to its look-up number.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::{
    super::body::drop_rest,
    Kept, Office, ReportBackend,
    form::{PLACE_CHARS_MAX, ReportForm, TEXT_CHARS_MAX, Unreadable},
    new_nonce,
    number::Number,
    upload::Unread,
    words::{Language, Trouble},
};
use crate::{
    domain::{ResidentReport, Title},
    media::{CleanPicture, Refused, SentBy, clean},
    wire::guests::{GuestHandle, Trust},
};

pub(super) async fn take<B: ReportBackend>(
    State(office): State<Arc<Office<B>>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let say = |status, trouble| refuse(&office, status, trouble);
    // Another site's page that sends a form in a visitor's name; a browser says so.
    if head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        drop_rest(body, 0).await;
        return say(StatusCode::FORBIDDEN, Trouble::Foreign);
    }
    let from = super::sender(&head.extensions);
    let Some(_sending) = office.senders.begins(from, office.now_ms()) else {
        office.backend.count("limited");
        drop_rest(body, 0).await;
        return say(StatusCode::TOO_MANY_REQUESTS, Trouble::TooMany);
    };
    // Who sends a form is sent away last when the door is full.
    if let Some(guest) = head.extensions.get::<GuestHandle>() {
        guest.stands(Trust::Known);
    }
    let upload = match office.room.read(body).await {
        Ok(upload) => upload,
        Err(Unread::TooLarge) => return say(StatusCode::PAYLOAD_TOO_LARGE, Trouble::BodyTooLarge),
        Err(Unread::Late) => return say(StatusCode::REQUEST_TIMEOUT, Trouble::Late),
        Err(Unread::BrokenOff) => return say(StatusCode::BAD_REQUEST, Trouble::BrokenOff),
        Err(Unread::NoRoom) => return say(StatusCode::SERVICE_UNAVAILABLE, Trouble::TooMany),
    };
    let (bytes, _room) = upload.apart();
    let form = match ReportForm::read(&head.headers, bytes).await {
        Ok(form) => form,
        Err(Unreadable::NoForm) => return say(StatusCode::BAD_REQUEST, Trouble::NoForm),
        Err(Unreadable::Encoding) => return say(StatusCode::BAD_REQUEST, Trouble::Encoding),
    };
    let language = form.language;
    if let Some(trouble) = wrong_with(&form).or_else(|| office.place_left(&form)) {
        return again(&office, StatusCode::UNPROCESSABLE_ENTITY, &form, trouble.words(language));
    }
    let nonce = form.nonce.unwrap_or_else(rand::random);
    let (number, is_repeated) = numbered(&office, nonce, &form).await;
    let sha256 = number.sha256();
    if is_repeated {
        office.backend.count("repeated");
        return see(&number, language);
    }
    // Before it costs its sender an hour's part, or us the picture.
    if office.backend.is_full() {
        office.backend.count("not-stored");
        let words = Trouble::TooManyOpen.words(language);
        return retried_later(again(&office, StatusCode::SERVICE_UNAVAILABLE, &form, words));
    }
    // What was sent before and may be on disk is asked for again, and is no other one.
    if !office.sent_before.has(&sha256) && !office.senders.reports(from, office.now_ms()) {
        office.backend.count("limited");
        let words = Trouble::TooMany.words(language);
        return again(&office, StatusCode::TOO_MANY_REQUESTS, &form, words);
    }
    let (picture, refused) = match &form.picture {
        None => (None, None),
        Some(bytes) => match clean(SentBy::Resident, bytes).await {
            Ok(picture) => (Some(picture), None),
            // Taken now it would be without its picture for good: sent again, it has one.
            Err(refused) if refused.is_temporary() => {
                let words = language.pick(refused.zh(), refused.to_string());
                return later(&office, &form, sha256, &words);
            }
            Err(refused) => (None, Some(refused)),
        },
    };
    if let Some(refused) = refused.as_ref().filter(|_| form.text.is_empty()) {
        let words = language.pick(refused.zh(), refused.to_string());
        office.backend.count("refused");
        return again(&office, StatusCode::UNPROCESSABLE_ENTITY, &form, &words);
    }
    keep(&office, &form, number, (picture, refused)).await
}

async fn keep<B: ReportBackend>(
    office: &Arc<Office<B>>,
    form: &ReportForm,
    number: Number,
    (picture, refused): (Option<CleanPicture>, Option<Refused>),
) -> Response {
    let language = form.language;
    let listed = office.places.iter().find(|place| place.value == form.listed);
    let named = listed.filter(|place| place.is_named).map(|place| place.name.as_str());
    let own = Some(form.place.as_str()).filter(|own| !own.is_empty());
    let sha256 = number.sha256();
    let title = |refused: &Refused| Title { zh: refused.zh(), en: refused.to_string() };
    let report = ResidentReport {
        number_sha256: sha256.clone(),
        text: form.text.clone(),
        grid: listed.and_then(|place| place.grid.clone()),
        place: named.map(str::to_owned),
        own_place: own.map(str::to_owned),
        picture: None,
        picture_refused: refused.as_ref().map(title),
        language: language.code(),
    };
    let words = match office.backend.keep(report, picture).await {
        Kept::Stored => {
            office.backend.count(if refused.is_some() { "without-picture" } else { "taken" });
            return see(&number, language);
        }
        Kept::NotStored => Trouble::NotStored.words(language),
        Kept::TooManyOpen => Trouble::TooManyOpen.words(language),
        Kept::Unsure => Trouble::Unsure.words(language),
    };
    later(office, form, sha256, words)
}

/// Not now; the same sent again costs its sender nothing more.
fn later<B: ReportBackend>(
    office: &Office<B>,
    form: &ReportForm,
    sha256: String,
    words: &str,
) -> Response {
    office.backend.count("not-stored");
    office.sent_before.put(sha256);
    retried_later(again(office, StatusCode::SERVICE_UNAVAILABLE, form, words))
}

fn retried_later(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    answer
}

fn wrong_with(form: &ReportForm) -> Option<Trouble> {
    if form.text.is_empty() && form.picture.is_none() {
        return Some(Trouble::Nothing);
    }
    if form.text.chars().count() > TEXT_CHARS_MAX {
        return Some(Trouble::TextTooLong);
    }
    (form.place.chars().count() > PLACE_CHARS_MAX).then_some(Trouble::PlaceTooLong)
}

/// A page that is kept open takes so many reports of the same words, one after the other was over.
const ROUNDS_MAX: u32 = 100;

/// What this form is about to be, and whether it was taken before: the same page sent twice with the same
/// content is the same report, until its case is over. Then it happens again, and whoever has kept the page
/// open and sends the same words means that. But whoever was answered "not now" and sends it once more hears
/// what became of it.
async fn numbered<B: ReportBackend>(
    office: &Arc<Office<B>>,
    nonce: [u8; 16],
    form: &ReportForm,
) -> (Number, bool) {
    let picture = form.picture.as_ref().map(Sha256::digest).unwrap_or_default();
    let content = [form.text.clone(), form.listed.clone(), form.place.clone()];
    let office = office.clone();
    let found = tokio::task::spawn_blocking(move || {
        let [text, listed, place] = content.each_ref().map(|part| part.as_bytes());
        let number_of = |round: u32| match round {
            0 => Number::of(&nonce, &[text, listed, place, &picture]),
            _ => Number::of(&nonce, &[text, listed, place, &picture, &round.to_le_bytes()]),
        };
        for round in 0..ROUNDS_MAX {
            let number = number_of(round);
            let sha256 = number.sha256();
            let Some(record) = office.backend.reported(&sha256) else { return (number, false) };
            let is_retried = office.sent_before.take(&sha256);
            if is_retried || !office.goes_on(&record.incident).0.stage.is_over() {
                return (number, true);
            }
        }
        (Number::of(&rand::random(), &[text]), false)
    });
    found.await.unwrap_or_else(|_| (Number::of(&nonce, &[]), false))
}

/// To the page of the number: who loads that again sends nothing again.
fn see(number: &Number, language: Language) -> Response {
    let to = format!("/r/{}?lang={}", number.grouped(), language.code());
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The form as it was filled in, with the same nonce: what is sent again is the same report.
fn again<B: ReportBackend>(
    office: &Office<B>,
    status: StatusCode,
    form: &ReportForm,
    words: &str,
) -> Response {
    let nonce =
        form.nonce.map_or_else(new_nonce, |nonce| format!("{:032x}", u128::from_be_bytes(nonce)));
    (status, Html(office.site.form(form, &nonce, Some(words)))).into_response()
}

/// Before the form is known, and so its language: in both. The connection ends, since what follows in it
/// may be the rest of a body.
fn refuse<B: ReportBackend>(office: &Office<B>, status: StatusCode, trouble: Trouble) -> Response {
    let both = [Language::Zh, Language::En].map(|language| trouble.words(language));
    let page = office.site.trouble(Language::Zh, &both.join(" "));
    let mut answer = (status, Html(page)).into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
