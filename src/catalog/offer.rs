//! The offer of a conditional dataset: on what terms a firm may have it, known to everybody before anybody applies. The vocabulary is fixed,
//! so that an application can be held against it by a program.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{Entry, Text};
use crate::limits::ReadQuota;

/// What data is used for. 用途
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// 模型预训练: a model learns from it, from nothing on.
    PreTraining,
    /// 模型微调: a model that exists is adapted with it.
    FineTuning,
    /// 模型评测: a model is tested with it and does not learn from it.
    Evaluation,
    /// 检索增强: a model looks it up when it answers.
    Retrieval,
    /// 统计分析: figures are computed of it.
    Analytics,
    /// 科学研究: research whose results are published.
    Research,
    /// 公共服务: a service to the public, for a public body.
    PublicService,
}

/// How a firm keeps data safe. 安全保障措施
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Safeguard {
    /// 静态加密: it is encrypted where it lies.
    EncryptionAtRest,
    /// 传输加密: it is encrypted on its way.
    EncryptionInTransit,
    /// 访问日志: who reads it is recorded.
    AccessLog,
    /// 最小权限: only those read it who need it.
    LeastPrivilege,
    /// 受控环境: it stays in an environment that is apart from others.
    IsolatedEnvironment,
    /// 安全负责人: one person answers for it.
    NamedOfficer,
    /// 应急预案: there is a plan for a leak.
    IncidentPlan,
}

/// What a firm owes for data. 义务
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// 注明来源: results name the source and the date of access.
    Citation,
    /// 报告使用情况: the firm reports what it did with the data.
    UseReport,
    /// 提交删除证明: at the end of the term the firm proves that it deleted the data.
    DeletionProof,
}

/// In which way data is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Whole files.
    Download,
    /// Rows by query.
    Api,
    /// 数据沙箱: groups by query, and no row.
    Sandbox,
}

/// Which versions of a dataset a grant gives. 版本范围
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Versions {
    /// 含后续更新: the one that there is, and each new one.
    #[default]
    Each,
    /// 仅当前版本: the one that was the newest when the application was approved.
    This,
}

impl Versions {
    /// The rule as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Versions::Each => "each",
            Versions::This => "this",
        }
    }

    /// The rule in both languages.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Versions::Each => ("含后续更新的各版本", "this version and each new one"),
            Versions::This => ("仅批准时的版本", "the version at the approval alone"),
        }
    }
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 3] = [Mode::Download, Mode::Api, Mode::Sandbox];

    /// Whether queries under a grant with these are answered in the sandbox: where it gives rows by query, they are not.
    pub fn asks_in_sandbox(modes: &[Mode]) -> bool {
        modes.contains(&Mode::Sandbox) && !modes.contains(&Mode::Api)
    }

    /// The mode as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Download => "download",
            Mode::Api => "api",
            Mode::Sandbox => "sandbox",
        }
    }
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 7] = [
        Purpose::PreTraining,
        Purpose::FineTuning,
        Purpose::Evaluation,
        Purpose::Retrieval,
        Purpose::Analytics,
        Purpose::Research,
        Purpose::PublicService,
    ];

    /// The purpose as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::PreTraining => "pre_training",
            Purpose::FineTuning => "fine_tuning",
            Purpose::Evaluation => "evaluation",
            Purpose::Retrieval => "retrieval",
            Purpose::Analytics => "analytics",
            Purpose::Research => "research",
            Purpose::PublicService => "public_service",
        }
    }

    /// The purpose in both languages.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Purpose::PreTraining => ("模型预训练", "pre-training of models"),
            Purpose::FineTuning => ("模型微调", "fine-tuning of models"),
            Purpose::Evaluation => ("模型评测", "evaluation of models"),
            Purpose::Retrieval => ("检索增强", "retrieval for models"),
            Purpose::Analytics => ("统计分析", "analytics"),
            Purpose::Research => ("科学研究", "research"),
            Purpose::PublicService => ("公共服务", "services to the public"),
        }
    }
}

impl Safeguard {
    /// Every safeguard.
    pub const ALL: [Safeguard; 7] = [
        Safeguard::EncryptionAtRest,
        Safeguard::EncryptionInTransit,
        Safeguard::AccessLog,
        Safeguard::LeastPrivilege,
        Safeguard::IsolatedEnvironment,
        Safeguard::NamedOfficer,
        Safeguard::IncidentPlan,
    ];

    /// The safeguard as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Safeguard::EncryptionAtRest => "encryption_at_rest",
            Safeguard::EncryptionInTransit => "encryption_in_transit",
            Safeguard::AccessLog => "access_log",
            Safeguard::LeastPrivilege => "least_privilege",
            Safeguard::IsolatedEnvironment => "isolated_environment",
            Safeguard::NamedOfficer => "named_officer",
            Safeguard::IncidentPlan => "incident_plan",
        }
    }

    /// The safeguard in both languages.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Safeguard::EncryptionAtRest => ("静态加密", "encryption at rest"),
            Safeguard::EncryptionInTransit => ("传输加密", "encryption in transit"),
            Safeguard::AccessLog => ("访问日志", "a log of accesses"),
            Safeguard::LeastPrivilege => ("最小权限", "access by least privilege"),
            Safeguard::IsolatedEnvironment => ("受控环境", "an isolated environment"),
            Safeguard::NamedOfficer => ("指定安全负责人", "a person responsible for security"),
            Safeguard::IncidentPlan => ("应急预案", "a plan for incidents"),
        }
    }
}

impl Duty {
    /// The duty in both languages.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Duty::Citation => ("注明数据来源和获取日期", "naming the source and the date of access"),
            Duty::UseReport => ("报告使用情况", "reports of use"),
            Duty::DeletionProof => ("期满提交删除证明", "proof of deletion at the end of the term"),
        }
    }
}

/// On what terms a conditional dataset may be had, as a curator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Offer {
    /// What the data may be used for; all purposes by default.
    pub purposes: Vec<Purpose>,
    /// Whether models that learned from the data may be passed on to others.
    pub models_may_be_shared: bool,
    /// What a firm has to have; nothing by default.
    pub safeguards: Vec<Safeguard>,
    /// In which ways the data is handed over; files and rows by default.
    pub modes: Vec<Mode>,
    /// What a firm owes; citation and proof of deletion by default.
    pub duties: Vec<Duty>,
    /// Which versions it may be: each new one too, or the one at the approval alone; either by default.
    pub versions: Vec<Versions>,
    /// How much may be read at the most; not bounded by default.
    #[serde(skip_serializing_if = "ReadQuota::is_unbounded")]
    pub quota: ReadQuota,
    /// Whether tokens have to be bound to a key of the firm (DPoP); not by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sender_constrained: bool,
}

impl Default for Offer {
    fn default() -> Self {
        Offer {
            purposes: Purpose::ALL.to_vec(),
            models_may_be_shared: false,
            safeguards: Vec::new(),
            modes: vec![Mode::Download, Mode::Api],
            duties: vec![Duty::Citation, Duty::DeletionProof],
            versions: vec![Versions::Each, Versions::This],
            quota: ReadQuota::default(),
            sender_constrained: false,
        }
    }
}

/// What a firm asks for, as far as an offer speaks of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wish {
    /// What the data is for.
    pub purposes: Vec<Purpose>,
    /// Whether models that learn from it are to be passed on.
    #[serde(default)]
    pub shares_models: bool,
    /// What the firm has to keep the data safe.
    #[serde(default)]
    pub safeguards_met: Vec<Safeguard>,
    /// Which versions are needed; each new one by default.
    #[serde(default)]
    pub versions: Versions,
    /// How much is to be read at the most; as much as the offer gives by default.
    #[serde(default, skip_serializing_if = "ReadQuota::is_unbounded")]
    pub quota: ReadQuota,
    /// Only rows for which this condition holds, over fields that leave as they are; all by default.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether tokens are to be bound to a key of the firm, even where the offer does not ask for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sender_constrained: bool,
}

/// A point at which an application and an offer do not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfferConflict {
    /// The part of the application, as a JSON pointer.
    pub pointer: String,
    /// What does not meet, in both languages.
    pub detail: Text,
}

impl Offer {
    /// Where a wish for these modes and this term does not meet the offer; nothing where it does.
    pub fn conflicts(&self, entry: &Entry, wish: &Wish, modes: &[Mode], term_days: i32) -> Vec<OfferConflict> {
        let mut found = Vec::new();
        let mut say =
            |pointer: &str, zh: String, en: String| found.push(OfferConflict { pointer: pointer.to_owned(), detail: Text { zh, en } });
        for purpose in wish.purposes.iter().filter(|purpose| !self.purposes.contains(purpose)) {
            let (zh, en) = purpose.words();
            say("/purposes", format!("本数据集不提供用于{zh}"), format!("the dataset is not offered for {en}"));
        }
        if wish.shares_models && !self.models_may_be_shared {
            say(
                "/shares_models",
                "由本数据训练的模型不得向他人提供".to_owned(),
                "models that learned from it may not be passed on".to_owned(),
            );
        }
        for safeguard in self.safeguards.iter().filter(|safeguard| !wish.safeguards_met.contains(safeguard)) {
            let (zh, en) = safeguard.words();
            say("/safeguards_met", format!("须具备：{zh}"), format!("what is asked for is missing: {en}"));
        }
        for mode in modes.iter().filter(|mode| !self.modes.contains(mode)) {
            say("/modes", format!("不以 {} 方式提供", mode.as_str()), format!("it is not handed over by {}", mode.as_str()));
        }
        if !self.versions.contains(&wish.versions) {
            let (zh, en) = wish.versions.words();
            say("/versions", format!("不提供：{zh}"), format!("it is not offered as {en}"));
        }
        for (key, most, zh, en) in self.quota.bounds() {
            if wish.quota.bounds().any(|(other, asked, ..)| other == key && asked > most) {
                say(&format!("/quota/{key}"), format!("最多 {most} {zh}"), format!("the most is {most} {en}"));
            }
        }
        let most = entry.max_term_days();
        if i64::from(term_days) > i64::from(most) {
            say("/term_days", format!("期限最长 {most} 日"), format!("the longest term is {most} days"));
        }
        found
    }

    /// Every fault of an offer: the key, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, detail: &str| faults.push((format!("offer.{key}"), detail.to_owned()));
        if self.purposes.is_empty() {
            fault("purposes", "name at least one purpose");
        }
        if self.modes.is_empty() {
            fault("modes", "name at least one mode");
        }
        if twice(&self.purposes) {
            fault("purposes", "a purpose stands twice");
        }
        if twice(&self.safeguards) {
            fault("safeguards", "a safeguard stands twice");
        }
        if twice(&self.modes) {
            fault("modes", "a mode stands twice");
        }
        if twice(&self.duties) {
            fault("duties", "a duty stands twice");
        }
        if self.versions.is_empty() || twice(&self.versions) {
            fault("versions", "give each, this, or both, each once");
        }
        if self.quota.bounds().any(|(_, most, ..)| most == 0) {
            fault("quota", "a bound of 0 gives nothing; leave it out where nothing is bounded");
        }
        faults
    }
}

/// Whether something stands twice in a list.
pub fn twice<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(at, one)| list[..at].contains(one))
}
