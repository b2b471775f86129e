//! Every address of the web: who may use it, what goes in and what comes out. What is not here is refused.
//!
//! The router is built from this table, the OpenAPI document is written from it, and a test walks it: each address with
//! each role. A new address is a line here and its handler in `routes.rs`.

use crate::domain::{AccountRole, TokenScope};

/// Names an address and what is done there; its handler is in `routes.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteId {
    Page,
    Asset,
    Health,
    Ready,
    Metrics,
    Incidents,
    Incident,
    IncidentLink,
    IncidentReplies,
    Package,
    Hold,
    Figures,
    FiguresCsv,
    FiguresXlsx,
    Rules,
    Devices,
    Evidence,
    Original,
    Replies,
    Reload,
    Rain,
    Postures,
    OrderPosture,
    Console,
    Changes,
    Alarms,
    Map,
    MapGround,
    Fleet,
    Presence,
    Announce,
    Cameras,
    FindCameras,
    AddCamera,
    AddButton,
    Still,
    Live,
    TryRule,
    ApplyRule,
    UndoApplied,
    Session,
    LogIn,
    NameSession,
    LogOut,
    Password,
    FirstAccount,
    Accounts,
    AddAccount,
    ChangeAccount,
    RemoveAccount,
    AddToken,
    RemoveToken,
    BeginWall,
    ClaimWall,
    ConfirmWall,
    Platform,
}

/// Who may.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// Anybody: nothing of the site is in it.
    Anybody,
    /// Anybody where the listener is on loopback; else as `Inside`.
    OpenOnLoopback(&'static [AccountRole], Option<TokenScope>),
    /// Who has shown the token of this platform; its handler looks at it.
    Platform,
    /// An account with one of these roles, an API token with this scope, or the token of the site.
    Inside(&'static [AccountRole], Option<TokenScope>),
}

/// What goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyShape {
    Nothing,
    /// JSON; the name of its schema, in `api_schema.rs`.
    Json(&'static str),
    /// As JSON, or as a form with a picture.
    JsonOrForm(&'static str),
    /// A file of this media type.
    File(&'static str),
    /// A WebSocket of JSON texts.
    Socket(&'static str),
}

/// One address and method.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) id: RouteId,
    /// `GET` stands for HEAD too.
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) who: Who,
    /// Names in the query, each with what is expected.
    pub(super) query: &'static [(&'static str, &'static str)],
    pub(super) takes: BodyShape,
    pub(super) gives: BodyShape,
    /// In a few words.
    pub(super) about: &'static str,
}

impl Route {
    /// Whether something is changed by it.
    pub(super) fn changes(&self) -> bool {
        self.method != "GET"
    }
}
