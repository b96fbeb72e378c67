//! Sanctions that are shown to everybody: a text made of kind, dataset and date, and the operator's words. The reason stays inside.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IN_FORCE, SanctionKind};
use crate::access::register::RegisterFirm;
use crate::catalog::Text;
use crate::clock::shanghai;
use crate::db::Conn;
use crate::db::schema::{datasets, firms, sanctions};
use crate::error::Result;

/// What became of an appeal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppealState {
    /// There is none.
    None,
    /// It waits for a decision.
    Pending,
    /// It was turned down.
    Rejected,
}

/// A sanction as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublishedSanction {
    /// The sanction's id.
    pub id: String,
    /// The firm.
    pub firm: RegisterFirm,
    /// What was done.
    pub kind: SanctionKind,
    /// The dataset that it is about, by slug.
    pub dataset: Option<String>,
    /// When it was imposed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub imposed_at: NaiveDateTime,
    /// When it was made public.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub published_at: NaiveDateTime,
    /// What was done, when and over which dataset, in words.
    pub text: Text,
    /// What the operator says of it.
    pub public_text: Text,
    /// What became of the firm's appeal.
    pub appeal: AppealState,
}

/// What was done, on a day, over a dataset with that title.
fn text(kind: SanctionKind, imposed_at: NaiveDateTime, title: Option<&Text>) -> Text {
    let day = shanghai(imposed_at).date();
    let (zh, en) = match kind {
        SanctionKind::Warning => ("给予警告", "the firm was warned"),
        SanctionKind::Throttle => ("限制访问频率", "the firm's access was slowed down"),
        SanctionKind::Suspension => ("暂停其资格", "the firm was suspended"),
        SanctionKind::Termination => ("终止其资格", "the firm's registration was ended"),
        SanctionKind::Publication => ("予以公示", "the firm was named"),
    };
    let over_zh = title.map(|title| format!("因违反数据集《{}》的利用约定，", title.zh)).unwrap_or_default();
    let over_en = title.map(|title| format!(" over its use of the dataset “{}”", title.en)).unwrap_or_default();
    Text { zh: format!("{day}，{over_zh}对该企业{zh}。"), en: format!("On {day} {en}{over_en}.") }
}

#[derive(Deserialize)]
struct Title {
    title: Text,
}

type Appeal = (Option<NaiveDateTime>, Option<NaiveDateTime>);

fn appeal_state(appeals: [Appeal; 2]) -> AppealState {
    if appeals.iter().any(|(made, decided)| made.is_some() && decided.is_none()) {
        return AppealState::Pending;
    }
    // One that was granted has lifted the sanction.
    if appeals.iter().any(|(_, decided)| decided.is_some()) { AppealState::Rejected } else { AppealState::None }
}

type Published = (Option<String>, Option<String>, Option<String>, NaiveDateTime, Appeal);
type Shown = (String, String, NaiveDateTime, Appeal, (String, String), Option<(String, String)>);

/// The sanctions that are shown to everybody, the newest first; of one firm where its 统一社会信用代码 is given.
///
/// # Errors
/// When the database does not answer.
pub fn published(conn: &mut Conn, uscc: Option<&str>) -> Result<Vec<PublishedSanction>> {
    let publications: Vec<Published> = sanctions::table
        .filter(sanctions::kind.eq(SanctionKind::Publication.as_str()))
        .filter(sanctions::status.eq(IN_FORCE))
        .order(sanctions::id.desc())
        .select((
            sanctions::publishes,
            sanctions::public_zh,
            sanctions::public_en,
            sanctions::imposed_at,
            (sanctions::appealed_at, sanctions::appeal_decided_at),
        ))
        .load(conn)?;
    let mut found = Vec::new();
    for (publishes, zh, en, published_at, appeal) in publications {
        let (Some(id), Some(zh), Some(en)) = (publishes, zh, en) else { continue };
        let shown: Shown = sanctions::table
            .inner_join(firms::table)
            .left_join(datasets::table)
            .filter(sanctions::id.eq(&id))
            .select((
                sanctions::id,
                sanctions::kind,
                sanctions::imposed_at,
                (sanctions::appealed_at, sanctions::appeal_decided_at),
                (firms::name, firms::uscc),
                (datasets::slug, datasets::entry_json).nullable(),
            ))
            .first(conn)?;
        let (id, kind, imposed_at, own_appeal, (name, code), dataset) = shown;
        if uscc.is_some_and(|wanted| wanted != code) {
            continue;
        }
        let kind = SanctionKind::named(&kind)?;
        let titled = dataset.as_ref().map(|(_, entry_json)| serde_json::from_str::<Title>(entry_json)).transpose()?;
        found.push(PublishedSanction {
            text: text(kind, imposed_at, titled.as_ref().map(|titled| &titled.title)),
            id,
            firm: RegisterFirm { name, uscc: code },
            kind,
            dataset: dataset.map(|(slug, _)| slug),
            imposed_at,
            published_at,
            public_text: Text { zh, en },
            appeal: appeal_state([own_appeal, appeal]),
        });
    }
    Ok(found)
}
