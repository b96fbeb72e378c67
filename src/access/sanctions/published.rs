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

/// When an appeal was made, and whether it was granted.
type Appeal = (Option<NaiveDateTime>, Option<bool>);

fn appeal_state(appeals: [Appeal; 2]) -> AppealState {
    if appeals.iter().any(|(made, granted)| made.is_some() && granted.is_none()) {
        return AppealState::Pending;
    }
    if appeals.iter().any(|(_, granted)| *granted == Some(false)) { AppealState::Rejected } else { AppealState::None }
}

type Publication = (Option<String>, Option<String>, NaiveDateTime, Appeal);
type Shown = (String, String, NaiveDateTime, Appeal);
type Row = (Publication, Shown, (String, String), Option<(String, String)>);

/// The sanctions that are shown to everybody, the newest first; of one firm where its 统一社会信用代码 is given. Both the publication and what it shows
/// are in force.
///
/// # Errors
/// When the database does not answer.
pub fn published(conn: &mut Conn, uscc: Option<&str>) -> Result<Vec<PublishedSanction>> {
    let shown = diesel::alias!(sanctions as shown);
    let mut query = sanctions::table
        .inner_join(shown.on(sanctions::publishes.eq(shown.field(sanctions::id).nullable())))
        .inner_join(firms::table.on(firms::id.eq(shown.field(sanctions::firm_id))))
        .left_join(datasets::table.on(shown.field(sanctions::dataset_id).eq(datasets::id.nullable())))
        .filter(sanctions::kind.eq(SanctionKind::Publication.as_str()))
        .filter(sanctions::status.eq(IN_FORCE))
        .filter(shown.field(sanctions::status).eq(IN_FORCE))
        .order(sanctions::id.desc())
        .select((
            (sanctions::public_zh, sanctions::public_en, sanctions::imposed_at, (sanctions::appealed_at, sanctions::appeal_granted)),
            shown.fields((sanctions::id, sanctions::kind, sanctions::imposed_at, (sanctions::appealed_at, sanctions::appeal_granted))),
            (firms::name, firms::uscc),
            (datasets::slug, datasets::entry_json).nullable(),
        ))
        .into_boxed::<<Conn as Connection>::Backend>();
    if let Some(uscc) = uscc {
        query = query.filter(firms::uscc.eq(uscc.to_owned()));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().filter_map(|row| view(row).transpose()).collect()
}

fn view(((zh, en, published_at, appeal), shown, (name, uscc), dataset): Row) -> Result<Option<PublishedSanction>> {
    let (id, kind, imposed_at, own_appeal) = shown;
    let (Some(zh), Some(en)) = (zh, en) else { return Ok(None) };
    let kind = SanctionKind::named(&kind)?;
    let titled = dataset.as_ref().map(|(_, entry_json)| serde_json::from_str::<Title>(entry_json)).transpose()?;
    Ok(Some(PublishedSanction {
        text: text(kind, imposed_at, titled.as_ref().map(|titled| &titled.title)),
        id,
        firm: RegisterFirm { name, uscc },
        kind,
        dataset: dataset.map(|(slug, _)| slug),
        imposed_at,
        published_at,
        public_text: Text { zh, en },
        appeal: appeal_state([own_appeal, appeal]),
    }))
}
