//! The national classification of subjects that entries are put into: data of the folder, as themes are.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::entry::Text;
use crate::db::Conn;
use crate::db::schema::subject_classes;
use crate::error::Result;
use crate::ledger::{self, Kind};

/// From which of three sides a class looks at a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// 基础信息资源: what many bodies build on, such as persons, firms and places.
    Basic,
    /// 主题信息资源: what several bodies keep for one subject.
    Topic,
    /// 部门信息资源: what one body keeps for its own duties.
    Department,
}

impl SubjectKind {
    fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Basic => "basic",
            SubjectKind::Topic => "topic",
            SubjectKind::Department => "department",
        }
    }
}

/// A class of the national classification of subjects. 国家主题分类
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectClass {
    /// Its name in entries.
    pub slug: String,
    /// From which side it looks at a resource.
    pub kind: SubjectKind,
    /// Its name.
    pub name: Text,
}

type Row = (String, String, String, String, i32);

/// All classes, in the curators' order.
///
/// # Errors
/// When the database does not answer.
pub fn subject_classes(conn: &mut Conn) -> Result<Vec<SubjectClass>> {
    let rows: Vec<Row> = subject_classes::table.order((subject_classes::position, subject_classes::slug)).load(conn)?;
    let class = |(slug, kind, zh, en, _): Row| {
        let kind = match kind.as_str() {
            "basic" => SubjectKind::Basic,
            "topic" => SubjectKind::Topic,
            _ => SubjectKind::Department,
        };
        SubjectClass { slug, kind, name: Text { zh, en } }
    };
    Ok(rows.into_iter().map(class).collect())
}

/// Adds or changes a class, with its ledger entry where it is new or changed.
///
/// # Errors
/// When the database does not take it.
pub fn put_subject_class(conn: &mut Conn, actor: &str, class: &SubjectClass, position: i32) -> Result<()> {
    let row: Row = (class.slug.clone(), class.kind.as_str().to_owned(), class.name.zh.clone(), class.name.en.clone(), position);
    let known: Option<Row> = subject_classes::table.find(&class.slug).first(conn).optional()?;
    if known.as_ref() == Some(&row) {
        return Ok(());
    }
    let values = (
        subject_classes::kind.eq(&row.1),
        subject_classes::name_zh.eq(&row.2),
        subject_classes::name_en.eq(&row.3),
        subject_classes::position.eq(position),
    );
    if known.is_some() {
        diesel::update(subject_classes::table.find(&class.slug)).set(values).execute(conn)?;
    } else {
        diesel::insert_into(subject_classes::table).values((subject_classes::slug.eq(&class.slug), values)).execute(conn)?;
    }
    let detail = json!({ "kind": class.kind, "name": class.name, "position": position });
    ledger::append(conn, Kind::SubjectClassUpdated, actor, &format!("subject_class:{}", class.slug), &detail)?;
    Ok(())
}
