//! What pages say of applications, agreements and grants, in both languages.

mod feedback;
mod list;

use chrono::NaiveDateTime;

use super::Words;
use crate::access::applications::State;
use crate::access::desk::Happened;
use crate::catalog::{Purpose, Safeguard};
use crate::identity::clients::{self, Client};
use crate::identity::firms;

/// Whose page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A firm's.
    Firm,
    /// The public body's.
    Staff,
}

/// The first letter of a sentence.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Words {
    /// A bound of a quota, by its key.
    pub(super) fn bound(&self, key: &str) -> &'static str {
        match key {
            "calls_per_day" => self.t("每日调用次数", "Calls a day"),
            "rows_per_day" => self.t("每日行数", "Rows a day"),
            "bytes_per_day" => self.t("每日字节数", "Bytes a day"),
            _ => self.t("使用天数", "Days of use"),
        }
    }

    /// Where a fault of a bound is told.
    pub(super) fn quota_pointer(&self, key: &str) -> String {
        format!("/quota/{key}")
    }

    /// Where an application stands.
    pub(super) fn stands(&self, state: &State) -> &'static str {
        match state {
            State::Draft => self.t("草稿", "Draft"),
            State::Submitted => self.t("已提交", "Submitted"),
            State::Accepted => self.t("已受理", "Accepted"),
            State::Asked => self.t("待补正", "More is asked for"),
            State::Approved => self.t("已批准，待签约", "Approved, to be signed"),
            State::Refused => self.t("不予开放", "Refused"),
            State::Appealed => self.t("申诉中", "Appealed"),
            State::Signed => self.t("已签约", "Signed"),
            State::Withdrawn => self.t("已撤回", "Withdrawn"),
            State::Expired => self.t("已失效", "Expired"),
        }
    }

    /// What is to be done next with an application, and by whom.
    pub(super) fn next_step(&self, state: &State, side: &Side) -> &'static str {
        match (state, side) {
            (State::Draft, Side::Firm | Side::Staff) => self.t("完善并提交申请", "Complete it and submit it"),
            (State::Submitted, Side::Firm) => self.t("等待受理：审核员将核对是否齐全", "The publisher looks whether it is complete"),
            (State::Submitted, Side::Staff) => self.t("审核员：受理、要求补正或作出决定", "Reviewer: accept it, ask for more, or decide"),
            (State::Accepted, Side::Firm) => self.t("等待审核决定", "The publisher decides"),
            (State::Accepted, Side::Staff) => self.t("审核员：试制发布件并作出决定", "Reviewer: try a report and decide"),
            (State::Asked, Side::Firm) => self.t("回答审核员的问题", "Answer what the reviewer asks"),
            (State::Asked, Side::Staff) => self.t("等待企业答复", "The firm answers"),
            (State::Approved, Side::Firm) => self.t("阅读并签署数据利用协议", "Read the agreement and sign it"),
            (State::Approved, Side::Staff) => self.t("等待企业签约", "The firm signs"),
            (State::Refused, Side::Firm) => self.t("可在期限内申诉一次，或重新申请", "Appeal once in time, or apply again"),
            (State::Refused, Side::Staff) => self.t("企业可在期限内申诉", "The firm may appeal in time"),
            (State::Appealed, Side::Firm) => self.t("等待申诉决定：由另一名审核员作出", "Another reviewer decides the appeal"),
            (State::Appealed, Side::Staff) => self.t("另一名审核员：决定申诉", "Another reviewer: decide the appeal"),
            (State::Signed, Side::Firm | Side::Staff) => self.t("已授权，无待办事项", "There is a grant; nothing is left to do"),
            (State::Withdrawn | State::Expired, Side::Firm) => {
                self.t("已终结；如有需要请重新申请", "It has ended; apply again where you need to")
            }
            (State::Withdrawn | State::Expired, Side::Staff) => self.t("已终结", "It has ended"),
        }
    }

    pub(super) fn purpose(&self, purpose: &Purpose) -> String {
        let (zh, en) = purpose.words();
        capital(self.t(zh, en))
    }

    pub(super) fn safeguard(&self, safeguard: &Safeguard) -> String {
        let (zh, en) = safeguard.words();
        capital(self.t(zh, en))
    }

    /// A number of days.
    pub(super) fn days(&self, days: &i64) -> String {
        match *days {
            1 => self.t("1 天", "1 day").to_owned(),
            more => format!("{more} {}", self.t("天", "days")),
        }
    }

    /// A day as people in Shanghai read it, with its time.
    pub(super) fn time(&self, at: &NaiveDateTime) -> String {
        crate::clock::shanghai(*at).format("%Y-%m-%d %H:%M").to_string()
    }

    /// The last day of a time that ends with the end of a day in Shanghai, and how far away that is.
    pub(super) fn until(&self, due: &NaiveDateTime) -> String {
        let left = (*due - crate::clock::now_naive()).num_days();
        let last = crate::clock::shanghai(*due - chrono::Duration::seconds(1)).format("%Y-%m-%d").to_string();
        match left {
            ..0 => format!("{last}{}", self.t("（已过期）", " (over)")),
            0 => format!("{last}{}", self.t("（不足一天）", " (less than a day is left)")),
            1 => format!("{last}{}", self.t("（还有 1 天）", " (1 day is left)")),
            more => match self.short() {
                "zh" => format!("{last}（还有 {more} 天）"),
                _ => format!("{last} ({more} days are left)"),
            },
        }
    }

    /// What happened, of a closed list; others as the ledger has them.
    pub(super) fn happened<'a>(&self, happened: &'a Happened) -> &'a str {
        match happened.kind.as_str() {
            "application.begun" => self.t("开始起草申请", "The application was begun"),
            "application.changed" => self.t("修改申请", "The application was changed"),
            "application.submitted" => self.t("提交申请", "The application was submitted"),
            "application.accepted" => self.t("受理申请", "The application was accepted"),
            "application.asked" => self.t("要求补正", "More was asked for"),
            "application.answered" => self.t("答复补正要求", "The firm answered"),
            "application.approved" => self.t("批准申请", "The application was approved"),
            "application.refused" => self.t("不予开放", "The application was refused"),
            "attachment.added" => self.t("添加文件", "A document was added"),
            "attachment.removed" => self.t("删除文件", "A document was removed"),
            "attachment.expired" => self.t("文件保存期满，已删除", "A document was kept for its time, and is gone"),
            "application.withdrawn" => self.t("撤回申请", "The application was withdrawn"),
            "application.expired" => self.t("逾期未办，申请失效", "The firm’s time went by, and the application expired"),
            "application.overdue" => self.t("主体逾期未办", "The publisher’s time went by"),
            "application.appealed" => self.t("提出申诉", "The firm appealed"),
            "appeal.dismissed" => self.t("申诉未获支持，维持原决定", "The appeal was dismissed, and the refusal stands"),
            "appeal.granted" => self.t("申诉获支持，重新审核", "The appeal was granted, and the application is decided anew"),
            "release.tried" => self.t("试制发布件并生成报告", "A release was tried, and its report filed"),
            "agreement.drawn" => self.t("生成数据利用协议", "The agreement was drawn up"),
            "agreement.signed" => self.t("签署协议", "The firm signed the agreement"),
            "agreement.countersigned" => self.t("服务会签协议", "The service countersigned"),
            "grant.created" => self.t("授权生效", "The grant came into force"),
            "grant.suspended" => self.t("暂停授权", "The grant was suspended"),
            "grant.resumed" => self.t("恢复授权", "The grant was resumed"),
            "grant.renewed" => self.t("授权续期", "The grant was renewed"),
            "grant.ending" => self.t("提醒：授权即将期满", "The grant ends soon"),
            "grant.ended" => self.t("授权终止，发布件已删除", "The grant ended; its releases were deleted"),
            "deletion.proved" => self.t("提交删除证明", "The deletion was proved"),
            "deletion_proof.overdue" => self.t("删除证明逾期", "The proof of deletion is overdue"),
            "grant.revoked" => self.t("撤销授权", "The grant was revoked"),
            "firm.registered" => self.t("提交企业注册", "The firm registered"),
            "firm.approved" => self.t("核准企业注册", "The firm was approved"),
            "firm.refused" => self.t("不予核准企业注册", "The firm’s registration was refused"),
            "firm.suspended" => self.t("暂停企业", "The firm was suspended"),
            "firm.resumed" => self.t("恢复企业", "The firm was resumed"),
            "firm.revoked" => self.t("撤销企业注册", "The firm’s registration was revoked"),
            "firm.reinstated" => self.t("恢复已撤销的企业注册", "The firm was reinstated"),
            "use_report.overdue" => self.t("利用情况报告逾期", "A report on use did not come in time"),
            other => other,
        }
    }

    /// Who did it.
    pub(super) fn by(&self, happened: &Happened) -> &'static str {
        match happened.by {
            "firm" => self.t("企业", "Firm"),
            "publisher" => self.t("数据开放主体", "Publisher"),
            _ => self.t("系统", "Service"),
        }
    }

    /// The moment of an entry of the ledger by the clocks of Shanghai.
    pub(super) fn entry_time(&self, happened: &Happened) -> String {
        self.happened_at(&happened.moment)
    }

    /// The moment of an entry of the ledger.
    pub(super) fn happened_at(&self, moment: &str) -> String {
        let at = NaiveDateTime::parse_from_str(moment, "%Y-%m-%dT%H:%M:%S%.fZ");
        at.map_or_else(|_unreadable| moment.to_owned(), |at| self.time(&at))
    }

    /// Where a client stands.
    pub(super) fn client_state(&self, state: &str) -> &'static str {
        match state {
            "active" => self.t("有效", "Active"),
            "suspended" => self.t("已暂停", "Suspended"),
            _ => self.t("已撤销", "Revoked"),
        }
    }

    /// How a client proves itself.
    pub(super) fn proof(&self, client: &Client) -> &'static str {
        match (client.method.as_str(), client.jwks_uri.is_some()) {
            (clients::CLIENT_SECRET, _) => self.t("密钥串（secret）", "A secret"),
            (_, true) => self.t("所公布的公钥", "Public keys that it publishes"),
            (_, false) => self.t("公钥", "A public key"),
        }
    }

    /// Where a firm stands.
    pub(super) fn firm_state(&self, state: &str) -> &'static str {
        match state {
            "pending" => self.t("待核准", "Waiting for a decision"),
            firms::APPROVED => self.t("已核准", "Approved"),
            firms::SUSPENDED => self.t("已暂停", "Suspended"),
            "refused" => self.t("未予核准", "Refused"),
            _ => self.t("已撤销", "Revoked"),
        }
    }

    /// A number of bytes as people read it.
    pub(super) fn size(&self, bytes: &i64) -> String {
        let (number, unit) = match *bytes {
            ..1024 => return format!("{bytes} B"),
            1024..1_048_576 => (*bytes as f64 / 1024.0, "KiB"),
            _ => (*bytes as f64 / 1_048_576.0, "MiB"),
        };
        format!("{} {unit}", format!("{number:.1}").trim_end_matches(".0"))
    }

    /// How a list of texts is joined.
    pub(super) fn list(&self, texts: &[String]) -> String {
        texts.join(self.t("、", ", "))
    }
}
