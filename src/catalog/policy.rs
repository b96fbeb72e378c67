//! The policy of a conditional dataset: what may leave a version for a receiver, and how. 脱敏策略
//!
//! The families of transforms follow GB/T 37964-2019: suppression (`drop`), pseudonymisation by a keyed hash (`pseudonym`)
//! and generalisation (`year`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{Entry, Field, FieldType, ReleaseRule, Sensitivity};
use crate::error::{Error, Fault, Result};

/// What leaves a version, field by field. A field that is not named stays behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// The fields that leave, in the version's order.
    pub fields: Vec<PolicyField>,
}

/// One field that leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyField {
    /// The column.
    pub name: String,
    /// How it leaves; never `drop`.
    pub rule: ReleaseRule,
}

impl Policy {
    /// The policy for a receiver who asked for `wanted` fields.
    ///
    /// # Errors
    /// When a field is unknown, asked for twice, or may not leave; each is named with its place in the request.
    pub fn for_fields(entry: &Entry, wanted: &[String]) -> Result<Self> {
        let mut faults = Vec::new();
        if wanted.len() > entry.fields.len() {
            return Err(Error::invalid("/fields", format!("the dataset has {} fields; this names {}", entry.fields.len(), wanted.len())));
        }
        if wanted.is_empty() {
            faults.push(fault("/fields", format!("name at least one field; those that may leave are: {}", leaving(entry).join(", "))));
        }
        for (at, name) in wanted.iter().enumerate() {
            let pointer = format!("/fields/{at}");
            match entry.field(name) {
                None => faults
                    .push(fault(&pointer, format!("there is no field `{name}`; those that may leave are: {}", leaving(entry).join(", ")))),
                Some(field) if !may_leave(field) => {
                    faults.push(fault(&pointer, format!("the field `{name}` may not leave under the dataset's policy")))
                }
                Some(_) if wanted[..at].contains(name) => faults.push(fault(&pointer, format!("the field `{name}` is asked for twice"))),
                Some(_) => {}
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let fields = entry.fields.iter().filter(|field| wanted.contains(&field.name));
        Ok(Policy { fields: fields.map(|field| PolicyField { name: field.name.clone(), rule: field.release }).collect() })
    }

    /// Whether the dataset's entry, as it stands now, still lets every field leave as this policy says.
    ///
    /// # Errors
    /// When a field is gone, may not leave any more, or leaves only under a stricter rule than this policy's.
    pub fn require_allowed(&self, entry: &Entry) -> Result<()> {
        for leaving in &self.fields {
            let allowed = entry.field(&leaving.name).is_some_and(|field| {
                let as_strict = field.release == leaving.rule || field.release == ReleaseRule::Keep;
                let direct = field.sensitivity == Sensitivity::Direct && leaving.rule != ReleaseRule::Pseudonym;
                may_leave(field) && as_strict && !direct
            });
            if !allowed {
                let reason = format!("the dataset's policy no longer lets the field `{}` leave in this way; apply again", leaving.name);
                return Err(Error::Forbidden(reason));
            }
        }
        Ok(())
    }

    /// The columns of a release under this policy, from those of its version.
    ///
    /// # Errors
    /// When a field is missing in the version, or was declared a direct identifier in it and would leave as it is.
    pub fn release_fields(&self, version: &[Field]) -> Result<Vec<Field>> {
        self.fields
            .iter()
            .map(|leaving| {
                let field = version
                    .iter()
                    .find(|field| field.name == leaving.name)
                    .ok_or_else(|| Error::Conflict(format!("this version has no field `{}` any more; apply again", leaving.name)))?;
                let direct = field.sensitivity == Sensitivity::Direct && leaving.rule != ReleaseRule::Pseudonym;
                if direct || leaving.rule == ReleaseRule::Drop {
                    return Err(Error::Conflict(format!("the field `{}` may not leave as the policy says", leaving.name)));
                }
                Ok(released(field, leaving.rule))
            })
            .collect()
    }
}

/// Whether a field may leave at all.
pub fn may_leave(field: &Field) -> bool {
    match field.release {
        ReleaseRule::Drop => false,
        ReleaseRule::Keep | ReleaseRule::Year => field.sensitivity != Sensitivity::Direct,
        ReleaseRule::Pseudonym => true,
    }
}

fn leaving(entry: &Entry) -> Vec<&str> {
    entry.fields.iter().filter(|field| may_leave(field)).map(|field| field.name.as_str()).collect()
}

fn fault(pointer: &str, detail: String) -> Fault {
    Fault { pointer: pointer.to_owned(), detail }
}

/// A field as it looks once the rule is applied.
fn released(field: &Field, rule: ReleaseRule) -> Field {
    let mut released = field.clone();
    released.release = rule;
    match rule {
        ReleaseRule::Keep | ReleaseRule::Drop => {}
        ReleaseRule::Pseudonym => {
            released.field_type = Some(FieldType::String);
            released.scale = None;
            released.sensitivity = Sensitivity::Quasi;
        }
        ReleaseRule::Year => released.field_type = Some(FieldType::Integer),
    }
    released
}
