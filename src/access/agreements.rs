//! Agreements: the text that a firm signs, made from its application and the dataset's entry. 数据利用协议
//!
//! The text is canonical: UTF-8, lines ended by one line feed, made once and never changed. Its SHA-256 in lower-case
//! hexadecimal (64 ASCII characters) is the payload that the firm signs as a detached JWS.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::applications::{self, Application, Granted};
use super::grants::{self, Grant};
use crate::catalog::{self, Dataset, Entry, Policy, PolicyField, ReleaseRule, Rows, Text};
use crate::clock::{format, now, now_naive};
use crate::crypto::sha256_hex;
use crate::db::Conn;
use crate::db::schema::agreements;
use crate::error::{Error, Result};
use crate::identity::jwk::PublicKey;
use crate::identity::{Caller, clients, firms};
use crate::ledger::{self, Kind};

/// An agreement between the publisher and a firm.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Agreement {
    /// Never changes.
    pub id: String,
    /// The application that it comes from.
    pub application_id: String,
    /// The firm that signs.
    pub firm_id: String,
    /// The text, in Chinese and English.
    pub text: String,
    /// SHA-256 of the text in lower-case hexadecimal: these 64 characters are what is signed.
    pub sha256: String,
    /// What leaves, and how.
    pub policy: Policy,
    /// `drawn` or `signed`.
    pub status: String,
    /// The firm's detached JWS.
    pub signature: Option<String>,
    /// The client whose key signed.
    pub signed_by: Option<String>,
    /// When it was signed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub signed_at: Option<NaiveDateTime>,
    /// The grant that the signature gave.
    pub grant_id: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agreements)]
struct AgreementRow {
    id: String,
    application_id: String,
    firm_id: String,
    text: String,
    sha256: String,
    policy_json: String,
    status: String,
    signature: Option<String>,
    signed_by: Option<String>,
    signed_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
}

/// Draws up the agreement of an approved application.
///
/// # Errors
/// When the database does not take it.
pub(super) fn draw(conn: &mut Conn, application: &Application, dataset: &Dataset, policy: &Policy) -> Result<Agreement> {
    let firm = firms::find(conn, &application.firm_id)?;
    let id = uuid::Uuid::now_v7().to_string();
    let text = text(&id, application, dataset, policy, &firm);
    let row = AgreementRow {
        sha256: sha256_hex(text.as_bytes()),
        policy_json: serde_json::to_string(policy)?,
        application_id: application.id.clone(),
        firm_id: application.firm_id.clone(),
        status: "drawn".to_owned(),
        signature: None,
        signed_by: None,
        signed_at: None,
        created_at: now_naive(),
        id,
        text,
    };
    diesel::insert_into(agreements::table).values(&row).execute(conn)?;
    let detail = json!({ "application": row.application_id, "firm": row.firm_id, "sha256": row.sha256 });
    ledger::append(conn, Kind::AgreementDrawn, "service", &format!("agreement:{}", row.id), &detail)?;
    find(conn, &row.id)
}

fn text(id: &str, application: &Application, dataset: &Dataset, policy: &Policy, firm: &firms::Firm) -> String {
    let entry = &dataset.entry;
    let version = dataset.version.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let (fields_zh, fields_en): (Vec<String>, Vec<String>) = policy.fields.iter().map(field).unzip();
    let granted = application.granted();
    let modes: Vec<&str> = granted.modes.iter().map(|mode| mode.as_str()).collect();
    let (modes, term, date) = (modes.join(", "), granted.term_days, format(now()));
    let (purpose, safeguards) = (one_line(&application.purpose), one_line(&application.safeguards));
    let conditions = entry.conditions.as_ref();
    let (conditions_zh, conditions_en) = conditions.map_or(("", ""), |text| (text.zh.trim(), text.en.trim()));
    let (firm_name, uscc, slug) = (one_line(&firm.name), &firm.uscc, &dataset.slug);
    let (title_zh, title_en, publisher) = (&entry.title.zh, &entry.title.en, &entry.publisher);
    let (rows_zh, rows_en) = rows(&policy.rows);
    let (more_zh, more_en) = terms(&granted, entry);
    format!(
        "数据利用协议\n编号：{id}\n日期：{date}\n数据开放主体：{publisher}\n数据利用方：{firm_name}（统一社会信用代码 {uscc}）\n\
         数据集：{title_zh}（{slug}，签约时版本 {version}）\n数据项：{}\n{rows_zh}用途：{purpose}\n{more_zh}提供方式：{modes}\n期限：自签署之日起 {term} 日\n\
         开放条件：{conditions_zh}\n安全保障措施：{safeguards}\n\
         利用方承诺：仅用于上述用途；不得重新识别个人；不得向第三方提供；成果注明数据来源和获取日期；发现泄露立即报告；期满删除数据并提交证明。\n\
         违反本协议的，开放主体可以中止或者终止授权并公示。\n\n\
         Data use agreement\nNumber: {id}\nDate: {date}\nPublisher: {publisher}\nReceiver: {firm_name} (unified social credit identifier {uscc})\n\
         Dataset: {title_en} ({slug}, version {version} at signing)\nFields: {}\n{rows_en}Purpose: {purpose}\n{more_en}Handed over by: {modes}\n\
         Term: {term} days from the signature\nConditions: {conditions_en}\nSafeguards: {safeguards}\n\
         The receiver uses the data for this purpose only, re-identifies nobody, passes nothing on, names the source and the date of\n\
         access in its results, reports a leak at once, and deletes the data at the end of the term with proof of it.\n\
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
fn terms(granted: &Granted, entry: &Entry) -> (String, String) {
    let purposes = granted.purposes.iter().map(|purpose| purpose.words());
    let (purposes_zh, purposes_en): (Vec<&str>, Vec<&str>) = purposes.unzip();
    let (duties_zh, duties_en): (Vec<&str>, Vec<&str>) = entry.offer().duties.iter().map(|duty| duty.words()).unzip();
    let models = match granted.shares_models {
        true => ("由本数据训练的模型可以向他人提供", "Models that learned from the data may be passed on"),
        false => ("由本数据训练的模型不得向他人提供", "Models that learned from the data are not passed on"),
    };
    let mut zh = format!("用途类别：{}\n模型：{}\n利用方义务：{}\n", purposes_zh.join("、"), models.0, duties_zh.join("、"));
    let mut en = format!("Kinds of purpose: {}\nModels: {}\nDuties: {}\n", purposes_en.join(", "), models.1, duties_en.join(", "));
    if let Some(conditions) = &granted.conditions {
        let conditions = one_line(conditions);
        zh += &format!("附加条件：{conditions}\n");
        en += &format!("Further conditions: {conditions}\n");
    }
    (zh, en)
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

/// The id of an application's agreement, if it has one.
///
/// # Errors
/// When the database does not answer.
pub(super) fn id_for_application(conn: &mut Conn, application_id: &str) -> Result<Option<String>> {
    Ok(agreements::table.filter(agreements::application_id.eq(application_id)).select(agreements::id).first(conn).optional()?)
}

/// One agreement.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<Agreement> {
    let row: Option<AgreementRow> = agreements::table.find(id).select(AgreementRow::as_select()).first(conn).optional()?;
    let row = row.ok_or_else(|| Error::not_found("agreement", id))?;
    Ok(Agreement {
        grant_id: grants::id_for_agreement(conn, &row.id)?,
        id: row.id,
        application_id: row.application_id,
        firm_id: row.firm_id,
        text: row.text,
        sha256: row.sha256,
        policy: serde_json::from_str(&row.policy_json)?,
        status: row.status,
        signature: row.signature,
        signed_by: row.signed_by,
        signed_at: row.signed_at,
    })
}

/// The agreement, when the caller may see it.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Agreement> {
    let only_firm = super::firm_scope(caller)?;
    let agreement = find(conn, id)?;
    match only_firm {
        Some(firm) if firm != agreement.firm_id => Err(Error::not_found("agreement", id)),
        _ => Ok(agreement),
    }
}

/// Takes the firm's signature: a detached JWS by the key of one of its clients over the agreement's SHA-256. Gives the grant.
///
/// # Errors
/// When the agreement is another firm's or signed already, or the signature does not hold.
pub fn sign(conn: &mut Conn, caller: &Caller, id: &str, client_id: &str, signature: &str) -> Result<(Agreement, Grant)> {
    let firm = firms::require_approved(conn, caller.firm()?)?;
    let agreement = find(conn, id)?;
    if agreement.firm_id != firm.id {
        return Err(Error::not_found("agreement", id));
    }
    let application = applications::find(conn, &agreement.application_id)?;
    agreement.policy.require_allowed(&catalog::find(conn, &application.dataset)?.entry)?;
    let client = match clients::find(conn, client_id) {
        Ok(client) if client.firm_id == firm.id && client.status == "active" => client,
        Ok(_) | Err(Error::NotFound { .. }) => return Err(Error::invalid("/client_id", "this is no active client of the firm")),
        Err(other) => return Err(other),
    };
    let Some(jwk) = &client.public_jwk else {
        return Err(Error::invalid("/client_id", "this client has a secret and no key; sign with a client that has a key"));
    };
    PublicKey::parse("/client_id", jwk)?.verify_detached("/signature", signature, agreement.sha256.as_bytes())?;
    applications::mark_signed(conn, &agreement)?;
    let changed = diesel::update(agreements::table.find(id).filter(agreements::status.eq("drawn")))
        .set((
            agreements::status.eq("signed"),
            agreements::signature.eq(signature.trim()),
            agreements::signed_by.eq(client_id),
            agreements::signed_at.eq(now_naive()),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Err(Error::Conflict("the agreement is signed already".to_owned()));
    }
    let detail = json!({ "client": client_id, "sha256": agreement.sha256, "signature": signature.trim() });
    ledger::append(conn, Kind::AgreementSigned, &caller.actor(), &format!("agreement:{id}"), &detail)?;
    let grant = grants::create(conn, &agreement)?;
    Ok((find(conn, id)?, grant))
}
