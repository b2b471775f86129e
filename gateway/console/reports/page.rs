//! The pages: own HTML, without script, for old telephones and large letters. Pure.

use std::{fmt::Write, sync::LazyLock};

use super::{
    super::html::{self, escaped},
    form::{PLACE_CHARS_MAX, ReportForm, TEXT_CHARS_MAX},
    number::Number,
    words::Language,
};

const STYLE: &str = "body{font:20px/1.6 sans-serif;margin:0 auto;max-width:38em;padding:12px;color:#111;background:#fff}h1{font-size:1.3em}label{display:block;margin-top:1em;font-weight:bold}textarea,input,select,button{font:inherit;width:100%;box-sizing:border-box;padding:8px}button{margin-top:1em;padding:14px;background:#0b57a4;color:#fff;border:0;border-radius:8px}.emergency{border:3px solid #b00020;padding:10px;border-radius:8px}.emergency a{font-size:1.5em;font-weight:bold;color:#b00020}.wrong{border:3px solid #b06000;padding:10px;border-radius:8px}.number{font:bold 1.4em monospace;word-break:break-all}.small{font-size:.85em;color:#444}";

/// The page's own style alone; no script, no picture, no frame, no other address.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| html::policy(STYLE, ""));

/// What all pages of a site show.
#[derive(Clone, Debug)]
pub(super) struct ReportSite {
    pub(super) name: String,
    pub(super) emergency_phone: String,
    /// Value, what is shown, and under which heading.
    pub(super) places: Vec<(String, String, String)>,
}

/// How far a case is, for who reported it.
pub(super) struct Shown {
    pub(super) stage: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) received_at: String,
    pub(super) changed_at: String,
    /// It goes on as part of another one.
    pub(super) merged: bool,
    /// Why the picture was not taken.
    pub(super) picture_refused: Option<String>,
}

impl ReportSite {
    /// The form, as it was filled in; `trouble` says what was wrong with it.
    pub(super) fn form(&self, form: &ReportForm, nonce: &str, trouble: Option<&str>) -> String {
        let language = form.language;
        let say = |zh, en| language.pick(zh, en);
        let mut body = String::new();
        // Writing into a `String` cannot fail.
        let _ = write!(
            body,
            "<form method=\"post\" action=\"/\" enctype=\"multipart/form-data\" accept-charset=\"utf-8\"><input type=\"hidden\" name=\"nonce\" value=\"{}\"><input type=\"hidden\" name=\"lang\" value=\"{}\"><label for=\"text\">{}</label><textarea id=\"text\" name=\"text\" rows=\"5\" maxlength=\"{TEXT_CHARS_MAX}\">{}</textarea>",
            escaped(nonce),
            language.code(),
            say("发生了什么？（最多 1000 字）", "What happened? (at most 1,000 characters)"),
            escaped(&form.text),
        );
        self.list(&mut body, form);
        let _ = write!(
            body,
            "<label for=\"place\">{}</label><input id=\"place\" name=\"place\" maxlength=\"{PLACE_CHARS_MAX}\" value=\"{}\"><label for=\"picture\">{}</label><input id=\"picture\" type=\"file\" name=\"picture\" accept=\"image/jpeg,image/png,image/webp\"><button>{}</button></form><p class=\"small\">{}</p><h2>{}</h2>{}",
            say("具体地点（可不填）", "Exact place (may be left out)"),
            escaped(&form.place),
            say("照片（可不填，一张，5 MB 以内）", "Picture (may be left out; one, at most 5 MB)"),
            say("提交上报", "Send"),
            say(
                "不用注册，不记录您的身份、号码和网络地址。照片里的拍摄地点等信息会被去掉。",
                "No account. Who you are, your number and your address are not recorded. What a picture says of where it was taken is removed."
            ),
            say("查询进度", "How far is it?"),
            look_up(language),
        );
        self.page(language, trouble, &body)
    }

    fn list(&self, body: &mut String, form: &ReportForm) {
        let language = form.language;
        if self.places.is_empty() {
            return;
        }
        let _ = write!(
            body,
            "<label for=\"listed\">{}</label><select id=\"listed\" name=\"listed\"><option value=\"\">{}</option>",
            language.pick("在哪里？", "Where?"),
            language.pick("— 请选择 —", "— please choose —"),
        );
        let mut heading = "";
        for (value, name, under) in &self.places {
            if under != heading {
                let end = if heading.is_empty() { "" } else { "</optgroup>" };
                let _ = write!(body, "{end}<optgroup label=\"{}\">", escaped(under));
                heading = under;
            }
            let chosen = if *value == form.listed { " selected" } else { "" };
            let (value, name) = (escaped(value), escaped(name));
            let _ = write!(body, "<option value=\"{value}\"{chosen}>{name}</option>");
        }
        body.push_str(if heading.is_empty() { "</select>" } else { "</optgroup></select>" });
    }

    /// How far it is.
    pub(super) fn status(&self, language: Language, number: &Number, shown: &Shown) -> String {
        let say = |zh, en| language.pick(zh, en);
        let mut body = format!("<p>{}：<b>{}</b></p>", say("进度", "It is"), escaped(shown.stage));
        let mut row = |text: String| {
            let _ = write!(body, "<p>{text}</p>");
        };
        if let Some(reason) = shown.reason {
            row(format!("{}：{}", say("原因", "because"), escaped(reason)));
        }
        if shown.merged {
            row(say(
                "与同一情况的另一件上报合并办理。",
                "It goes on together with another report of the same.",
            )
            .into());
        }
        if let Some(why) = &shown.picture_refused {
            row(format!(
                "{}{}",
                say("文字已收下，照片没有收下：", "The text was taken, the picture was not: "),
                escaped(why)
            ));
        }
        row(format!("{}：{}", say("收到时间", "received"), escaped(&shown.received_at)));
        row(format!("{}：{}", say("最近变化", "last change"), escaped(&shown.changed_at)));
        row(format!(
            "{}：<span class=\"number\">{}</span>",
            say("查询码", "number"),
            escaped(&number.grouped())
        ));
        row(say(
            "请抄下或截屏保存查询码。凭它可以查询进度；丢失后无法找回。",
            "Please write the number down. With it you can see how far it is; it cannot be found again.",
        )
        .into());
        let _ = write!(
            body,
            "<p><a href=\"/?lang={}\">{}</a></p>",
            language.code(),
            say("再报一件", "Report something else")
        );
        self.page(language, None, &body)
    }

    /// A sentence, and the way on.
    pub(super) fn trouble(&self, language: Language, text: &str) -> String {
        let body = format!(
            "{}<p><a href=\"/?lang={}\">{}</a></p>",
            look_up(language),
            language.code(),
            language.pick("返回上报页", "Back to the report"),
        );
        self.page(language, Some(text), &body)
    }

    fn page(&self, language: Language, trouble: Option<&str>, body: &str) -> String {
        let say = |zh, en| language.pick(zh, en);
        let phone = escaped(&self.emergency_phone);
        let dial: String = self.emergency_phone.chars().filter(|c| *c != ' ').collect();
        let title =
            format!("{} {}", escaped(&self.name), say("邹全办 · 群众上报", "residents' reports"));
        let wrong = trouble.map(|text| format!("<p class=\"wrong\">{}</p>", escaped(text)));
        format!(
            "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{STYLE}</style></head><body><p><a href=\"/?lang={}\">{}</a></p><h1>{title}</h1><p class=\"emergency\">{} <a href=\"tel:{}\">{phone}</a><br>{}</p>{}{body}</body></html>",
            say("zh-CN", "en"),
            say("en", "zh"),
            say("English", "中文"),
            say("紧急情况请立即拨打", "In an emergency call at once:"),
            escaped(&dial),
            say(
                "本页面没有人实时值守。有人受伤、火情或正在发生的危险，不要在这里报。",
                "Nobody watches this page at once. Do not report here that somebody is hurt, a fire, or a danger that is on."
            ),
            wrong.unwrap_or_default(),
        )
    }
}

fn look_up(language: Language) -> String {
    format!(
        "<form method=\"get\" action=\"/r\"><input type=\"hidden\" name=\"lang\" value=\"{}\"><label for=\"n\">{}</label><input id=\"n\" name=\"n\" maxlength=\"40\" autocomplete=\"off\"><button>{}</button></form>",
        language.code(),
        language.pick("查询码", "Number"),
        language.pick("查询", "Look up"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_stays_text() {
        let odd = "</textarea><script>alert(1)</script>\"'&";
        let site = ReportSite {
            name: odd.into(),
            emergency_phone: "110".into(),
            places: vec![("\"><b>".into(), odd.into(), odd.into())],
        };
        let form = ReportForm { text: odd.into(), place: odd.into(), ..ReportForm::default() };
        let page = site.form(&form, "0", Some(odd));
        assert!(!page.contains("<script") && !page.contains("\"><b>"), "{page}");
        assert_eq!(page.matches("</textarea>").count(), 1);
        assert_eq!(page.matches("&lt;script&gt;").count(), 7);
        assert!(page.contains("tel:110") && page.contains("没有人实时值守"));
        let english = site.form(&ReportForm { language: Language::En, ..form }, "0", None);
        assert!(
            english.contains("Nobody watches this page at once") && english.contains("lang=zh")
        );
        assert!(POLICY.contains("default-src 'none'") && !POLICY.contains("unsafe"));
    }
}
