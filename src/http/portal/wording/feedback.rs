//! What pages say of what the public files.

use crate::feedback::{FeedbackEvent, FeedbackKind, FeedbackState, Outcome, PublicFeedback, ReuseKind, Right, Shown};
use crate::http::portal::Words;

impl Words {
    /// What something is that was filed.
    pub(in crate::http::portal) fn filed(&self, kind: &FeedbackKind) -> &'static str {
        match kind {
            FeedbackKind::Correction => self.t("异议", "Objection"),
            FeedbackKind::RightsClaim => self.t("权益主张", "Rights claim"),
            FeedbackKind::DataRequest => self.t("数据需求", "Request for data"),
            FeedbackKind::Rating => self.t("评价", "Rating"),
            FeedbackKind::Reuse => self.t("应用成果", "Made with data"),
        }
    }

    /// Where something stands that was filed.
    pub(in crate::http::portal) fn heard(&self, state: &FeedbackState) -> &'static str {
        match state {
            FeedbackState::Open => self.t("办理中", "Open"),
            FeedbackState::Asked => self.t("待补充说明", "Waits for who filed it"),
            FeedbackState::Accepted => self.t("已采纳，落实中", "Right; still to be done"),
            FeedbackState::Done => self.t("已办结", "Done"),
            FeedbackState::Rejected => self.t("不予采纳", "Turned down"),
            FeedbackState::Withdrawn => self.t("已撤回", "Taken back"),
            FeedbackState::Dismissed => self.t("不予受理", "Dismissed"),
        }
    }

    /// Whether everybody sees what was written.
    pub(in crate::http::portal) fn seen(&self, shown: &Shown) -> &'static str {
        match shown {
            Shown::Waiting => self.t("内容待审核", "Words to be looked at"),
            Shown::Shown => self.t("内容已公开", "Words shown"),
            Shown::Hidden => self.t("内容不公开", "Words not shown"),
            Shown::Private => self.t("不对外公开", "Never shown"),
        }
    }

    /// A right.
    pub(in crate::http::portal) fn right(&self, right: &Right) -> &'static str {
        match right {
            Right::TradeSecret => self.t("商业秘密", "A trade secret"),
            Right::Privacy => self.t("个人隐私或个人信息", "Privacy or personal data"),
            Right::IntellectualProperty => self.t("知识产权", "Intellectual property"),
            Right::Other => self.t("其他合法权益", "Another right"),
        }
    }

    /// What was made with data.
    pub(in crate::http::portal) fn made(&self, kind: &ReuseKind) -> &'static str {
        match kind {
            ReuseKind::Application => self.t("应用或服务", "Application or service"),
            ReuseKind::Model => self.t("模型或算法", "Model or algorithm"),
            ReuseKind::Visualisation => self.t("可视化", "Visualisation"),
            ReuseKind::Research => self.t("研究成果", "Research"),
            ReuseKind::Article => self.t("新闻报道", "Article"),
            ReuseKind::Other => self.t("其他", "Something else"),
        }
    }

    /// The same, or a right, as it is written in what was filed.
    pub(in crate::http::portal) fn topic(&self, topic: &str) -> &'static str {
        let right = Right::ALL.iter().find(|right| right.as_str() == topic).map(|right| self.right(right));
        let made = ReuseKind::ALL.iter().find(|kind| kind.as_str() == topic).map(|kind| self.made(kind));
        right.or(made).unwrap_or_default()
    }

    /// An answer's outcome, for the publisher to choose.
    pub(in crate::http::portal) fn outcome(&self, outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Accepted => self.t("采纳，尚需落实", "It is right, and still to be done"),
            Outcome::Done => self.t("已办结", "Done"),
            Outcome::Rejected => self.t("不予采纳", "Turn it down"),
        }
    }

    /// What happened to something that was filed.
    pub(in crate::http::portal) fn event(&self, event: &FeedbackEvent) -> &'static str {
        match event.kind.as_str() {
            "feedback.filed" => self.t("提交", "Filed"),
            "feedback.moderated" => self.t("审核是否公开", "Looked at, whether it is shown"),
            "feedback.asked" => self.t("要求补充说明", "A question"),
            "feedback.replied" => self.t("补充说明", "The reply"),
            "feedback.answered" => self.t("答复", "Answered"),
            "feedback.assigned" => self.t("转交数据开放主体", "Given to a publisher"),
            "feedback.suspended" => self.t("暂停开放相关数据集", "The dataset is suspended"),
            "feedback.withdrawn" => self.t("提交人撤回", "Taken back"),
            "feedback.dismissed" => self.t("不予受理", "Dismissed"),
            "feedback.overdue" => self.t("超过办理时限", "The term went by"),
            _ => self.t("办理", "Dealt with"),
        }
    }

    /// Stars, as letters.
    pub(in crate::http::portal) fn stars(&self, item: &PublicFeedback) -> String {
        let stars = usize::try_from(item.stars.unwrap_or_default()).unwrap_or_default().min(5);
        "★".repeat(stars) + &"☆".repeat(5 - stars)
    }
}
