//! The table itself: each address, who may use it, what goes in and what comes out.

use super::route_table::{BodyShape, Route, RouteId, Who};
use crate::domain::{AccountRole, TokenScope};

use AccountRole::{Auditor, Commander, Installer, Officer, Wall, Worker};

const READERS: &[AccountRole] = &[Officer, Worker, Commander, Installer, Auditor, Wall];
const WATCHERS: &[AccountRole] = &[Officer, Worker, Commander, Auditor, Wall];
const COUNTERS: &[AccountRole] = &[Officer, Worker, Commander, Auditor];
const ANSWERERS: &[AccountRole] = &[Officer, Worker, Commander];
/// An installer draws zones over what a camera shows.
const VIEWERS: &[AccountRole] = &[Officer, Worker, Commander, Installer, Wall];
const PERSONS: &[AccountRole] = &[Officer, Worker, Commander, Installer, Auditor];
/// Of whom none is of some grids alone.
const WHOLE_SITE: &[AccountRole] = &[Officer, Commander, Installer, Auditor];
const MANAGERS: &[AccountRole] = &[Commander, Installer];

const READ: Option<TokenScope> = Some(TokenScope::Read);
const REPLY: Option<TokenScope> = Some(TokenScope::Reply);

const fn get(
    id: RouteId,
    path: &'static str,
    who: Who,
    gives: BodyShape,
    about: &'static str,
) -> Route {
    Route { id, method: "GET", path, who, query: &[], takes: BodyShape::Nothing, gives, about }
}

const fn post(
    id: RouteId,
    path: &'static str,
    who: Who,
    (takes, gives): (BodyShape, BodyShape),
    about: &'static str,
) -> Route {
    Route { id, method: "POST", path, who, query: &[], takes, gives, about }
}

/// The same with another method.
const fn by(method: &'static str, route: Route) -> Route {
    Route { method, ..route }
}

/// The same with names in the query.
const fn asked(query: &'static [(&'static str, &'static str)], route: Route) -> Route {
    Route { query, ..route }
}

const REASON: &[(&str, &str)] = &[("reason", "a sentence")];
const FIGURES: &[(&str, &str)] = &[
    ("month", "YYYY-MM"),
    ("from", "a day, YYYY-MM-DD"),
    ("until", "the day after the last one"),
    ("by", "grid, kind, department …"),
    ("group", "a name"),
];

use BodyShape::{File, Json, JsonOrForm, Nothing, Socket};
use Who::{Anybody, Inside, OpenOnLoopback};

/// All of them, by address.
pub(super) const ROUTES: &[Route] = &[
    get(RouteId::Page, "/", Anybody, File("text/html"), "the officers' page"),
    get(
        RouteId::Asset,
        "/assets/{name}",
        Anybody,
        File("application/octet-stream"),
        "a file of the page",
    ),
    get(RouteId::Health, "/healthz", Anybody, File("text/plain"), "the process answers"),
    get(
        RouteId::Ready,
        "/readyz",
        Anybody,
        Json("Readiness"),
        "200, or 503; beyond loopback the reasons need a token or a session",
    ),
    get(
        RouteId::Metrics,
        "/metrics",
        OpenOnLoopback(WHOLE_SITE, Some(TokenScope::Metrics)),
        File("text/plain"),
        "Prometheus text",
    ),
    get(
        RouteId::Accounts,
        "/api/v1/accounts",
        Inside(MANAGERS, None),
        Json("Accounts"),
        "all accounts and API tokens",
    ),
    post(
        RouteId::AddAccount,
        "/api/v1/accounts",
        Inside(MANAGERS, None),
        (Json("NewAccount"), Nothing),
        "another account",
    ),
    by(
        "PATCH",
        post(
            RouteId::ChangeAccount,
            "/api/v1/accounts/{name}",
            Inside(MANAGERS, None),
            (Json("AccountChange"), Nothing),
            "roles, grids, password of an account; its sessions end",
        ),
    ),
    by(
        "DELETE",
        post(
            RouteId::RemoveAccount,
            "/api/v1/accounts/{name}",
            Inside(MANAGERS, None),
            (Nothing, Nothing),
            "an account goes, and its sessions",
        ),
    ),
    asked(
        &[("hours", "1 to 168")],
        get(
            RouteId::Alarms,
            "/api/v1/alarms",
            Inside(COUNTERS, READ),
            Json("Anything"),
            "how many cases an hour call an officer, and which rules make them",
        ),
    ),
    get(
        RouteId::Fleet,
        "/api/v1/fleet",
        Inside(READERS, READ),
        Json("Anything"),
        "how cameras, drones and loudspeakers are now",
    ),
    get(
        RouteId::Presence,
        "/api/v1/presence",
        Inside(READERS, READ),
        Json("Anything"),
        "how many devices were where, in periods that are over; no address",
    ),
    get(
        RouteId::Map,
        "/api/v1/map",
        Inside(READERS, READ),
        Json("Anything"),
        "grids, and where each source is",
    ),
    get(
        RouteId::MapGround,
        "/api/v1/map/ground",
        Inside(READERS, READ),
        File("image/png"),
        "the picture under the map",
    ),
    post(
        RouteId::Announce,
        "/api/v1/announce",
        Inside(&[Officer, Commander], Some(TokenScope::Announce)),
        (Json("AnnounceOrder"), Json("Anything")),
        "words of one's own at loudspeakers",
    ),
    get(
        RouteId::Cameras,
        "/api/v1/cameras",
        Inside(VIEWERS, READ),
        Json("Anything"),
        "every camera with its rules",
    ),
    post(
        RouteId::FindCameras,
        "/api/v1/cameras/find",
        Inside(&[Installer], None),
        (Nothing, Json("Anything")),
        "looks for cameras on the network, for some seconds; that it was done is written down",
    ),
    post(
        RouteId::AddCamera,
        "/api/v1/cameras",
        Inside(&[Installer], None),
        (Json("NewCamera"), Json("Anything")),
        "another camera, written over the hand-written file, and it holds",
    ),
    post(
        RouteId::AddButton,
        "/api/v1/buttons",
        Inside(&[Installer], None),
        (Json("NewButton"), Json("Anything")),
        "another button on the list, written over the hand-written file, and it holds",
    ),
    asked(
        &[("stream", "sub or main")],
        get(
            RouteId::Live,
            "/api/v1/cameras/{id}/live",
            Inside(VIEWERS, READ),
            Socket("Anything"),
            "what it shows now, as fragments of an MP4",
        ),
    ),
    get(
        RouteId::Still,
        "/api/v1/cameras/{id}/still",
        Inside(VIEWERS, READ),
        File("image/jpeg"),
        "what it showed last",
    ),
    asked(
        &[("after", "a position of the journal"), ("series", "of the overview")],
        get(
            RouteId::Changes,
            "/api/v1/changes",
            Inside(READERS, READ),
            Socket("Message"),
            "each change of an incident",
        ),
    ),
    get(
        RouteId::Console,
        "/api/v1/console",
        Inside(READERS, READ),
        Json("Overview"),
        "what a page begins with",
    ),
    asked(
        &[("state", "one of the states of devices")],
        get(
            RouteId::Devices,
            "/api/v1/devices",
            Inside(READERS, READ),
            Json("Devices"),
            "every device and how it is",
        ),
    ),
    get(
        RouteId::Evidence,
        "/api/v1/evidence/{id}",
        Inside(WATCHERS, READ),
        File("application/octet-stream"),
        "the file; that it was read is written down",
    ),
    asked(
        REASON,
        get(
            RouteId::Original,
            "/api/v1/evidence/{id}/original",
            Inside(&[Commander, Auditor], None),
            File("image/jpeg"),
            "a picture before heads were blurred; that it was opened is written down",
        ),
    ),
    asked(
        FIGURES,
        get(
            RouteId::Figures,
            "/api/v1/figures",
            Inside(COUNTERS, READ),
            Json("Figures"),
            "what a district counts",
        ),
    ),
    asked(
        FIGURES,
        get(
            RouteId::FiguresCsv,
            "/api/v1/figures.csv",
            Inside(COUNTERS, READ),
            File("text/csv"),
            "the same as CSV",
        ),
    ),
    asked(
        FIGURES,
        get(
            RouteId::FiguresXlsx,
            "/api/v1/figures.xlsx",
            Inside(COUNTERS, READ),
            File("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            "the same as a spreadsheet",
        ),
    ),
    post(
        RouteId::FirstAccount,
        "/api/v1/first-account",
        Anybody,
        (Json("FirstAccount"), Json("Session")),
        "the first account, for who has the code of `gridpost user init`",
    ),
    asked(
        &[
            ("active", "true or false"),
            ("kind", "a kind of incident"),
            ("since", "RFC 3339"),
            ("limit", "a number"),
        ],
        get(
            RouteId::Incidents,
            "/api/v1/incidents",
            Inside(READERS, READ),
            Json("Incidents"),
            "the one opened last first",
        ),
    ),
    get(
        RouteId::Incident,
        "/api/v1/incidents/{id}",
        Inside(READERS, READ),
        Json("Incident"),
        "one incident",
    ),
    asked(
        &[("for", "the name of a person")],
        get(
            RouteId::IncidentLink,
            "/api/v1/incidents/{id}/link",
            Inside(&[Officer, Commander], REPLY),
            Json("Link"),
            "the link by which a person answers a case",
        ),
    ),
    post(
        RouteId::Hold,
        "/api/v1/incidents/{id}/hold",
        Inside(&[Officer, Commander], None),
        (Json("Reason"), Json("Anything")),
        "its evidence is kept, whatever its age",
    ),
    asked(
        REASON,
        get(
            RouteId::Package,
            "/api/v1/incidents/{id}/package",
            Inside(&[Officer, Commander, Auditor], None),
            File("application/zip"),
            "the incident with its evidence as one signed file; that it was made is written down",
        ),
    ),
    post(
        RouteId::IncidentReplies,
        "/api/v1/incidents/{id}/replies",
        Inside(ANSWERERS, REPLY),
        (JsonOrForm("Reply"), Json("Incident")),
        "a step of this case, perhaps with a picture",
    ),
    post(
        RouteId::Password,
        "/api/v1/password",
        Inside(PERSONS, None),
        (Json("OwnPassword"), Nothing),
        "another password of one's own account",
    ),
    post(
        RouteId::Platform,
        "/api/v1/platform/{id}",
        Who::Platform,
        (Json("Anything"), Json("Anything")),
        "a platform pushes its replies, with a token of its own",
    ),
    get(
        RouteId::Postures,
        "/api/v1/posture",
        Inside(READERS, READ),
        Json("Postures"),
        "postures that hold now",
    ),
    post(
        RouteId::OrderPosture,
        "/api/v1/posture",
        Inside(&[Officer, Commander], Some(TokenScope::Posture)),
        (Json("PostureOrder"), Json("Postures")),
        "an order of posture",
    ),
    get(
        RouteId::Rain,
        "/api/v1/rain",
        Inside(READERS, READ),
        Json("Anything"),
        "sums, grades and curves",
    ),
    asked(
        &[("confirm", "true or false")],
        post(
            RouteId::Reload,
            "/api/v1/reload",
            Inside(&[Installer], Some(TokenScope::Reload)),
            (Nothing, Json("Anything")),
            "the configuration is read anew",
        ),
    ),
    post(
        RouteId::Replies,
        "/api/v1/replies",
        Inside(ANSWERERS, REPLY),
        (Json("Reply"), Json("Incident")),
        "a step of a case",
    ),
    asked(
        &[("since", "RFC 3339, past")],
        get(
            RouteId::Rules,
            "/api/v1/rules",
            Inside(WHOLE_SITE, READ),
            Json("Anything"),
            "how each rule does",
        ),
    ),
    post(
        RouteId::ApplyRule,
        "/api/v1/rules/apply",
        Inside(MANAGERS, None),
        (Json("Anything"), Json("Anything")),
        "a rule is written over the hand-written file, and holds",
    ),
    post(
        RouteId::TryRule,
        "/api/v1/rules/try",
        Inside(MANAGERS, None),
        (Json("Anything"), Json("Anything")),
        "what a rule would have raised, from kept tracks",
    ),
    post(
        RouteId::UndoApplied,
        "/api/v1/rules/undo",
        Inside(MANAGERS, None),
        (Json("Anything"), Json("Anything")),
        "what was applied last is taken back",
    ),
    get(
        RouteId::Session,
        "/api/v1/session",
        Anybody,
        Json("Session"),
        "who is logged in at this browser",
    ),
    post(
        RouteId::LogIn,
        "/api/v1/session",
        Anybody,
        (Json("LogIn"), Json("Session")),
        "logging in",
    ),
    by(
        "PUT",
        post(
            RouteId::NameSession,
            "/api/v1/session",
            Inside(READERS, None),
            (Json("SessionName"), Json("SessionName")),
            "who sits here, of a session by the token",
        ),
    ),
    by(
        "DELETE",
        post(
            RouteId::LogOut,
            "/api/v1/session",
            Inside(READERS, None),
            (Nothing, Nothing),
            "logging out",
        ),
    ),
    post(
        RouteId::AddToken,
        "/api/v1/tokens",
        Inside(MANAGERS, None),
        (Json("NewToken"), Json("MadeToken")),
        "another API token, which is shown this once",
    ),
    by(
        "DELETE",
        post(
            RouteId::RemoveToken,
            "/api/v1/tokens/{name}",
            Inside(MANAGERS, None),
            (Nothing, Nothing),
            "an API token opens nothing more, at once",
        ),
    ),
    post(
        RouteId::BeginWall,
        "/api/v1/walls",
        Anybody,
        (Nothing, Json("WallCode")),
        "a screen on a wall asks to be paired",
    ),
    post(
        RouteId::ClaimWall,
        "/api/v1/walls/claim",
        Anybody,
        (Json("WallSecret"), Json("Session")),
        "the screen asks whether it was confirmed: 202 not yet, 200 with its session",
    ),
    post(
        RouteId::ConfirmWall,
        "/api/v1/walls/confirm",
        Inside(&[Commander], None),
        (Json("WallConfirmed"), Nothing),
        "the screen with this code becomes a wall",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_address_stands_once_and_what_changes_something_is_not_for_everybody() {
        let mut seen = BTreeSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.path, route.method)), "{} {}", route.method, route.path);
            let open = ["/api/v1/session", "/api/v1/first-account", "/api/v1/walls"];
            if matches!(route.who, Who::Anybody) && route.changes() {
                assert!(open.iter().any(|open| route.path.starts_with(open)), "{}", route.path);
            }
        }
    }

    /// A wall and an auditor read; whoever is not named has nothing.
    #[test]
    fn walls_and_auditors_change_nothing_and_installers_see_no_pictures() {
        for route in ROUTES {
            let Who::Inside(roles, _) = route.who else { continue };
            let own = [RouteId::NameSession, RouteId::LogOut, RouteId::Password];
            if route.changes() && !own.contains(&route.id) {
                assert!(!roles.contains(&Wall) && !roles.contains(&Auditor), "{}", route.path);
            }
            assert!(!roles.is_empty(), "{}", route.path);
        }
        let evidence = ROUTES.iter().find(|route| route.id == RouteId::Evidence);
        let roles = evidence.map(|route| route.who);
        assert!(matches!(roles, Some(Inside(roles, _)) if !roles.contains(&Installer)));
    }
}
