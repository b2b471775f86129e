//! `onvif` of a camera: where it is asked, and who we are to it.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Config, password_of};

/// User and password. No `Debug`: they are never printed (I5).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl Config {
    /// Its address without the user that may stand in it; the error is one sentence.
    pub fn onvif_url(&self) -> Option<Result<Url, String>> {
        Some(self.parse_onvif()?.map(|mut url| {
            let _ = url.set_username("").and(url.set_password(None));
            url
        }))
    }

    /// Read when they are needed, so that a changed password is used; None for a camera that
    /// asks for nobody.
    pub fn onvif_credentials(&self) -> Result<Option<Credentials>, String> {
        if let Some(user) = self.onvif_own_user() {
            return Ok(Some(user));
        }
        if let Some(username) = &self.username {
            let password = password_of(self.password_file.as_deref())?.unwrap_or_default();
            return Ok(Some(Credentials { username: username.clone(), password }));
        }
        Ok(Url::parse(&self.url).ok().as_ref().and_then(of_url))
    }

    /// The user in the address itself.
    pub fn onvif_own_user(&self) -> Option<Credentials> {
        self.parse_onvif().and_then(Result::ok).as_ref().and_then(of_url)
    }

    pub(super) fn onvif_problem(&self) -> Option<String> {
        let wrong = self.onvif_url()?.err();
        let clip = self.is_clip().then(|| "a recording has no events of its own".to_owned());
        wrong.or(clip)
    }

    fn parse_onvif(&self) -> Option<Result<Url, String>> {
        let text = self.onvif.as_ref()?;
        let expected = "expected http://… or https://…, e.g. http://192.0.2.5/onvif/device_service";
        // What is wrong is told without the address: a password may stand in it.
        let url = Url::parse(text).map_err(|error| format!("{error}; {expected}"));
        Some(url.and_then(|url| match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(format!("{other}://… is not spoken; {expected}")),
        }))
    }
}

fn of_url(url: &Url) -> Option<Credentials> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = plain(url.username());
    (!username.is_empty())
        .then(|| Credentials { username, password: plain(url.password().unwrap_or_default()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let text = format!("id = \"a\"\n{more}");
        toml::from_str(&text).unwrap()
    }

    fn user(more: &str) -> Option<(String, String)> {
        let found = config(more).onvif_credentials().unwrap_or_else(|error| panic!("{error}"))?;
        Some((found.username, found.password))
    }

    #[test]
    fn its_user_is_its_own_the_cameras_or_the_videos() {
        let pair = |user: &str, word: &str| Some((user.to_owned(), word.to_owned()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "fr0m file\n").unwrap();
        let video = "url = \"rtsp://v:w%40rd@h/\"\n";
        let named = format!("username = \"n\"\npassword_file = {:?}\n", file.path());
        let own = "onvif = \"http://o:p@h/onvif\"\n";
        let plain = "onvif = \"http://h/onvif\"\n";
        assert_eq!(user(&format!("{video}{named}{own}")), pair("o", "p"));
        assert_eq!(user(&format!("{video}{named}{plain}")), pair("n", "fr0m file"));
        assert_eq!(user(&format!("{video}{plain}")), pair("v", "w@rd"));
        assert_eq!(user(&format!("url = \"rtsp://h/\"\n{plain}")), None);
        let url = config(&format!("{video}{own}")).onvif_url().unwrap();
        assert_eq!(url.unwrap_or_else(|error| panic!("{error}")).as_str(), "http://h/onvif");
    }

    #[test]
    fn what_cannot_be_spoken_to_is_told_without_its_password() {
        for (onvif, expected) in [
            ("rtsp://u:s3cret@h/onvif", "rtsp://… is not spoken; expected http://…"),
            ("192.0.2.5:s3cret", "expected http://…"),
        ] {
            let config = config(&format!("url = \"rtsp://h/\"\nonvif = \"{onvif}\"\n"));
            let told = config.onvif_problem().unwrap();
            assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
        }
    }
}
