//! The text of an agreement, in Chinese and English.

use crate::access::applications::Application;
use crate::catalog::{Dataset, Policy, Rows};
use crate::clock::{format, now};
use crate::identity::firms;

pub(super) fn text(id: &str, application: &Application, dataset: &Dataset, policy: &Policy, firm: &firms::Firm) -> String {
    let entry = &dataset.entry;
    let version = dataset.version.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let fields_zh: Vec<String> = policy.fields.iter().map(|field| format!("{}（{}）", field.name, field.rule.words().zh)).collect();
    let fields_en: Vec<String> = policy.fields.iter().map(|field| format!("{} ({})", field.name, field.rule.words().en)).collect();
    let modes: Vec<&str> = application.modes.iter().map(|mode| mode.as_str()).collect();
    let (modes, term, date) = (modes.join(", "), application.term_days, format(now()));
    let (purpose, safeguards) = (one_line(&application.purpose), one_line(&application.safeguards));
    let conditions = entry.conditions.as_ref();
    let (conditions_zh, conditions_en) = conditions.map_or(("", ""), |text| (text.zh.trim(), text.en.trim()));
    let (firm_name, uscc, slug) = (one_line(&firm.name), &firm.uscc, &dataset.slug);
    let (title_zh, title_en, publisher) = (&entry.title.zh, &entry.title.en, &entry.publisher);
    let (rows_zh, rows_en) = rows(&policy.rows);
    format!(
        "数据利用协议\n编号：{id}\n日期：{date}\n数据开放主体：{publisher}\n数据利用方：{firm_name}（统一社会信用代码 {uscc}）\n\
         数据集：{title_zh}（{slug}，签约时版本 {version}）\n数据项：{}\n{rows_zh}用途：{purpose}\n提供方式：{modes}\n期限：自签署之日起 {term} 日\n\
         开放条件：{conditions_zh}\n安全保障措施：{safeguards}\n\
         利用方承诺：仅用于上述用途；不得重新识别个人；不得向第三方提供；成果注明数据来源和获取日期；发现泄露立即报告；期满删除数据并提交证明。\n\
         违反本协议的，开放主体可以中止或者终止授权并公示。\n\n\
         Data use agreement\nNumber: {id}\nDate: {date}\nPublisher: {publisher}\nReceiver: {firm_name} (unified social credit identifier {uscc})\n\
         Dataset: {title_en} ({slug}, version {version} at signing)\nFields: {}\n{rows_en}Purpose: {purpose}\nHanded over by: {modes}\n\
         Term: {term} days from the signature\nConditions: {conditions_en}\nSafeguards: {safeguards}\n\
         The receiver uses the data for this purpose only, re-identifies nobody, passes nothing on, names the source and the date of\n\
         access in its results, reports a leak at once, and deletes the data at the end of the term with proof of it.\n\
         Where this agreement is broken, the publisher may suspend or end the grant and make that public.\n",
        fields_zh.join("、"),
        fields_en.join(", "),
    )
}

/// What is agreed of rows, a line for each point: the condition as the publisher wrote it, how many leave, and that some are left out so that
/// a leak can be traced.
fn rows(rows: &Rows) -> (String, String) {
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
