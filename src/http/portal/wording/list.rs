//! What pages say of the list: where datasets stand in it, and what changed.

use crate::catalog::{ChangeCode, Ground, ListChange, State};
use crate::clock::shanghai;
use crate::http::portal::Words;

impl Words {
    /// Where a dataset stands in the list.
    pub(in crate::http::portal) fn standing(&self, state: &State) -> &'static str {
        match state {
            State::Published => self.t("已发布", "Published"),
            State::Suspended => self.t("暂停开放", "Suspended"),
            State::Withdrawn => self.t("已撤回", "Withdrawn"),
        }
    }

    /// Why a dataset is not given out.
    pub(in crate::http::portal) fn ground(&self, ground: &Ground) -> &'static str {
        match ground {
            Ground::RightsClaim => self.t("权益主张", "A claim of rights"),
            Ground::PersonalData => self.t("含有个人信息", "It holds personal data"),
            Ground::DataError => self.t("数据错误", "The data is wrong"),
            Ground::LawChanged => self.t("法规调整", "The rules have changed"),
            Ground::Superseded => self.t("已被替代", "Another dataset takes its place"),
            Ground::Discontinued => self.t("停止采集", "It is not collected any more"),
            Ground::Other => self.t("其他原因", "Another reason"),
        }
    }

    /// What a change of the list is.
    pub(in crate::http::portal) fn change(&self, code: &ChangeCode) -> &'static str {
        match code {
            ChangeCode::New => self.t("新增", "New"),
            ChangeCode::TypeChange => self.t("开放类型变更", "Open in another way"),
            ChangeCode::FieldsChange => self.t("数据项变更", "Other fields"),
            ChangeCode::Revision => self.t("信息修订", "Revised"),
            ChangeCode::Suspended => self.t("暂停开放", "Suspended"),
            ChangeCode::Restored => self.t("恢复开放", "Given out again"),
            ChangeCode::Withdrawn => self.t("撤回", "Withdrawn"),
            ChangeCode::Reopened => self.t("重新开放", "Reopened"),
        }
    }

    /// The day of a change of the list, in Shanghai.
    pub(in crate::http::portal) fn changed_on(&self, change: &ListChange) -> String {
        shanghai(change.effective_at).format("%Y-%m-%d %H:%M").to_string()
    }

    /// A value of an entry.
    pub(in crate::http::portal) fn value(&self, value: &Option<serde_json::Value>) -> String {
        match value {
            None => "—".to_owned(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}
