//! The message catalogue: what an officer reads of each kind, Chinese first.

use crate::domain::{Kind, SourceInfo, Title};

/// Title of an incident of `kind` at a source.
pub(super) fn title(kind: Kind, source: &SourceInfo) -> Title {
    let (zh, en) = words(kind);
    Title { zh: format!("{}：{zh}", source.name), en: format!("{}: {en}", source.name) }
}

fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::EmergencyButton => ("紧急按钮求助", "emergency button pressed"),
        Kind::Intrusion => ("有人闯入警戒区域", "intrusion into the zone"),
        Kind::Line => ("越过警戒线", "line crossed"),
        Kind::Loiter => ("有人长时间徘徊", "loitering"),
        Kind::Crowd => ("人员聚集", "crowd gathering"),
        Kind::FireLane => ("车辆占用消防通道", "vehicle stopped in the fire lane"),
        Kind::Waterside => ("人员靠近水边", "person at the waterside"),
        Kind::Rain => ("降雨预警", "rain warning"),
        Kind::WaterLevel => ("水位预警", "water level warning"),
        Kind::Report => ("群众上报", "report"),
        Kind::Patrol => ("巡查", "patrol"),
        Kind::DeviceSilent => ("设备失联", "device silent"),
        Kind::DeviceBattery => ("设备电量低", "device battery low"),
        Kind::DeviceTamper => ("设备被拆动", "device tampered with"),
        Kind::DeviceWeak => ("设备信号弱", "device badly received"),
        Kind::CameraSilent => ("摄像头无信号", "camera silent"),
        Kind::CameraBlind => ("摄像头被遮挡", "camera blind"),
        Kind::CameraMoved => ("摄像头被移动", "camera moved"),
        Kind::CameraFrozen => ("摄像头画面冻结", "camera frozen"),
        Kind::CameraUnfocused => ("摄像头画面模糊", "camera out of focus"),
        Kind::DetectorDegraded => ("智能识别不可用", "detector degraded"),
        Kind::SinkDown => ("上报通道中断", "sink down"),
        Kind::DiskLow => ("磁盘空间不足", "disk low"),
        Kind::ClockSkew => ("时钟偏差", "clock skew"),
        Kind::Loss => ("记录丢失", "loss"),
        Kind::DeviceFault => ("设备数据异常", "device data implausible"),
        Kind::Posture => ("值守状态变化", "posture changed"),
    }
}
