//! What a package says of itself, and is signed: which files, of which incident, taken by whom and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{EvidenceId, ExportId, ExportedFile, IncidentId, SiteId};

/// What it is.
pub(super) const FORMAT: &str = "gridpost-package";
pub(super) const FORMAT_VERSION: u32 = 1;

/// Names of what stands beside the evidence, in the order in which it stands there.
pub(super) const README: &str = "README.txt";
pub(super) const RECORDS: &str = "records.jsonl";
pub(super) const CHAIN: &str = "chain.bin";
pub(super) const PUBLIC_KEY: &str = "site-key.pub";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SIGNATURE: &str = "manifest.sig";
/// The folder of the evidence.
pub(super) const EVIDENCE: &str = "evidence/";

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    /// Who made it.
    pub(super) gridpost: String,
    pub(super) site: PackageSite,
    pub(super) incident: IncidentId,
    /// In the journal its record has the same.
    pub(super) export: ExportId,
    pub(super) at: Timestamp,
    /// As claimed.
    pub(super) by: String,
    pub(super) why: String,
    /// Ed25519, 64 hex digits: what it is signed with.
    pub(super) key: String,
    pub(super) chain: ChainSpan,
    /// All files before this one, in their order.
    pub(super) files: Vec<ExportedFile>,
    /// Evidence of the incident that is not in it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<LeftOut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackageSite {
    pub(super) id: SiteId,
    pub(super) name: String,
}

/// Which records are in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChainSpan {
    pub(super) from: u64,
    pub(super) through: u64,
    pub(super) records: usize,
    /// Of the incident between these, and not in it: mere updates, presses that came again, and what became of
    /// those updates, beyond a bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) left_out: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    pub(super) evidence: EvidenceId,
    /// Of the file.
    pub(super) sha256: String,
    pub(super) why: String,
}

/// For whoever opens it without knowing what it is.
pub(super) fn readme(site: &str, incident: IncidentId) -> String {
    format!(
        "gridpost 网格哨所：证据包

本文件是一起事件的记录和证据，由现场设备签名，任何改动都能被发现。
  现场 / site      {site}
  事件 / incident  {incident}

  evidence/        图片和视频（人物头部已模糊处理；原图加密保存在现场）
  records.jsonl    该事件的记录，每行一条（重复更新过多时有省略，条数见 manifest.json）
  chain.bin        这些记录在现场日志中的原始字节和哈希链
  manifest.json    文件清单：名称、大小、sha256、导出人、原因
  manifest.sig     清单的 Ed25519 签名
  site-key.pub     现场公钥

在任何装有 gridpost 的机器上验证：
  gridpost verify 本文件 --key 现场公钥
公钥请向现场核对（现场运行 gridpost keys）。请勿解压后重新打包：重新打包的文件不能通过验证。

This is one incident with its evidence, signed by the site; any change shows. To prove it on any machine:
  gridpost verify THIS-FILE --key PUBLIC-KEY
Ask the site for its public key (`gridpost keys` there). Do not unpack it and pack it again: what was packed
again does not pass. Heads of people are blurred; the originals lie sealed at the site.
"
    )
}
