//! Where a camera's streams are, where the camera itself was asked (`onvif` without a `url`).
//!
//! One value a camera, shared by whoever asks the camera and by its reading threads: the one writes
//! what it found or why it found nothing, the others say when a stream broke off, because the
//! address may have changed. What was found stays until something else is found.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Config, Credentials};
use crate::base::lock;

/// Both streams of one camera. No `Debug`: some cameras write a password into the path (I5).
#[derive(Clone, PartialEq, Eq)]
pub struct FoundStreams {
    /// The one that clips come from, without a user.
    pub main: String,
    /// A smaller one of the same view.
    pub sub: Option<String>,
    /// The user in the address at which the camera is asked.
    pub user: Option<Credentials>,
    /// What was chosen and why, for people.
    pub chosen: String,
}

#[derive(Default)]
enum Lookup {
    /// It is being asked for the first time.
    #[default]
    Asking,
    Failed(String),
    Found(FoundStreams),
}

/// See the head of this file.
#[derive(Default)]
pub struct StreamUrls {
    lookup: Mutex<Lookup>,
    lost: Notify,
}

impl StreamUrls {
    /// What was found takes the place of what was known; whether that differs.
    pub fn found(&self, streams: FoundStreams) -> bool {
        let mut lookup = lock(&self.lookup);
        let same = matches!(&*lookup, Lookup::Found(known) if *known == streams);
        *lookup = Lookup::Found(streams);
        !same
    }

    /// Whether exactly these are known.
    pub fn knows(&self, streams: &FoundStreams) -> bool {
        matches!(&*lock(&self.lookup), Lookup::Found(known) if known == streams)
    }

    /// Nothing was found. What was found before stays.
    pub fn failed(&self, why: String) {
        let mut lookup = lock(&self.lookup);
        if !matches!(&*lookup, Lookup::Found(_)) {
            *lookup = Lookup::Failed(why);
        }
    }

    /// What was chosen, or why nothing was, for people.
    pub fn shown(&self) -> String {
        match &*lock(&self.lookup) {
            Lookup::Asking => "asking".to_owned(),
            Lookup::Failed(why) => format!("not found: {why}"),
            Lookup::Found(streams) => streams.chosen.clone(),
        }
    }

    /// The section as it takes effect: with the streams that were found, where it names none itself.
    pub fn effective(&self, config: &Config) -> Config {
        let mut config = config.clone();
        if config.finds_streams()
            && let Lookup::Found(streams) = &*lock(&self.lookup)
        {
            let user = streams.user.as_ref();
            config.url = with_user(&streams.main, user);
            if config.detect_url.is_none() {
                config.detect_url = streams.sub.as_deref().map(|url| with_user(url, user));
            }
        }
        config
    }

    /// Why a camera without a `url` has no stream yet; waits for the first answer, but no longer than
    /// `within`, and only while `goes_on` says so.
    pub fn why_none(&self, within: Duration, goes_on: impl Fn() -> bool) -> String {
        let since = Instant::now();
        loop {
            let why = match &*lock(&self.lookup) {
                Lookup::Asking => None,
                Lookup::Failed(why) => Some(why.clone()),
                // Its threads are about to be set up with it.
                Lookup::Found(_) => Some("they were found just now".to_owned()),
            };
            let why = why.or_else(|| {
                let over = since.elapsed() >= within || !goes_on();
                over.then(|| format!("no answer within {within:?}"))
            });
            if let Some(why) = why {
                return format!("its streams are not known (onvif): {why}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A stream broke off or could not be had: its address may be another one now.
    pub fn lost(&self) {
        self.lost.notify_one();
    }

    /// Returns when a stream was lost since this was asked last.
    pub async fn is_lost(&self) {
        self.lost.notified().await;
    }
}

/// The user stays out of a url that has one by the section (`username`), which is read at each connection.
fn with_user(url: &str, user: Option<&Credentials>) -> String {
    let (Ok(mut url), Some(user)) = (url::Url::parse(url), user) else { return url.to_owned() };
    let _ = url.set_username(&user.username).and(url.set_password(Some(&user.password)));
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        toml::from_str(&format!("id = \"a\"\n{more}")).unwrap()
    }

    fn streams(main: &str, sub: Option<&str>) -> FoundStreams {
        FoundStreams {
            main: main.into(),
            sub: sub.map(Into::into),
            user: None,
            chosen: "the largest".into(),
        }
    }

    #[test]
    fn what_was_found_fills_what_is_not_given_and_stays() {
        let urls = StreamUrls::default();
        let asked = config("onvif = \"http://h/\"\n");
        assert!(urls.effective(&asked).url.is_empty());
        assert!(urls.found(streams("rtsp://h/1", Some("rtsp://h/2"))));
        assert!(!urls.found(streams("rtsp://h/1", Some("rtsp://h/2"))), "nothing new");
        urls.failed("it is away".into());
        let found = urls.effective(&asked);
        assert_eq!(
            (found.url.as_str(), found.detect_url.as_deref()),
            ("rtsp://h/1", Some("rtsp://h/2"))
        );
        assert_eq!(urls.shown(), "the largest");
        // Keys that are given win.
        let given = urls.effective(&config("onvif = \"http://h/\"\ndetect_url = \"rtsp://o/\"\n"));
        assert_eq!(
            (given.url.as_str(), given.detect_url.as_deref()),
            ("rtsp://h/1", Some("rtsp://o/"))
        );
        let given = urls.effective(&config("onvif = \"http://h/\"\nurl = \"rtsp://o/\"\n"));
        assert_eq!((given.url.as_str(), given.detect_url.as_deref()), ("rtsp://o/", None));
        assert!(urls.found(streams("rtsp://h/1", None)));
        assert_eq!(urls.effective(&asked).detect_url, None);
    }

    #[test]
    fn the_user_of_its_address_goes_with_its_streams() {
        let urls = StreamUrls::default();
        let user = Credentials { username: "o".into(), password: "p@ss:/".into() };
        urls.found(FoundStreams { user: Some(user), ..streams("rtsp://h:8554/1?a=1&b", None) });
        let found = urls.effective(&config("onvif = \"http://o:p@h/\"\n"));
        assert_eq!(found.url, "rtsp://o:p%40ss%3A%2F@h:8554/1?a=1&b");
    }

    #[test]
    fn why_there_is_none_is_waited_for_and_no_longer_than_is_right() {
        let urls = StreamUrls::default();
        let within = Duration::from_millis(40);
        assert!(urls.why_none(within, || true).contains("no answer within 40ms"));
        assert!(urls.why_none(Duration::from_secs(3_600), || false).contains("no answer"));
        urls.failed("it refuses".into());
        let why = urls.why_none(Duration::from_secs(3_600), || true);
        assert_eq!(why, "its streams are not known (onvif): it refuses");
    }
}
