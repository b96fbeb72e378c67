//! The policy of a conditional dataset: what may leave a version for a receiver, and how. 脱敏策略

use datafusion::logical_expr::Expr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::condition::condition;
use super::entry::{Entry, Field, FieldType, Sensitivity};
use super::transform::ReleaseRule;
use crate::error::{Error, Fault, Result};

/// The k where quasi-identifiers leave and the curator says nothing of it.
const DEFAULT_K: u32 = 5;

/// The least k with which the sandbox lets rows be chosen by quasi-identifiers.
const LEAST_K: u32 = 3;

/// The share of rows that may be left out to reach k where the curator says nothing of it.
const DEFAULT_SUPPRESSED: f64 = 0.05;

/// What leaves a version. A field that is not named stays behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// The fields that leave, in the version's order.
    pub fields: Vec<PolicyField>,
    /// Which rows leave.
    #[serde(flatten)]
    pub rows: Rows,
}

/// One field that leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyField {
    /// The column.
    pub name: String,
    /// How it leaves; never `drop`.
    pub rule: ReleaseRule,
    /// How it leaves where groups would be too small otherwise, from the mildest rule to the coarsest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coarser: Vec<ReleaseRule>,
    /// What it says about a person.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// Whether it is sensitive personal information besides, where the entry and a version say different things.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub also_sensitive: bool,
}

/// Which rows leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Rows {
    /// Only rows that this condition holds for.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Of these only rows that this condition of the receiver's own holds for; it is over fields that leave as they are.
    #[serde(rename = "receiver_where", skip_serializing_if = "Option::is_none")]
    pub receiver_condition: Option<String>,
    /// The share of subjects, or of rows where no subject is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
    /// The fields that name a row: what is by chance for a row depends on them alone. Without them it depends on the whole row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The field whose values name the subjects; groups are counted in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The least number of subjects, or of rows where no subject is named, that are alike in all quasi-identifiers.
    pub k: u32,
    /// The least number of values of each sensitive field in each such group.
    pub l: u32,
    /// The share of rows that may be left out to reach k and l.
    pub max_suppressed_share: f64,
    /// The share of rows that each grant's release leaves out, so that a leaked copy can be traced.
    pub leave_out_share: f64,
}

impl Default for Rows {
    /// Every row, as in the first agreements.
    fn default() -> Self {
        Rows {
            condition: None,
            receiver_condition: None,
            sample: None,
            key: Vec::new(),
            subject: None,
            k: 1,
            l: 1,
            max_suppressed_share: 0.0,
            leave_out_share: 0.0,
        }
    }
}

impl Policy {
    /// Why nothing can be computed in the sandbox under it, if so: units are counted there by subjects, and chosen by groups.
    pub fn sandbox_fault(&self) -> Option<String> {
        if let Some(subject) = self.rows.subject.as_ref().filter(|subject| !self.fields.iter().any(|field| field.name == **subject)) {
            return Some(format!("the sandbox counts the subjects of the dataset: ask for their field too, `{subject}`"));
        }
        if self.rows.receiver_condition.is_some() {
            return Some("the sandbox is over all rows of the release: leave out `where`, or ask for another mode".to_owned());
        }
        let small = self.rows.k < LEAST_K && self.fields.iter().any(PolicyField::is_grouped);
        small.then(|| format!("the sandbox needs groups: the policy's k is {}, and must be at least {LEAST_K}", self.rows.k))
    }
}

impl Rows {
    fn of(entry: &Entry, fields: &[PolicyField], leave_out_share: f64) -> Self {
        let told = &entry.policy;
        let quasi = fields.iter().any(PolicyField::is_grouped);
        Rows {
            condition: told.condition.clone(),
            receiver_condition: None,
            sample: told.sample.filter(|share| *share < 1.0),
            key: entry.key.clone(),
            subject: told.subject.clone(),
            k: told.k.unwrap_or(if quasi { DEFAULT_K } else { 1 }),
            l: told.l.unwrap_or(1),
            max_suppressed_share: told.max_suppressed_share.unwrap_or(DEFAULT_SUPPRESSED),
            leave_out_share: told.leave_out_share.unwrap_or(leave_out_share),
        }
    }

    /// Whether rows that leave by these rules may leave by `now` too.
    fn as_strict_as(&self, now: &Rows) -> bool {
        let condition = now.condition.is_none() || self.condition == now.condition;
        let counted = now.k <= 1 && now.l <= 1 || self.subject == now.subject;
        condition && counted && self.sample.unwrap_or(1.0) <= now.sample.unwrap_or(1.0) && self.k >= now.k && self.l >= now.l
    }
}

impl PolicyField {
    /// Whether its values, as they leave, tell people apart: groups are made of those that are alike in all such fields. A keyed hash and a
    /// value that was moved away from the true one are known to nobody outside.
    pub fn is_grouped(&self) -> bool {
        let tells = match self.sensitivity {
            Sensitivity::Quasi | Sensitivity::Direct => true,
            Sensitivity::None | Sensitivity::Sensitive => false,
        };
        tells && !self.rule.is_keyed()
    }

    /// Whether it is sensitive and leaves as something that means what it says.
    pub fn is_sensitive(&self) -> bool {
        self.says_sensitive() && !self.rule.is_keyed()
    }

    fn says_sensitive(&self) -> bool {
        self.also_sensitive || self.sensitivity == Sensitivity::Sensitive
    }

    /// The rules by which it may leave, from the mildest to the coarsest.
    pub fn levels(&self) -> impl Iterator<Item = &ReleaseRule> {
        std::iter::once(&self.rule).chain(&self.coarser)
    }
}

impl Policy {
    /// The policy for a receiver who asked for `wanted` fields; `leave_out_share` is the service's own where the entry says nothing of it.
    ///
    /// # Errors
    /// When a field is unknown, asked for twice, or may not leave; each is named with its place in the request.
    pub fn for_fields(entry: &Entry, wanted: &[String], leave_out_share: f64) -> Result<Self> {
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
        let fields: Vec<PolicyField> = fields.map(leaving_field).collect();
        Ok(Policy { rows: Rows::of(entry, &fields, leave_out_share), fields })
    }

    /// The same policy for fewer rows: those for which the receiver's own condition holds. `known` are the columns of the version, by which
    /// the condition is read.
    ///
    /// # Errors
    /// When it cannot be read, or is over a field that does not leave as it is: what it says of such a field would leave by which rows there are.
    pub fn narrowed(mut self, receiver_condition: Option<&str>, known: &[Field]) -> Result<Self> {
        if let Some(text) = receiver_condition {
            self.receiver_filter(text, known)?;
            self.rows.receiver_condition = Some(text.to_owned());
        }
        Ok(self)
    }

    /// The receiver's own condition as an expression over the columns of a version.
    ///
    /// # Errors
    /// As [`Policy::narrowed`].
    pub fn receiver_filter(&self, text: &str, known: &[Field]) -> Result<Expr> {
        let kept = |field: &&Field| self.fields.iter().any(|leaving| leaving.name == field.name && leaving.rule.is_keep());
        let kept: Vec<Field> = known.iter().filter(kept).cloned().collect();
        condition(text, &kept, &|_| Ok(None)).map_err(|cause| {
            let names: Vec<&str> = kept.iter().map(|field| field.name.as_str()).collect();
            let Error::Invalid(faults) = cause else { return cause };
            let detail = faults.into_iter().map(|fault| fault.detail).collect::<Vec<_>>().join("; ");
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Error::invalid(
                "/where",
                format!("{detail} (a condition of your own is over fields that you ask for and that leave as they are: {names})"),
            )
        })
    }

    /// Whether the dataset's entry, as it stands now, still lets everything leave as this policy says.
    ///
    /// # Errors
    /// When a field is gone, may not leave any more, or leaves only under a stricter rule than this policy's, and when fewer rows leave now.
    pub fn require_allowed(&self, entry: &Entry) -> Result<()> {
        for leaving in &self.fields {
            let allowed = entry.field(&leaving.name).is_some_and(|field| {
                let as_strict = field.release == leaving.rule || field.release.is_keep();
                let known = leaving.sensitivity.stricter(field.sensitivity) == leaving.sensitivity;
                let sensitive = field.sensitivity != Sensitivity::Sensitive || leaving.says_sensitive();
                let coarser = leaving.coarser.iter().all(|rule| field.coarser.contains(rule) || rule.is_drop());
                may_leave(field) && as_strict && known && sensitive && coarser && leaving.rule.lets_leave(field.sensitivity)
            });
            if !allowed {
                let reason = format!("the dataset's policy no longer lets the field `{}` leave in this way; apply again", leaving.name);
                return Err(Error::Forbidden(reason));
            }
        }
        let now: Vec<PolicyField> = self.fields.iter().filter_map(|leaving| entry.field(&leaving.name)).map(leaving_field).collect();
        if !self.rows.as_strict_as(&Rows::of(entry, &now, 0.0)) {
            return Err(Error::Forbidden("the dataset's policy lets fewer rows leave now than was agreed; apply again".to_owned()));
        }
        Ok(())
    }

    /// The same policy, with what was said of its fields in the version where that is stricter.
    ///
    /// # Errors
    /// When a field is missing in the version, was declared a direct identifier in it and would leave as it is, or has a type that its
    /// rule is not for.
    pub fn for_version(&self, version: &[Field]) -> Result<Self> {
        let field = |name: &str| {
            let found = version.iter().find(|field| field.name == name);
            found.ok_or_else(|| Error::Conflict(format!("this version has no field `{name}` any more; apply again")))
        };
        for name in self.rows.subject.iter().chain(&self.rows.key) {
            field(name)?;
        }
        let mut policy = self.clone();
        for leaving in &mut policy.fields {
            let known = field(&leaving.name)?;
            let (was_grouped, was_sensitive) = (leaving.is_grouped(), leaving.says_sensitive());
            let sensitive = was_sensitive || known.sensitivity == Sensitivity::Sensitive;
            leaving.sensitivity = leaving.sensitivity.stricter(known.sensitivity);
            leaving.also_sensitive = sensitive && leaving.sensitivity != Sensitivity::Sensitive;
            if leaving.is_grouped() && !was_grouped {
                policy.rows.k = policy.rows.k.max(DEFAULT_K);
            }
            for rule in leaving.levels() {
                if !rule.is_drop() && !rule.lets_leave(leaving.sensitivity) || leaving.rule.is_drop() {
                    return Err(Error::Conflict(format!("the field `{}` may not leave as the policy says", leaving.name)));
                }
                let output = rule.output(known.field_type.unwrap_or(FieldType::String), known.scale);
                output
                    .map_err(|cause| Error::Conflict(format!("the field `{}`: {cause}; have the dataset's entry mended", leaving.name)))?;
            }
            for subject in leaving.rule.subjects() {
                field(subject)?;
            }
        }
        Ok(policy)
    }

    /// The columns of a release under this policy, from those of its version, when each field leaves by the rule at its place in `rules`.
    pub fn release_fields(&self, version: &[Field], rules: &[&ReleaseRule]) -> Vec<Field> {
        let known = |leaving: &PolicyField| version.iter().find(|field| field.name == leaving.name);
        let leaving = self.fields.iter().zip(rules).filter(|(_, rule)| !rule.is_drop());
        leaving.filter_map(|(leaving, rule)| Some(released(known(leaving)?, rule))).collect()
    }
}

/// Whether a field may leave at all.
pub fn may_leave(field: &Field) -> bool {
    field.release.lets_leave(field.sensitivity)
}

fn leaving_field(field: &Field) -> PolicyField {
    PolicyField {
        name: field.name.clone(),
        rule: field.release.clone(),
        coarser: field.coarser.clone(),
        sensitivity: field.sensitivity,
        also_sensitive: false,
    }
}

fn leaving(entry: &Entry) -> Vec<&str> {
    entry.fields.iter().filter(|field| may_leave(field)).map(|field| field.name.as_str()).collect()
}

fn fault(pointer: &str, detail: String) -> Fault {
    Fault { pointer: pointer.to_owned(), detail }
}

/// A field as it looks once the rule is applied.
fn released(field: &Field, rule: &ReleaseRule) -> Field {
    let mut released = Field { release: rule.clone(), coarser: Vec::new(), ..field.clone() };
    let from = field.field_type.unwrap_or(FieldType::String);
    let to = rule.output(from, field.scale).unwrap_or(from);
    released.field_type = Some(to);
    if to != FieldType::Decimal {
        released.scale = None;
    }
    if field.sensitivity == Sensitivity::Direct {
        released.sensitivity = Sensitivity::Quasi;
    }
    released
}
