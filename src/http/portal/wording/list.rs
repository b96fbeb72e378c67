//! What pages say of the list: where datasets stand in it, and what changed.

use crate::catalog::drafts::DraftState;
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

    /// An event that a firm can be told of.
    pub(in crate::http::portal) fn told_of(&self, event: &str) -> String {
        let known = match event {
            "dataset.created" => self.t("列入清单", "Added to the list"),
            "dataset.updated" => self.t("条目修改", "Entry changed"),
            "dataset.suspended" => self.t("暂停开放", "Suspended"),
            "dataset.restored" => self.t("恢复开放", "Given out again"),
            "dataset.withdrawn" => self.t("撤回", "Withdrawn"),
            "dataset.reopened" => self.t("重新开放", "Reopened"),
            "version.published" => self.t("发布新数据", "New data"),
            "publisher.updated" => self.t("开放主体信息修改", "Publisher changed"),
            "theme.updated" => self.t("重点领域信息修改", "Theme changed"),
            "subject_class.updated" => self.t("分类信息修改", "Class changed"),
            other => other,
        };
        known.to_owned()
    }

    /// Why something was not delivered, as the sender says it in English.
    pub(in crate::http::portal) fn undelivered(&self, said: &str) -> String {
        if self.short() == "en" {
            return said.to_owned();
        }
        let code: String = said.chars().skip_while(|letter| !letter.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let by_mail = said.contains("mail server");
        let texts: [(&str, &str); 10] = [
            ("the mail server was not reached", "无法连接邮件服务器"),
            ("the mail server took longer", "邮件服务器超时"),
            ("the mail server said nothing", "邮件服务器超时"),
            ("the connection to the mail server", "与邮件服务器的连接中断"),
            ("it was not reached", "无法连接接收地址"),
            ("the exchange broke off", "传输中断"),
            ("the address is not allowed", "该地址不再允许使用"),
            (" to the address", "邮件服务器不接受该邮箱地址"),
            (" to the mail", "邮件服务器未接受邮件"),
            (" answered ", if by_mail { "邮件服务器拒绝发送" } else { "接收地址返回错误状态" }),
        ];
        let found = texts.into_iter().find(|(part, _)| said.contains(part));
        match found {
            None => said.to_owned(),
            Some((part, text)) if part.starts_with(' ') => format!("{text}（{code}）"),
            Some((_, text)) => text.to_owned(),
        }
    }

    /// Where that stands to which a firm has changes sent.
    pub(in crate::http::portal) fn receiver_state(&self, state: &str) -> &'static str {
        match state {
            "pending" => self.t("待收件人确认", "Waits for a yes"),
            "active" => self.t("有效", "Active"),
            _ => self.t("已停用", "Disabled"),
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

    /// Where a draft of the list stands.
    pub(in crate::http::portal) fn draft_state(&self, state: &DraftState) -> &'static str {
        match state {
            DraftState::Draft => self.t("编辑中", "Being edited"),
            DraftState::InReview => self.t("待审核", "To be reviewed"),
            DraftState::Scheduled => self.t("待生效", "Approved, to take effect"),
            DraftState::Published => self.t("已发布", "In the list"),
            DraftState::Discarded => self.t("已放弃", "Given up"),
        }
    }

    /// A value that an entry chooses from few.
    pub(in crate::http::portal) fn choice<'a>(&self, value: &'a str) -> &'a str {
        match value {
            "unconditional" => self.t("无条件开放", "Open to everybody"),
            "conditional" => self.t("有条件开放", "Open on conditions"),
            "closed" => self.t("不开放", "Not open"),
            "realtime" => self.t("实时", "At once"),
            "daily" => self.t("每日", "Daily"),
            "weekly" => self.t("每周", "Weekly"),
            "monthly" => self.t("每月", "Monthly"),
            "quarterly" => self.t("每季度", "Quarterly"),
            "half-yearly" => self.t("每半年", "Half-yearly"),
            "yearly" => self.t("每年", "Yearly"),
            "irregular" => self.t("不定期", "Irregularly"),
            "never" => self.t("不更新", "Never"),
            "table" => self.t("表格", "A table"),
            "collection" => self.t("文件集", "A collection of files"),
            "string" => self.t("文本", "Text"),
            "integer" => self.t("整数", "Whole number"),
            "decimal" => self.t("小数（定点）", "Decimal"),
            "number" => self.t("浮点数", "Number"),
            "boolean" => self.t("是/否", "Yes or no"),
            "date" => self.t("日期", "Day"),
            "datetime" => self.t("日期时间", "Moment"),
            "geometry" => self.t("几何图形", "Shape"),
            "none" => self.t("不涉及个人", "Nothing of a person"),
            "quasi" => self.t("准标识符", "Quasi-identifier"),
            "direct" => self.t("直接标识符", "Direct identifier"),
            "sensitive" => self.t("敏感信息", "Sensitive"),
            other => other,
        }
    }
}
