//! The only place that knows everyone: makes the channels, starts the parts, stops them.

mod account_notes;
mod accounts;
mod announce_request;
mod applied;
mod button_adding;
mod camera_adding;
mod camera_desk;
mod camera_events;
mod camera_figures;
mod camera_stills;
mod camera_streams;
mod camera_table;
mod cameras_run;
mod causes;
mod console_backend;
mod core;
mod couriers;
mod device_table;
mod discover;
mod disk_watch;
mod doctor;
mod drill_request;
mod drones;
mod evidence_out;
mod evidence_worker;
mod face_watch;
mod fleet;
mod from_config;
mod heart;
mod heartbeat;
mod home;
mod in_hand;
mod ingress;
mod junction;
mod kept_table;
mod links;
mod map_facts;
mod one_entry;
mod outbox;
mod picture_file;
mod plate_seals;
mod platform_doors;
mod platforms;
mod presence;
mod reload;
mod replay;
mod request_file;
mod resident_reports;
mod retry_request;
mod rule_changes;
mod rule_report;
mod rule_trial;
mod shared;
mod site_facts;
mod standing_table;
mod step_pictures;
mod systemd;
mod topology;
mod track_feed;
mod typed_keys;

pub use crate::sources::{
    onvif::{Discovered, SourceOffer},
    recorded::{Recorded, RecordedMessage},
};
pub use accounts::{
    AccountChange, AccountProblem, Accounts, Doer, NewAccount, NewToken, api_schema, command_doer,
};
pub use announce_request::ask_to_announce;
pub use applied::{ReloadAnswer, ask_for_reload};
pub use camera_table::{CameraState, CameraTable, SignState, camera_table};
pub use device_table::{device_models, device_table};
pub use discover::{Search, discover};
pub use doctor::{Diagnosis, DoctorReport, Gravity, RunningFacts, examine, how_it_runs, of_config};
pub use drill_request::{DrillReport, ask_for_drill};
pub use evidence_out::{Wish, export_to, original_to};
pub use from_config::event_context;
pub use links::{link_people, revoke_links};
pub use reload::Reread;
pub use replay::{Played, Replay, ReplayOutput, TrackedLook, replay};
pub use retry_request::ask_for_retry;
pub use rule_report::{ReportGaps, RuleLine, RuleReport, rule_report};
pub use topology::run;

pub use crate::rules::tuning::Proposal;
