//! What residents read, Chinese first and English by a switch. Pure.

use crate::domain::{DismissReason, Stage};

/// In which language the page is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Language {
    #[default]
    Zh,
    En,
}

impl Language {
    /// Anything but `en` is Chinese.
    pub(super) fn of(text: &str) -> Self {
        if text == "en" { Self::En } else { Self::Zh }
    }

    pub(super) fn code(self) -> &'static str {
        self.pick("zh", "en")
    }

    /// The one of two texts.
    pub(super) fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// What went wrong with a form or a look-up, for who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Nothing,
    TextTooLong,
    PlaceTooLong,
    PlaceLeft,
    BodyTooLarge,
    Late,
    BrokenOff,
    NoForm,
    Encoding,
    Foreign,
    TooMany,
    TooManyOpen,
    NotStored,
    Unsure,
    NoSuchNumber,
    NoSuchPage,
}

impl Trouble {
    pub(super) fn words(self, language: Language) -> &'static str {
        let (zh, en) = match self {
            Self::Nothing => (
                "请写几个字说明情况，或附一张照片。",
                "Please write what happened, or attach a picture.",
            ),
            Self::TextTooLong => (
                "文字超过 1000 字，请删减后再提交。还没有收下。",
                "The text is longer than 1,000 characters: please shorten it. Nothing was taken yet.",
            ),
            Self::PlaceTooLong => (
                "地点超过 100 字，请删减后再提交。还没有收下。",
                "The place is longer than 100 characters: please shorten it. Nothing was taken yet.",
            ),
            Self::PlaceLeft => (
                "地点列表已更新，请重新选择地点后再提交。还没有收下。",
                "The list of places has changed: please choose the place again. Nothing was taken yet.",
            ),
            Self::BodyTooLarge => (
                "照片超过 5 MB，没有收下。请选小一点的，或先截图再上传。",
                "The picture has more than 5 MB: nothing was taken. Please choose a smaller one.",
            ),
            Self::Late => (
                "上传太慢，没有收完，没有收下。请再试一次，或不附照片。",
                "The upload took too long: nothing was taken. Please try again, or without a picture.",
            ),
            Self::BrokenOff => (
                "上传中断，没有收下。请再试一次。",
                "The upload broke off: nothing was taken. Please try again.",
            ),
            Self::NoForm => (
                "提交的内容不完整，没有收下。请重新打开本页填写。",
                "The form was not complete: nothing was taken. Please open this page again.",
            ),
            Self::Encoding => (
                "文字编码无法识别，没有收下。请用手机自带的浏览器打开本页。",
                "The text is not in UTF-8: nothing was taken. Please use another browser.",
            ),
            Self::Foreign => (
                "请直接打开本页填写，没有收下。",
                "Please open this page itself: nothing was taken.",
            ),
            Self::TooMany => (
                "现在上报的人太多，没有收下。请过一会儿再试。",
                "There are too many reports now: nothing was taken. Please try again later.",
            ),
            Self::TooManyOpen => (
                "待处理的上报太多，暂时不再接收，没有收下。急事请打电话；不急的请过几小时再提交。",
                "Too many reports wait for an answer: nothing was taken. If it is urgent, please call; else send it again in some hours.",
            ),
            Self::NotStored => (
                "现在存不下，没有收下。请过一会儿再提交一次。",
                "It cannot be stored now: nothing was taken. Please send it again later.",
            ),
            Self::Unsure => (
                "还不能确定是否收下。请再按一次“提交上报”：同样的内容不会重复登记。",
                "It is not certain yet whether it was taken. Please press “Send” again: the same report is not taken twice.",
            ),
            Self::NoSuchNumber => {
                ("没有这个查询码，请核对后再试。", "There is no such number. Please check it.")
            }
            Self::NoSuchPage => ("没有这个页面。", "There is no such page."),
        };
        language.pick(zh, en)
    }
}

/// How far a case is, as a resident is told; nothing of who has it.
pub(super) fn stage(stage: Stage, language: Language) -> &'static str {
    let (zh, en) = match stage {
        Stage::Opened => ("已收到", "received"),
        Stage::Accepted => ("已受理", "accepted"),
        Stage::Dispatched | Stage::Handled | Stage::Verified => ("处置中", "being dealt with"),
        Stage::Closed => ("已办结", "closed"),
        Stage::Dismissed => ("不予受理", "not accepted"),
    };
    language.pick(zh, en)
}

/// Why a case is not accepted; a note of officers is not part of it.
pub(super) fn reason(reason: Option<DismissReason>, language: Language) -> &'static str {
    let (zh, en) = match reason {
        Some(DismissReason::FalseAlarm | DismissReason::NotFound) => {
            ("经核实，现场没有发现所述情况", "nothing of the kind was found there")
        }
        Some(DismissReason::Duplicate) => ("同一情况已有人上报", "it had been reported before"),
        Some(DismissReason::NotOurs) => {
            ("不属于受理范围，可拨打 12345", "it is not the grid's to deal with; 12345 may help")
        }
        Some(DismissReason::Test) => ("测试", "a test"),
        Some(DismissReason::Withdrawn) => ("已撤回", "it was withdrawn"),
        Some(DismissReason::Other) | None => ("其他原因", "another reason"),
    };
    language.pick(zh, en)
}
