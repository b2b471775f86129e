//! The names of all metrics; the registry that counts them lives in `base`.

use std::time::Duration;

/// Counters only rise; gauges are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
}

macro_rules! metrics {
    ($($variant:ident $kind:ident $name:literal [$label:literal] $help:literal;)+) => {
        /// Every metric, with at most two labels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric { $(#[doc = $help] $variant,)+ }
        impl Metric {
            /// Every metric.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// Prometheus name, unit last.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
            /// Names of its labels, with a comma between; empty for none.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
            /// Its line of help.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }
            /// Counter or gauge.
            pub fn kind(self) -> MetricKind {
                match self { $(Self::$variant => MetricKind::$kind,)+ }
            }
        }
    };
}

metrics! {
    CameraConnects Counter "gridpost_camera_connects_total" ["camera"] "Sessions opened with the camera.";
    CameraFailures Counter "gridpost_camera_failures_total" ["camera"] "Connections that failed or broke.";
    CameraPackets Counter "gridpost_camera_packets_total" ["camera"] "Video packets received.";
    CameraBadPackets Counter "gridpost_camera_bad_packets_total" ["camera"] "Packets that could not be decoded.";
    CameraFrames Counter "gridpost_camera_frames_total" ["camera"] "Pictures decoded.";
    CameraSkipped Counter "gridpost_camera_skipped_frames_total" ["camera"] "Looks skipped because the box had no time for them.";
    CameraDetected Counter "gridpost_camera_detected_frames_total" ["camera"] "Pictures the detector looked at.";
    CameraLookSeconds Counter "gridpost_camera_look_seconds_total" ["camera"] "Processor time of key frames decoded while asleep.";
    CameraAwakeSeconds Counter "gridpost_camera_awake_seconds_total" ["camera"] "Processor time of decoding while awake.";
    CameraDetectSeconds Counter "gridpost_camera_detect_seconds_total" ["camera"] "Processor time of the detector for its pictures, with one thread.";
    CameraRuns Counter "gridpost_camera_detector_runs_total" ["camera"] "Runs of the model: the whole picture and crops.";
    CameraLooks Counter "gridpost_camera_looks_total" ["camera"] "Key frames looked at while asleep.";
    CameraWakes Counter "gridpost_camera_wakes_total" ["camera,cause"] "Times it woke, by cause.";
    CameraSignPrecision Gauge "gridpost_camera_sign_precision" ["camera,sign"] "Share of the signs (event: the camera's own word; signal: size of packets) that the looks bore out; absent before the first.";
    CameraSignRecall Gauge "gridpost_camera_sign_recall" ["camera,sign"] "Share of what the looks saw that the sign had told.";
    CameraSignBelieved Gauge "gridpost_camera_sign_believed" ["camera,sign"] "1 while the sign wakes the camera, 0 while it is only held against the looks.";
    CameraEvents Counter "gridpost_camera_events_total" ["camera"] "Times the camera itself (ONVIF) said that something begins to move.";
    CameraEventsUp Gauge "gridpost_camera_events_up" ["camera"] "1 while the camera's events (ONVIF) are heard.";
    CameraEventFailures Counter "gridpost_camera_event_failures_total" ["camera"] "Subscriptions to its events that failed or broke.";
    CameraNudges Counter "gridpost_camera_nudges_total" ["camera,cause"] "Times somebody outside asked it to wake: event, press, neighbour; it may have been awake, or not have believed it.";
    CameraLevel Gauge "gridpost_camera_level" ["camera"] "0 packets only, 1 asleep (looks now and then), 2 awake (decodes everything).";
    CameraGop Gauge "gridpost_camera_gop_seconds" ["camera"] "Between its two latest key frames.";
    CameraLag Gauge "gridpost_camera_lag_seconds" ["camera"] "How far behind the stream it is looked at.";
    CameraRing Gauge "gridpost_camera_ring_seconds" ["camera"] "Packets kept for clips and replay.";
    CameraQueue Gauge "gridpost_camera_queue" ["camera"] "Pictures that wait for the detector.";
    CameraStreams Gauge "gridpost_camera_streams" ["camera,by"] "1 for which of its two streams a camera with a detect_url is looked at and seen with: sub, main; or one alone, and why.";
    CameraDecoding Gauge "gridpost_camera_decoding" ["camera,by"] "1 for what it is decoded by: software, a device, or software and why not the device that was wished.";
    CameraSleepless Gauge "gridpost_camera_sleepless" ["camera,cause"] "1 while it decodes everything because of its key frames: long-gop (they are more than 10 s apart), no-key-frame (there is none, or none yet).";
    CameraUp Gauge "gridpost_camera_up" ["camera"] "1 while packets arrive.";
    CameraClock Gauge "gridpost_camera_clock_offset_seconds" ["camera"] "The camera's own clock (RTCP) minus ours; absent while it says nothing.";
    DronePoses Counter "gridpost_drone_poses_total" ["drone"] "Sets of telemetry read from the drone's video (KLV).";
    RingBytes Gauge "gridpost_ring_bytes" ["camera"] "Bytes of packets kept for clips.";
    SignalsAccepted Counter "gridpost_signals_accepted_total" ["kind"] "Signals on disk and acknowledged.";
    SignalsDuplicate Counter "gridpost_signals_duplicate_total" ["source"] "Signals seen before.";
    SignalsUnreadable Counter "gridpost_signals_unreadable_total" ["origin"] "Payloads that could not be read, quarantined.";
    SignalsRefused Counter "gridpost_signals_refused_total" ["origin"] "Connections or packets refused (users, size, protocol).";
    WebTokensRefused Counter "gridpost_web_tokens_refused_total" [""] "Requests to the web API with a wrong token.";
    LinksRefused Counter "gridpost_links_refused_total" ["why"] "Signed links that were refused: wrong (cut, forged, revoked, of another gateway), expired, closed (its case is), no-keys (they cannot be read).";
    SignalsTooLarge Counter "gridpost_signals_too_large_total" ["origin"] "Messages too large to be read, set aside and acknowledged.";
    RepliesRefused Counter "gridpost_replies_refused_total" ["origin"] "Replies and orders by MQTT that cannot be done (no such incident, closed), quarantined.";
    SignalsLimited Counter "gridpost_signals_limited_total" ["source"] "Messages of a device beyond its rate, set aside unread; never a press.";
    DeviceUnreadable Counter "gridpost_device_unreadable_total" ["source"] "Payloads of a device that could not be read, quarantined.";
    Devices Gauge "gridpost_devices" ["state"] "Devices by state: fine, silent, battery, tamper, weak, unheard, unknown.";
    SignalsNotTaken Counter "gridpost_signals_not_taken_total" ["source"] "Observations not taken, nor acknowledged, while the disk had room for presses alone.";
    GaugeReports Counter "gridpost_gauge_reports_total" ["gauge"] "Reports of gauges taken, repeated ones too.";
    PresenceMessages Counter "gridpost_presence_messages_total" ["place"] "Messages of the Wi-Fi sensors of a place.";
    PresenceUnread Counter "gridpost_presence_unread_total" ["place"] "Of them those that were not counted: no address in them, retained, too large. Nothing of them is kept.";
    PresenceDevices Gauge "gridpost_presence_devices" ["place"] "Devices in the last period that is over, as a multiple of ten; 0: too few to be told, or no sensor was heard.";
    Sl651Connections Gauge "gridpost_sl651_connections" [""] "Hydrological stations connected now.";
    Incidents Counter "gridpost_incidents_total" ["kind"] "Incidents opened.";
    Delivered Counter "gridpost_delivered_total" ["sink"] "Records delivered.";
    SinkPassed Counter "gridpost_sink_passed_total" ["sink"] "Records that were none of a sink's business (its filter, its age): delivered in the ledger, and nothing was sent.";
    PlatformReplies Counter "gridpost_platform_replies_total" ["sink,outcome"] "Replies of a district's platform: taken, ignored (known, and nothing to us), own (a step that we told it), doubled; refused, unknown-case, unreadable (these are in the quarantine).";
    PlatformSentAgain Counter "gridpost_platform_sent_again_total" ["sink"] "Cases opened once more under the same id, because an answer was lost and the profile cannot ask.";
    DeliveryFailures Counter "gridpost_delivery_failures_total" ["sink"] "Tries that failed and will be repeated.";
    DeadLettered Counter "gridpost_dead_lettered_total" ["sink"] "Records refused for good.";
    Expired Counter "gridpost_expired_total" ["sink"] "Announcements that a speaker did not say while they were of use.";
    SinkUp Gauge "gridpost_sink_up" ["sink"] "0 after three failures in a row in one of its lanes, until that lane works again.";
    SinkSetAside Gauge "gridpost_sink_set_aside" ["sink"] "Records and files that the sink refuses, or that fail while others pass: owed still, and tried now and then.";
    EvidenceDelivered Counter "gridpost_evidence_delivered_total" ["sink"] "Pictures and clips carried upward.";
    EvidenceUploadFailures Counter "gridpost_evidence_upload_failures_total" ["sink"] "Uploads that failed or broke and will be continued.";
    HeartbeatFailures Counter "gridpost_heartbeat_failures_total" ["sink"] "Heartbeats that did not get through; they are not sent again.";
    Pending Gauge "gridpost_pending_records" ["sink"] "Records not settled by the sink.";
    StoreSyncs Counter "gridpost_store_syncs_total" [""] "fdatasync calls of the journal.";
    StoreRecords Counter "gridpost_store_records_total" [""] "Records appended to the journal.";
    StoreErrors Counter "gridpost_store_errors_total" [""] "Write or sync errors of the store.";
    StoreAvailable Gauge "gridpost_store_available" [""] "1 while the store can write.";
    StoreRoom Gauge "gridpost_store_room" [""] "0 fine, 1 low (no new evidence), 2 tight (notices are given up), 3 full (only presses).";
    StoreJournalBytes Gauge "gridpost_store_journal_bytes" [""] "Bytes of the journal.";
    StoreEvidenceBytes Gauge "gridpost_store_evidence_bytes" [""] "Bytes of snapshots and clips.";
    StoreFreeBytes Gauge "gridpost_store_free_bytes" [""] "Free bytes of the data folder's file system.";
    TracksDropped Counter "gridpost_tracks_dropped_total" [""] "Rows of tracks that were not kept: no room, or a disk that fails or is too slow.";
    DetectorUp Gauge "gridpost_detector_up" [""] "1 while the detector is loaded.";
    DetectorProvider Gauge "gridpost_detector_provider" ["provider"] "1 for the execution provider of ONNX Runtime that runs the model.";
    ResidentReports Counter "gridpost_reports_total" ["outcome"] "Reports of residents on the public page: taken, repeated; without-picture (taken, and its picture refused); limited, refused, not-stored.";
    EvidenceFailed Counter "gridpost_evidence_failures_total" ["source"] "Snapshots or clips that could not be made.";
    ConfigReloads Counter "gridpost_config_reloads_total" ["outcome"] "Reloads of the configuration: done, wrong, refused.";
    BuildInfo Gauge "gridpost_build_info" ["version"] "1, with the version of the program.";
    StartTime Gauge "gridpost_start_time_seconds" [""] "When the process began, seconds since 1970 by the clock of now.";
    HeapBytes Gauge "gridpost_heap_bytes" [""] "Bytes that the process has allocated; what memory_bytes has beyond them is code, threads, mapped files and what the allocator keeps for later.";
    MemoryBytes Gauge "gridpost_memory_bytes" [""] "Resident memory of the process.";
}

/// Counts; cheap enough for every packet.
pub trait Meter: Send + Sync {
    fn add(&self, metric: Metric, label: &str, n: u64);
    fn set(&self, metric: Metric, label: &str, value: f64);
    /// 1 for this pair of labels, and no other with the same first one has a figure any more.
    fn only(&self, metric: Metric, one: &str, other: &str) {
        self.set(metric, &label_pair(one, other), 1.0);
    }
    /// Adds to a counter of seconds; one who only counts need not care.
    fn spend(&self, _: Metric, _: &str, _: Duration) {}
}

/// The value of two labels.
pub fn label_pair(one: &str, other: &str) -> String {
    format!("{one}{LABEL_BREAK}{other}")
}

/// Stands between the values of two labels; in no id.
pub const LABEL_BREAK: char = '\u{1f}';

/// Counts nothing: for tests of a single room.
pub struct NoMeter;

impl Meter for NoMeter {
    fn add(&self, _: Metric, _: &str, _: u64) {}
    fn set(&self, _: Metric, _: &str, _: f64) {}
}
