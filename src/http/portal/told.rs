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
            Error::TooLarge(text) => (vec![Fault { pointer: "/document/size".to_owned(), detail: text.clone() }], general(w, &[])),
            Error::UnsupportedMediaType(text) => {
                (vec![Fault { pointer: "/document/kind".to_owned(), detail: text.clone() }], general(w, &[]))
            }
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

    /// What is wrong with the field of a form that has the name of its pointer.
    pub fn fault_in(&self, form: &str, name: &str) -> Option<String> {
        self.fault(form, &format!("/{name}"))
    }

    fn explain(&self, fault: &Fault) -> String {
        match self.w.short() {
            "zh" => chinese(&self.form, &fault.pointer).map_or_else(|| sentence(&fault.detail), str::to_owned),
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
            || fault.pointer.starts_with("/entries/")
            || fault.pointer.starts_with("/entry/")
    };
    let mut texts = vec![w.t("尚未办理：请更正下面标出的内容。", "Nothing was done yet: mend what is marked below.").to_owned()];
    texts.extend(faults.iter().filter(elsewhere).map(|fault| sentence(&fault.detail)));
    texts.join(" ")
}

/// Why something is not possible now.
pub(super) fn conflict(w: Words, text: &str) -> String {
    match w.short() {
        "zh" if text.starts_with("the same was filed already") => "相同内容已经提交，正在办理。".to_owned(),
        "zh" if text.contains("wait for an answer already") => "该数据集待办理的异议较多，请稍后再提。".to_owned(),
        "zh" if text.starts_with("a rights claim on") => "该数据集有权益主张待决定，请先作出决定。".to_owned(),
        "zh" if text.starts_with("the dataset is suspended for this claim") => {
            "该数据集已为此主张暂停开放，须作出决定，不能撤回。".to_owned()
        }
        "zh" if text.starts_with("what a rights claim says") => "权益主张的内容不公开。".to_owned(),
        "zh" if text.starts_with("a rights claim is decided") => "权益主张须逐件办理。".to_owned(),
        "zh" if text.starts_with("you filed this yourself") => "这是您本人提交的，须由他人办理。".to_owned(),
        "zh" if text.starts_with("the firm has a subscription of this address") => "该邮箱已有订阅，请先删除原有订阅。".to_owned(),
        "zh" if text.starts_with("a firm has at most") => "已达上限，请先删除不再使用的一个。".to_owned(),
        "zh" if text.starts_with("this service sends no mail") => "本系统未配置邮件服务。".to_owned(),
        "zh" if text == "it is shown already" => "内容已经公开。".to_owned(),
        "zh" if text == "it is hidden already" => "内容已经设为不公开。".to_owned(),
        "zh" => format!("与当前状态不符，未能办理。（{text}）"),
        _ => format!("This is not possible as things stand now. {}", sentence(text)),
    }
}

/// What is asked of a field, in Chinese; the core speaks English.
fn chinese(form: &str, pointer: &str) -> Option<&'static str> {
    let mut steps = pointer.trim_start_matches('/').split('/');
    let (first, second) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    if let Some(text) = chinese_of_feedback(form, first).or_else(|| chinese_of_following(form, first)) {
        return Some(text);
    }
    Some(match first {
        "contact" | "account" | "document" => match second {
            "name" => "请填写联系人姓名，1 至 100 个字符。",
            "email" => "请填写有效的电子邮箱地址。",
            "phone" => "请填写 5 至 40 个字符的电话号码，或留空。",
            "username" => "用户名不符合要求或已被使用：请用 3 至 100 个小写字母、数字或 . - _ @。",
            "password" => "密码须为 12 至 200 个字符，且不含用户名。",
            "again" => "两次输入的密码不一致。",
            "size" => "文件过大，请上传较小的文件，或拆分后上传。",
            "kind" => "不接受此类文件；可上传 PDF、PNG、JPEG、TXT、DOCX、XLSX，文件名须带相应扩展名。",
            _ => "请选择一个文件。",
        },
        "ground" => "请选择原因类别。",
        "title" => "请填写 3 至 200 个字符的名称。",
        "remark" => "请用 3 至 2000 个字符说明。",
        "slug" => "请填写标识：1 至 100 个小写字母、数字和连字符。",
        "effective_at" => "请填写一年以内的日期和时间，或留空。",
        "name" => match form {
            "registration" => "请填写企业名称，2 至 200 个字符，不得含有不可见字符。",
            "document" => "文件名须为 1 至 200 个字符，不以点开头，不含路径和不可见字符。",
            _ => "请填写名称，1 至 100 个字符，不得含有不可见字符。",
        },
        "Content-Type" => "文件内容与其扩展名不符。",
        "proof" => "请选择一种凭证。",
        "uscc" => "请核对统一社会信用代码：18 位，且校验位相符。",
        "public_jwk" => "请粘贴 Ed25519 或 P-256 公钥（JWK 或 PEM），不要粘贴私钥。",
        "jwks_uri" => "请填写公网上的 https 地址（端口 443 或 8443）。",
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

/// What is asked of a field of what a firm has sent to itself.
fn chinese_of_following(form: &str, field: &str) -> Option<&'static str> {
    if form != "mail" && form != "webhook" {
        return None;
    }
    Some(match field {
        "address" => "请填写一个有效的电子邮箱地址。",
        "url" => "请填写公网上的 https 地址，端口 443 或 8443。",
        "events" => "请在所列的变更中选择。",
        "datasets" => "有的标识不在清单中。请填写数据集页面地址末尾的标识，至多 1000 个；留空则为全部数据集。",
        _ => return None,
    })
}

/// What is asked of a field of what the public files.
fn chinese_of_feedback(form: &str, field: &str) -> Option<&'static str> {
    Some(match field {
        "ids" => "请至少选择一件，每次至多 100 件。",
        "stars" => "请选择 1 至 5 星。",
        "right" => "请选择权益类别。",
        "outcome" => "请选择办理结果。",
        "public_reason" => "请填写公开的理由，3 至 2000 个字符；决定不改变数据集状态时请留空。",
        "link" => "请填写 http 或 https 网址，不含用户名和密码。",
        "maker" => "请填写单位或项目名称，2 至 200 个字符，不含个人信息。",
        "receipt" => "没有此查询码的反馈，请核对；查询码以 qdf_ 开头。",
        "publisher" => "请选择清单中的数据开放主体。",
        "text" if ["correction", "rating", "request", "reuse"].contains(&form) => {
            "请用规定长度的文字填写，不含电话、证件号码、邮箱等个人信息和不可见字符，链接不超过 3 个。"
        }
        "dataset" | "datasets" if ["request", "reuse", "answer"].contains(&form) => {
            "请填写清单中数据集的标识；已开放的数据集无须提出需求。"
        }
        "kind" => "请选择类型。",
        "text" if ["claim", "reply"].contains(&form) => "请按要求的字数填写（至多 4000 个字符），不得含有不可见字符。",
        _ => return None,
    })
}

/// What pages say after something was done.
fn said(w: Words, done: &str) -> Option<&'static str> {
    if let Some(text) = said_of_feedback(w, done).or_else(|| said_of_following(w, done)) {
        return Some(text);
    }
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
        "attached" => w.t("文件已添加。", "The document is added."),
        "document-removed" => w.t("文件已删除。", "The document is removed."),
        "client-registered" => w.t("接入凭证已登记。", "The client is registered."),
        "client-token-revocation" => w.t(
            "此前签发的令牌已全部失效；接入凭证可以取得新的令牌。",
            "Every token that was issued until now is over. The client may take new ones.",
        ),
        "client-revocation" => w.t("接入凭证已撤销。", "The client is revoked."),
        "client-suspension" => w.t("接入凭证已暂停。", "The client is suspended."),
        "client-resumption" => w.t("接入凭证已恢复。", "The client is resumed."),
        "firm-approval" => w.t("企业注册已核准。", "The firm is approved."),
        "firm-refusal" => w.t("企业注册未予核准。", "The firm’s registration is refused."),
        "firm-suspension" => w.t("企业已暂停。", "The firm is suspended."),
        "firm-resumption" => w.t("企业已恢复。", "The firm is resumed."),
        "firm-revocation" => w.t("企业注册已撤销。", "The firm’s registration is revoked."),
        "dataset-suspension" => w.t("数据集已暂停开放。", "The dataset is suspended. Nothing of it is given out."),
        "dataset-restoration" => w.t("数据集已恢复开放。", "The dataset is given out again."),
        "dataset-withdrawal" => w.t("数据集已撤回。", "The dataset is withdrawn."),
        "draft-begun" => w.t("草稿已建立，请加入条目。", "The draft is begun. Put entries into it."),
        "draft-change" => w.t("草稿已保存。", "The draft is saved."),
        "draft-submission" => w.t("草稿已提交审核。", "The draft waits for its review."),
        "draft-recall" => w.t("草稿已收回，可以修改。", "The draft is back. It can be edited."),
        "draft-return" => w.t("草稿已退回修改。", "The draft is sent back."),
        "draft-published" => w.t("草稿已发布，清单已更新。", "The draft is in the list."),
        "draft-scheduled" => w.t("草稿已批准，将按期生效。", "The draft is approved. It takes effect when its moment comes."),
        "draft-discard" => w.t("草稿已放弃。", "The draft is given up."),
        "draft-book" => w.t("表格已载入草稿。", "The workbook is in the draft."),
        "draft-entry" => w.t("条目已保存。", "The entry is saved."),
        "draft-entry-removed" => w.t("条目已移出草稿。", "The entry is out of the draft."),
        "dataset-reopening" => w.t("数据集已重新开放，等待发布新的数据。", "The dataset is reopened. It waits for new data."),
        _ => return None,
    })
}

/// What pages say after something was done with what a firm has sent to itself.
fn said_of_following(w: Words, done: &str) -> Option<&'static str> {
    Some(match done {
        "mail-subscribed" => w.t(
            "确认信已交付发送。收件人点击确认之后，才会发送变更通知。",
            "The letter that asks is on its way. Nothing else is sent until its reader has said yes.",
        ),
        "mail-removal" => w.t("邮件订阅已删除，邮箱地址不再保存。", "The subscription is removed, and its address forgotten."),
        "webhooks-removal" => w.t("推送地址已删除。", "The webhook is removed."),
        "mail-replay" | "webhooks-replay" => {
            w.t("已重新启用，未送达的变更将再次发送。", "It is active. What was not taken is sent once more.")
        }
        _ => return None,
    })
}

/// What pages say after something was done with what the public filed.
fn said_of_feedback(w: Words, done: &str) -> Option<&'static str> {
    Some(match done {
        "vote" => w.t("已支持。", "Your vote counts."),
        "unvote" => w.t("已取消支持。", "Your vote is taken back."),
        "feedback-reply" => w.t("说明已提交。", "The reply is sent."),
        "feedback-withdrawal" => w.t("已撤回。", "It is taken back."),
        "feedback-question" => w.t("问题已发出，等待提交人补充说明。", "The question is put. It waits for the reply."),
        "feedback-answer" => w.t("答复已作出。", "It is answered."),
        "feedback-suspension" => w.t("数据集已暂停开放，请尽快作出决定。", "The dataset is suspended. Decide the claim."),
        "feedback-showing" => w.t("内容已公开。", "It is shown to everybody."),
        "feedback-hiding" => w.t("内容不公开。", "It is not shown."),
        "feedback-dismissal" => w.t("已不予受理。", "It is dismissed."),
        "feedback-many" => w.t("所选各件已办理。", "It is done with all that you chose."),
        "feedback-assignment" => w.t("已转交数据开放主体。", "The publisher has it now."),
        _ => return None,
    })
}

/// Leads to a page that says what was done.
pub(super) fn onwards(w: Words, page: &str, done: &str) -> HttpResponse {
    see(&format!("{page}?lang={}&done={done}", w.short()))
}

/// A page that says what was wrong, with the status of the error.
fn with_status(page: Result<HttpResponse>, error: &Error) -> Result<HttpResponse> {
    let mut page = page?;
    *page.status_mut() = error.kind().status();
    Ok(with_wait(page, error))
}

/// The page once more, with what was wrong in a form of it and what was typed.
///
/// # Errors
/// The error itself, where it is none that a form explains.
pub(super) async fn again(
    w: Words,
    form: &str,
    filled: Filled,
    error: Error,
    show: impl AsyncFnOnce(Told) -> Result<HttpResponse>,
) -> Result<HttpResponse> {
    let Some(told) = Told::refused(w, form, filled, &error) else { return Err(error) };
    with_status(show(told).await, &error)
}

/// Two values of one form, so that what is wrong with both is said at once.
///
/// # Errors
/// When either is not allowed.
pub(super) fn both<A, B>(first: Result<A>, second: Result<B>) -> Result<(A, B)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(Error::Invalid(mut faults)), Err(Error::Invalid(more))) => {
            faults.extend(more);
            Err(Error::Invalid(faults))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}
