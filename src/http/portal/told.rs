//! What a page says in answer to a form: what was done, or what was wrong and where, with everything that was typed.

use actix_web::HttpResponse;

use super::login::with_wait;
use super::wording::capital;
use super::{Words, see};
use crate::error::{Error, Fault, Result};
use crate::http::browser::Filled;

/// What a page says.
pub(super) struct Told {
    w: Words,
    /// What was done last, in words.
    pub done: Option<&'static str>,
    /// The form that was refused.
    pub form: String,
    filled: Filled,
    faults: Vec<Fault>,
    /// What is wrong with it as a whole.
    pub general: Option<String>,
}

impl Told {
    /// Nothing but what was done last.
    pub fn done(w: Words, done: Option<&str>) -> Self {
        let done = done.and_then(|done| said(w, done));
        Told { w, done, form: String::new(), filled: Filled::default(), faults: Vec::new(), general: None }
    }

    /// What was wrong with a form.
    ///
    /// # Errors
    /// The error itself, where it is none that a form explains.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few errors are explained beside a form")]
    pub fn refused(w: Words, form: &str, filled: Filled, error: &Error) -> Option<Self> {
        let (faults, general) = match error {
            Error::Invalid(faults) => (faults.clone(), general(w, faults)),
            Error::Conflict(text) => (Vec::new(), conflict(w, text)),
            Error::RateLimited { retry_after_seconds: seconds, .. } => (
                Vec::new(),
                match w.short() {
                    "zh" => format!("尝试次数过多，请在 {seconds} 秒后再试。"),
                    _ => format!("Too many tries. Try again in {seconds} seconds."),
                },
            ),
            _ => return None,
        };
        Some(Told { w, done: None, form: form.to_owned(), filled, faults, general: Some(general) })
    }

    /// Says something else of the form as a whole.
    pub fn saying(mut self, text: String) -> Self {
        self.general = Some(text);
        self
    }

    /// What was typed into a form that may not be on the page any more, since the thing is in another state now.
    pub fn left_over(&self) -> Option<&str> {
        let typed = ["reason", "answer", "question", "text"].into_iter().map(|name| self.filled.one(name)).find(|text| !text.is_empty());
        typed.filter(|_| self.faults.is_empty())
    }

    /// Whether it is about this form.
    pub fn is(&self, form: &str) -> bool {
        self.form == form
    }

    /// What was typed into a field of a form.
    pub fn text(&self, form: &str, name: &str) -> &str {
        if self.is(form) { self.filled.one(name) } else { "" }
    }

    /// What was typed, or something else where the form was not sent.
    pub fn text_or<'a>(&'a self, form: &str, name: &str, or: &'a str) -> &'a str {
        if self.is(form) { self.filled.one(name) } else { or }
    }

    /// Whether a box was ticked; where the form was not sent, they all are.
    pub fn ticked(&self, form: &str, name: &str, value: &str) -> bool {
        !self.is(form) || self.filled.has(name, value)
    }

    /// What is wrong with a field of a form.
    pub fn fault(&self, form: &str, pointer: &str) -> Option<String> {
        if !self.is(form) {
            return None;
        }
        let below = format!("{pointer}/");
        let found: Vec<String> = self
            .faults
            .iter()
            .filter(|fault| fault.pointer == pointer || fault.pointer.starts_with(&below))
            .map(|fault| self.explain(fault))
            .collect();
        if found.is_empty() { None } else { Some(found.join(" ")) }
    }

    fn explain(&self, fault: &Fault) -> String {
        match self.w.short() {
            "zh" => chinese(&fault.pointer).map_or_else(|| sentence(&fault.detail), str::to_owned),
            _ => sentence(&fault.detail),
        }
    }
}

fn sentence(text: &str) -> String {
    format!("{}.", capital(text))
}

fn general(w: Words, faults: &[Fault]) -> String {
    // What has no field on the page is said here.
    let elsewhere = |fault: &&Fault| {
        ["/report_sha256", "/sha256", "/conditions/fields", "/client_id", "/dataset"].contains(&fault.pointer.as_str())
            || fault.pointer.starts_with("/fields/")
    };
    let mut texts = vec![w.t("尚未办理：请更正下面标出的内容。", "Nothing was done yet: mend what is marked below.").to_owned()];
    texts.extend(faults.iter().filter(elsewhere).map(|fault| sentence(&fault.detail)));
    texts.join(" ")
}

fn conflict(w: Words, text: &str) -> String {
    match w.short() {
        "zh" => format!("与当前状态不符，未能办理。（{text}）"),
        _ => format!("This is not possible as things stand now. {}", sentence(text)),
    }
}

/// What is asked of a field, in Chinese; the core speaks English.
fn chinese(pointer: &str) -> Option<&'static str> {
    let first = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    Some(match first {
        "purpose" | "safeguards" => "请用 10 至 4000 个字符说明，不得含有不可见字符。",
        "purposes" => "请至少选择一类用途。",
        "modes" => "请至少选择一种提供方式。",
        "fields" => "请选择可以提供的数据项，每项一次。",
        "term_days" => "请填写天数（整数），至少 1 天，不超过最长期限。",
        "safeguards_met" => "请核对所选的安全措施。",
        "reason" => "请用 3 至 2000 个字符说明理由。",
        "answer" | "question" | "text" => "请用 3 至 4000 个字符填写。",
        "code" => "验证码不正确或已用过，请等待下一个。",
        "sha256" => "协议文本与您看到的不一致，请重新阅读后再确认。",
        "quota" => "请填写不小于 1 的整数，且不超过申请和要约的上限；不限则留空。",
        "where" => "请检查条件：只能使用所申请且保持原样的数据项，写法同行查询的 where。",
        "deleted_on" => "请填写授权开始之后、不晚于今天的日期。",
        "method" | "copies" => "请用 10 至 4000 个字符说明。",
        "used_for" => "请用 10 至 4000 个字符说明使用情况。",
        "period" => "请核对起止日期：须与上一份报告衔接，且不晚于今天。",
        "results" => "请填写成果名称；链接须为 http 或 https 地址。",
        "numbers" => "请填写指标名称和不小于 0 的整数。",
        "report_sha256" => "请先查看试制报告，再作出决定。",
        "conditions" => "只能在所申请的范围内附加条件。",
        _ => return None,
    })
}

/// What pages say after something was done.
fn said(w: Words, done: &str) -> Option<&'static str> {
    Some(match done {
        "saved" => w.t("草稿已保存，尚未提交。", "The draft is saved. It is not submitted yet."),
        "changed" => w.t("修改已保存。", "The changes are saved."),
        "submission" => w.t("申请已提交。", "The application is submitted."),
        "answer" => w.t("答复已送达审核员。", "The reviewer has your answer."),
        "withdrawal" => w.t("申请已撤回。", "The application is withdrawn."),
        "appeal" => w.t("申诉已提出。", "The appeal is made."),
        "signed" => w.t("协议已签署，授权已生效。", "The agreement is signed, and the grant is in force."),
        "deletion-proof" => w.t("删除证明已提交。", "The proof of deletion is handed in."),
        "use-report" => w.t("利用情况报告已提交。", "The report on use is handed in."),
        "acceptance" => w.t("申请已受理。", "The application is accepted."),
        "questions" => w.t("已要求企业补正。", "The firm is asked for more."),
        "reports" => w.t("已生成试制报告，请查看。", "The report is made. Look at it below."),
        "approval" => {
            w.t("申请已批准，协议已生成，待企业签署。", "The application is approved. The agreement is drawn up for the firm to sign.")
        }
        "refusal" => w.t("已作出不予开放的决定。", "The application is refused."),
        "appeal-dismissed" => w.t("申诉未获支持，维持原决定。", "The appeal is dismissed. The refusal stands."),
        "appeal-granted" => w.t("申诉获支持，申请将重新审核。", "The appeal is granted. The application is decided anew."),
        "suspension" => w.t("授权已暂停。", "The grant is suspended."),
        "resumption" => w.t("授权已恢复。", "The grant is resumed."),
        "revocation" => w.t("授权已撤销。", "The grant is revoked."),
        "statement" => w.t("答复已提交。", "The answer is handed in."),
        _ => return None,
    })
}

/// Leads to a page that says what was done.
pub(super) fn onwards(w: Words, page: &str, done: &str) -> HttpResponse {
    see(&format!("{page}?lang={}&done={done}", w.short()))
}

/// A page that says what was wrong, with the status of the error.
pub(super) fn with_status(page: Result<HttpResponse>, error: &Error) -> Result<HttpResponse> {
    let mut page = page?;
    *page.status_mut() = error.kind().status();
    Ok(with_wait(page, error))
}
