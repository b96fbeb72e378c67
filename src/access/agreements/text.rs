//! The text of an agreement, in Chinese and English.

use crate::access::applications::{Application, Granted, Reach};
use crate::access::grants::Grant;
use crate::catalog::{Dataset, Duty, Policy, PolicyField, ReleaseRule, Rows, Text};
use crate::clock::{format, now};
use crate::identity::firms;

pub(super) fn text(
    id: &str,
    application: &Application,
    dataset: &Dataset,
    policy: &Policy,
    firm: &firms::Firm,
    renewed: Option<&Grant>,
) -> String {
    let entry = &dataset.entry;
    let version = dataset.version.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let (fields_zh, fields_en): (Vec<String>, Vec<String>) = policy.fields.iter().map(field).unzip();
    let granted = application.granted();
    let modes: Vec<&str> = granted.modes.iter().map(|mode| mode.as_str()).collect();
    let (modes, date) = (modes.join(", "), format(now()));
    let (purpose, safeguards) = (one_line(&application.purpose), one_line(&application.safeguards));
    let conditions = entry.conditions.as_ref();
    let (conditions_zh, conditions_en) = conditions.map_or(("", ""), |text| (text.zh.trim(), text.en.trim()));
    let (firm_name, uscc, slug) = (one_line(&firm.name), &firm.uscc, &dataset.slug);
    let (title_zh, title_en, publisher) = (&entry.title.zh, &entry.title.en, &entry.publisher);
    let (rows_zh, rows_en) = rows(&policy.rows);
    let (more_zh, more_en) = terms(&granted);
    let owes = |duty, zh, en| if granted.reach.duties.contains(&duty) { (zh, en) } else { ("", "") };
    let (promise_zh, promise_en) =
        owes(Duty::Citation, "成果注明数据来源和获取日期；", "names the source and the date of access in its results,");
    let (proof_zh, proof_en) = owes(Duty::DeletionProof, "并提交证明", " with proof of it");
    let (term_zh, term_en) = term_words(granted.term_days, renewed);
    format!(
        "数据利用协议\n编号：{id}\n日期：{date}\n数据开放主体：{publisher}\n数据利用方：{firm_name}（统一社会信用代码 {uscc}）\n\
         数据集：{title_zh}（{slug}，起草时版本 {version}）\n数据项：{}\n{rows_zh}用途：{purpose}\n{more_zh}提供方式：{modes}\n期限：{term_zh}\n\
         开放条件：{conditions_zh}\n安全保障措施：{safeguards}\n\
         利用方承诺：仅用于上述用途；不得重新识别个人；不得向第三方提供；{promise_zh}发现泄露立即报告；期满删除数据{proof_zh}。\n\
         违反本协议的，开放主体可以中止或者终止授权并公示。\n\n\
         Data use agreement\nNumber: {id}\nDate: {date}\nPublisher: {publisher}\nReceiver: {firm_name} (unified social credit identifier {uscc})\n\
         Dataset: {title_en} ({slug}, version {version} when this was drawn up)\nFields: {}\n{rows_en}Purpose: {purpose}\n{more_en}Handed over by: {modes}\n\
         Term: {term_en}\nConditions: {conditions_en}\nSafeguards: {safeguards}\n\
         The receiver uses the data for this purpose only, re-identifies nobody, passes nothing on, {promise_en}\n\
         reports a leak at once, and deletes the data at the end of the term{proof_en}.\n\
         Where this agreement is broken, the publisher may suspend or end the grant and make that public.\n",
        fields_zh.join("、"),
        fields_en.join(", "),
    )
}

/// How a field leaves, and how it leaves instead where groups would be too small.
fn field(field: &PolicyField) -> (String, String) {
    let rules: Vec<Text> = field.levels().map(ReleaseRule::words).collect();
    let joined = |pick: fn(&Text) -> &str, or: &str| rules.iter().map(pick).collect::<Vec<_>>().join(or);
    let (zh, en) = (joined(|text| &text.zh, "；必要时："), joined(|text| &text.en, "; where groups would be too small: "));
    (format!("{}（{zh}）", field.name), format!("{} ({en})", field.name))
}

/// What is agreed in the words of offers: purposes, whether models may be passed on, what the firm owes, and what the reviewer added.
fn terms(granted: &Granted) -> (String, String) {
    let purposes = granted.purposes.iter().map(|purpose| purpose.words());
    let (purposes_zh, purposes_en): (Vec<&str>, Vec<&str>) = purposes.unzip();
    let (duties_zh, duties_en): (Vec<&str>, Vec<&str>) = granted.reach.duties.iter().map(|duty| duty.words()).unzip();
    let models = match granted.shares_models {
        true => ("由本数据训练的模型可以向他人提供", "Models that learned from the data may be passed on"),
        false => ("由本数据训练的模型不得向他人提供", "Models that learned from the data are not passed on"),
    };
    let or = |words: String, none: &str| if words.is_empty() { none.to_owned() } else { words };
    let (duties_zh, duties_en) = (or(duties_zh.join("、"), "无"), or(duties_en.join(", "), "none"));
    let mut zh = format!("用途类别：{}\n模型：{}\n利用方义务：{duties_zh}\n", purposes_zh.join("、"), models.0);
    let mut en = format!("Kinds of purpose: {}\nModels: {}\nDuties: {duties_en}\n", purposes_en.join(", "), models.1);
    let (reach_zh, reach_en) = reach(&granted.reach);
    (zh, en) = (zh + &reach_zh, en + &reach_en);
    if let Some(conditions) = &granted.conditions {
        let conditions = one_line(conditions);
        zh += &format!("附加条件：{conditions}\n");
        en += &format!("Further conditions: {conditions}\n");
    }
    (zh, en)
}

/// From when to when. A renewal goes on from where the term ends.
fn term_words(days: i32, renewed: Option<&Grant>) -> (String, String) {
    let Some(grant) = renewed else {
        return (format!("自签署之日起 {days} 日"), format!("{days} days from the signature"));
    };
    let (id, end) = (&grant.id, format(grant.expires_at.and_utc()));
    (
        format!("授权 {id} 续期：自原期限届满（{end}）起 {days} 日"),
        format!("the grant {id} is renewed: {days} days from the end of its term on {end}"),
    )
}

/// What is agreed of versions, of how much is read, and of tokens.
fn reach(reach: &Reach) -> (String, String) {
    let (mut zh, mut en) = match reach.version {
        None => {
            let (zh, en) = reach.versions.words();
            (format!("版本：{zh}\n"), format!("Versions: {en}\n"))
        }
        Some(number) => (format!("版本：仅第 {number} 版\n"), format!("Versions: version {number} alone\n")),
    };
    let (most_zh, most_en): (Vec<String>, Vec<String>) =
        reach.quota.bounds().map(|(_, most, zh, en)| (format!("{most} {zh}"), format!("{most} {en}"))).unzip();
    if !most_zh.is_empty() {
        zh += &format!("用量上限：{}\n", most_zh.join("、"));
        en += &format!("At most: {}\n", most_en.join(", "));
    }
    if reach.sender_constrained {
        zh += "访问令牌：须与利用方密钥绑定（DPoP，RFC 9449）\n";
        en += "Tokens: bound to a key of the receiver (DPoP, RFC 9449)\n";
    }
    (zh, en)
}

/// What is agreed of rows, a line for each point: the condition as the publisher wrote it, how many leave, and that some are left out so that
/// a leak can be traced.
pub fn rows(rows: &Rows) -> (String, String) {
    let percent = |share: f64| (share * 100_000.0).round() / 1000.0;
    let (mut zh, mut en) = (String::new(), String::new());
    let mut say = |one: String, other: String| {
        zh += &(one + "\n");
        en += &(other + "\n");
    };
    if let Some(condition) = &rows.condition {
        let condition = one_line(condition);
        say(format!("数据范围：仅提供满足以下条件的行：{condition}"), format!("Rows: those for which this holds: {condition}"));
    }
    if let Some(condition) = &rows.receiver_condition {
        let condition = one_line(condition);
        say(
            format!("利用方申请的范围：满足以下条件的行：{condition}"),
            format!("Of these, as the receiver asks: those for which this holds: {condition}"),
        );
    }
    if let Some(share) = rows.sample {
        let share = percent(share);
        say(format!("抽样：约 {share} %"), format!("Sample: about {share} %"));
    }
    let counted = if rows.subject.is_some() { ("个对象", "subjects") } else { ("行", "rows") };
    if rows.k > 1 || rows.l > 1 {
        let (k, l) = (rows.k, rows.l);
        say(
            format!(
                "匿名要求：各准标识符均相同的不少于 {k} {}，其中每个敏感数据项不少于 {l} 种取值；必要时数据项进一步泛化，仍不足的行不提供",
                counted.0
            ),
            format!(
                "Groups: at least {k} {} are alike in all quasi-identifiers, with at least {l} values of each sensitive field; fields are made \
                 coarser as far as that needs it, and rows of smaller groups are left out",
                counted.1
            ),
        );
    }
    if rows.leave_out_share > 0.0 {
        let share = percent(rows.leave_out_share);
        say(
            format!("追溯标记：每份发布件按本授权专用密钥略去约 {share} % 的行，泄露的副本因此可追溯"),
            format!(
                "Fingerprint: each release leaves out about {share} % of the rows, chosen by this grant's own key, so that a leaked copy can be traced"
            ),
        );
    }
    (zh, en)
}

/// A firm's own words on one line, so that they cannot look like a clause of the text.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
