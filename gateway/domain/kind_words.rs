//! What an officer reads of each kind of incident, Chinese first. Pure.

use super::Kind;

impl Kind {
    /// Its name in Chinese and in English.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::EmergencyButton => ("紧急按钮求助", "emergency button pressed"),
            Self::Intrusion => ("有人闯入警戒区域", "intrusion into the zone"),
            Self::Line => ("越过警戒线", "line crossed"),
            Self::Loiter => ("有人长时间徘徊", "loitering"),
            Self::Crowd => ("人员聚集", "crowd gathering"),
            Self::FireLane => ("车辆占用消防通道", "vehicle stopped in the fire lane"),
            Self::Waterside => ("人员靠近水边", "person at the waterside"),
            Self::Fallen => ("有人倒地", "person lies on the ground"),
            Self::Seen => ("画面中出现关注目标", "what is looked for was seen"),
            Self::Barrier => ("道闸车辆异常", "vehicle at the barrier"),
            Self::Stay => ("车辆超时停留", "vehicle stays too long"),
            Self::Rain => ("降雨预警", "rain warning"),
            Self::WaterLevel => ("水位预警", "water level warning"),
            Self::Report => ("群众上报", "report"),
            Self::Patrol => ("巡查", "patrol"),
            Self::DeviceSilent => ("设备失联", "device silent"),
            Self::DeviceBattery => ("设备电量低", "device battery low"),
            Self::DeviceTamper => ("设备被拆动", "device tampered with"),
            Self::DeviceWeak => ("设备信号弱", "device badly received"),
            Self::CameraSilent => ("摄像头无信号", "camera silent"),
            Self::CameraBlind => ("摄像头被遮挡", "camera blind"),
            Self::CameraMoved => ("摄像头被移动", "camera moved"),
            Self::CameraFrozen => ("摄像头画面冻结", "camera frozen"),
            Self::CameraUnfocused => ("摄像头画面模糊", "camera out of focus"),
            Self::DetectorDegraded => ("智能识别不可用", "detector degraded"),
            Self::SinkDown => ("上报通道中断", "sink down"),
            Self::DiskLow => ("磁盘空间不足", "disk low"),
            Self::ClockSkew => ("时钟偏差", "clock skew"),
            Self::Loss => ("记录未送达", "loss"),
            Self::DeviceFault => ("设备数据异常", "device data implausible"),
            Self::Posture => ("值守状态变化", "posture changed"),
            Self::Announcement => ("喊话广播", "announcement"),
        }
    }

    /// It is about a device, a part of the gateway or the site's posture, and not about what happens in
    /// a place: the grid's 部件 against 事件.
    pub fn is_of_equipment(self) -> bool {
        match self {
            Self::EmergencyButton
            | Self::Intrusion
            | Self::Line
            | Self::Loiter
            | Self::Crowd
            | Self::FireLane
            | Self::Waterside
            | Self::Fallen
            | Self::Seen
            | Self::Barrier
            | Self::Stay
            | Self::Rain
            | Self::WaterLevel
            | Self::Report
            | Self::Patrol => false,
            Self::DeviceSilent
            | Self::DeviceBattery
            | Self::DeviceTamper
            | Self::DeviceWeak
            | Self::CameraSilent
            | Self::CameraBlind
            | Self::CameraMoved
            | Self::CameraFrozen
            | Self::CameraUnfocused
            | Self::DetectorDegraded
            | Self::SinkDown
            | Self::DiskLow
            | Self::ClockSkew
            | Self::Loss
            | Self::DeviceFault
            | Self::Posture
            | Self::Announcement => true,
        }
    }

    /// A source that is not heard: while such an incident goes on, its source is offline.
    pub fn is_silence(self) -> bool {
        matches!(self, Self::DeviceSilent | Self::CameraSilent)
    }
}
