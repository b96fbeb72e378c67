//! Grades of fields, and what they mean for openness. 分级
//!
//! Which grades there are, which open type each permits, and which rule of release lowers one to another is data: a scheme, of those that
//! are shipped in `grading/` or of a file of the publisher's own. The strictest grade of a dataset's fields counts (就高从严).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{Entry, Field, OpenType, Sensitivity, Text};
use super::policy::may_leave;
use crate::intake::Combination;

/// The schemes that are shipped, by name.
const SHIPPED: [(&str, &str); 2] = [
    ("shanghai-2019", include_str!("../../grading/shanghai-2019.toml")),
    ("zhejiang-2021", include_str!("../../grading/zhejiang-2021.toml")),
];

/// What lowers every field of a release in which nobody can be told by name, and nobody stands alone.
const DEIDENTIFIED: &str = "deidentified";

/// A scheme of grades.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// What it is called.
    pub name: Text,
    /// Where it comes from.
    pub source: String,
    /// What is to be known about it.
    #[serde(default)]
    pub note: Option<Text>,
    /// The least number of people in each group of a release that counts as de-identified.
    pub least_group: u32,
    /// What is graded.
    pub dimensions: Vec<Dimension>,
    /// The grades of all dimensions, each dimension's from loose to strict.
    pub grades: Vec<Grade>,
    /// What lowers a grade.
    #[serde(default)]
    pub lowering: Vec<Lowering>,
    /// What the grades of quasi-identifiers become where these single somebody out together.
    #[serde(default)]
    pub raising: Vec<Raising>,
}

/// What is graded: persons, organisations, things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Its code.
    pub code: String,
    /// What it is called.
    pub name: Text,
}

/// A grade of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// Its code.
    pub code: String,
    /// Of which dimension it is.
    pub dimension: String,
    /// What it says.
    pub name: Text,
    /// How far a dataset with such a field may be open at most.
    pub open_type: OpenType,
}

/// What rules of release make of a grade.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lowering {
    /// The rules, by name; or `deidentified`.
    by: Vec<String>,
    /// The grades that they lower.
    from: Vec<String>,
    /// What these become.
    to: String,
}

/// What becomes of a grade where fields single somebody out together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raising {
    /// The grades that it raises.
    from: Vec<String>,
    /// What these become.
    to: String,
}

/// How a dataset is graded, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Grading {
    /// The scheme's name.
    pub scheme: Text,
    /// Where the scheme comes from.
    pub source: String,
    /// What is to be known about the scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
    /// How far the dataset may be open at most: by its strictest field, as fields leave it, or of a closed dataset as they are. Null while no field is graded.
    pub permits: Option<OpenType>,
    /// The fields that force this: those of the strictest grade.
    pub forced_by: Vec<String>,
    /// The fields that single somebody out together in the newest version: fewer than `least_group` are alike in all of them. Their grades are
    /// raised by that.
    pub singled_out_by: Vec<String>,
    /// The least number of people in a group in which nobody is singled out.
    pub least_group: u32,
    /// The fields that are not graded.
    pub ungraded: Vec<String>,
    /// The fields that are, in the dataset's order.
    pub fields: Vec<GradedField>,
}

/// How a field is graded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GradedField {
    /// Its name.
    pub name: String,
    /// Its grade, as it stands in the version.
    pub grade: Grade,
    /// The code of the grade that the entry gives it, where another is raised above it because fields single somebody out together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raised_from: Option<String>,
    /// Its grade as it leaves, where the dataset is conditional by its rule of release; null where it does not leave.
    pub leaves_as: Option<Grade>,
    /// What would lower its grade, where something would.
    pub lowered_by: Vec<LoweredBy>,
}

/// What would lower a grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LoweredBy {
    /// The rules of release that would, by name; `drop` leaves the field out.
    pub rules: Vec<String>,
    /// The grade that the field would have; null where it would not leave.
    pub to: Option<String>,
    /// How far the dataset might be open then, as far as this field goes.
    pub permits: OpenType,
}

impl Scheme {
    /// The shipped scheme of that name.
    pub fn shipped(name: &str) -> Option<&'static str> {
        SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The names of those that are shipped.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Reads a scheme and checks that it holds together.
    ///
    /// # Errors
    /// Says what does not.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let scheme: Scheme = toml::from_str(text)?;
        let known = |code: &str| scheme.grades.iter().any(|grade| grade.code == code);
        for (at, grade) in scheme.grades.iter().enumerate() {
            anyhow::ensure!(scheme.dimensions.iter().any(|one| one.code == grade.dimension), "grade {}: no such dimension", grade.code);
            anyhow::ensure!(!scheme.grades[..at].iter().any(|other| other.code == grade.code), "the grade {} stands twice", grade.code);
            let looser = scheme.grades[at + 1..]
                .iter()
                .find(|later| later.dimension == grade.dimension && later.open_type.is_wider(grade.open_type));
            anyhow::ensure!(looser.is_none(), "grade {}: a later grade of its dimension is stricter, and permits no more", grade.code);
        }
        anyhow::ensure!(!scheme.grades.is_empty(), "a scheme has grades");
        for code in scheme.raising.iter().flat_map(|raising| raising.from.iter().chain([&raising.to])) {
            anyhow::ensure!(known(code), "raising: there is no grade {code}");
        }
        for lowering in &scheme.lowering {
            for code in lowering.from.iter().chain([&lowering.to]) {
                anyhow::ensure!(known(code), "lowering: there is no grade {code}");
            }
        }
        Ok(scheme)
    }

    /// The grade of that code.
    pub fn grade(&self, code: &str) -> Option<&Grade> {
        self.grades.iter().find(|grade| grade.code == code)
    }

    /// How a dataset is graded, and why; by what was found of its newest version, where it has one.
    pub fn explain(&self, entry: &Entry, found: Option<&Combination>) -> Grading {
        let singled_out_by = match found {
            Some(found) if found.singles_out() && is_singled_out(entry, Some(found)) => found.fields.clone(),
            Some(_) | None => Vec::new(),
        };
        let fields: Vec<GradedField> = entry.fields.iter().filter_map(|field| self.graded(entry, field, &singled_out_by)).collect();
        // Of a closed dataset nothing leaves: there it is the fields themselves that count.
        let counts = |field: &'_ GradedField| match entry.open_type {
            OpenType::Closed => Some(field.grade.open_type),
            OpenType::Conditional | OpenType::Unconditional => field.leaves_as.as_ref().map(|grade| grade.open_type),
        };
        let permits = fields.iter().filter_map(counts).reduce(OpenType::narrower);
        let of_strictest =
            |field: &&GradedField| counts(field).is_some() && counts(field) == permits && permits != Some(OpenType::Unconditional);
        Grading {
            scheme: self.name.clone(),
            source: self.source.clone(),
            note: self.note.clone(),
            permits,
            forced_by: fields.iter().filter(of_strictest).map(|field| field.name.clone()).collect(),
            singled_out_by,
            least_group: self.least_group,
            ungraded: entry.fields.iter().filter(|field| field.grade.is_none()).map(|field| field.name.clone()).collect(),
            fields,
        }
    }

    fn graded(&self, entry: &Entry, field: &Field, singled_out_by: &[String]) -> Option<GradedField> {
        let own = self.grade(field.grade.as_deref()?)?;
        let raised = if singled_out_by.contains(&field.name) { self.raised(own) } else { None };
        let grade = raised.unwrap_or(own);
        Some(GradedField {
            name: field.name.clone(),
            grade: grade.clone(),
            raised_from: raised.map(|_| own.code.clone()),
            leaves_as: leaves(entry, field).then(|| self.leaving(entry, field, grade).clone()),
            lowered_by: self.lowered_by(grade),
        })
    }

    /// What a grade becomes where somebody is singled out; none where it stays.
    fn raised(&self, grade: &Grade) -> Option<&Grade> {
        let raising = self.raising.iter().find(|raising| raising.from.contains(&grade.code))?;
        self.grade(&raising.to)
    }

    /// The grade of a field as it leaves.
    fn leaving<'s>(&'s self, entry: &Entry, field: &Field, grade: &'s Grade) -> &'s Grade {
        if entry.open_type != OpenType::Conditional {
            return grade;
        }
        let deidentified = self.is_deidentified(entry);
        let does = |by: &String| (deidentified && by == DEIDENTIFIED) || field.release.steps().iter().any(|step| step.name() == by);
        let lowering = self.lowering.iter().find(|lowering| lowering.from.contains(&grade.code) && lowering.by.iter().any(does));
        lowering.and_then(|lowering| self.grade(&lowering.to)).unwrap_or(grade)
    }

    /// Whether nobody can be told by name from what leaves, and nobody stands alone in it.
    fn is_deidentified(&self, entry: &Entry) -> bool {
        let hidden = |field: &Field| field.sensitivity != Sensitivity::Direct || field.release.is_drop() || field.release.is_pseudonym();
        let quasi = entry.fields.iter().any(|field| field.sensitivity == Sensitivity::Quasi && may_leave(field));
        // Where a quasi-identifier leaves, groups have at least five people unless the entry says otherwise.
        let grouped = !quasi || entry.policy.k.unwrap_or(5) >= self.least_group;
        grouped && entry.fields.iter().all(hidden)
    }

    fn lowered_by(&self, grade: &Grade) -> Vec<LoweredBy> {
        if grade.open_type == OpenType::Unconditional {
            return Vec::new();
        }
        let lowered = self.lowering.iter().filter(|lowering| lowering.from.contains(&grade.code)).filter_map(|lowering| {
            let to = self.grade(&lowering.to)?;
            Some(LoweredBy { rules: lowering.by.clone(), to: Some(to.code.clone()), permits: to.open_type })
        });
        let dropped = LoweredBy { rules: vec!["drop".to_owned()], to: None, permits: OpenType::Unconditional };
        lowered.chain([dropped]).collect()
    }

    /// What is wrong with the grades of an entry: the key, and what is wrong with it.
    pub fn faults(&self, entry: &Entry) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (at, field) in entry.fields.iter().enumerate() {
            let mut fault = |detail: String| faults.push((format!("fields[{at}].grade"), format!("field `{}`: {detail}", field.name)));
            let Some(code) = &field.grade else { continue };
            let Some(grade) = self.grade(code) else {
                let codes: Vec<&str> = self.grades.iter().map(|grade| grade.code.as_str()).collect();
                fault(format!("there is no grade `{code}` in the scheme {}; it has {}", self.name.en, codes.join(", ")));
                continue;
            };
            let permits = self.leaving(entry, field, grade).open_type;
            if leaves(entry, field) && entry.open_type.is_wider(permits) {
                let how = entry.open_type.as_str();
                fault(format!("{code} permits {} at most, and the dataset is {how}: {}", permits.as_str(), self.ways_out(grade, entry)));
            }
        }
        faults
    }

    fn ways_out(&self, grade: &Grade, entry: &Entry) -> String {
        if entry.open_type == OpenType::Unconditional {
            return "make the dataset conditional, or leave the field out of it".to_owned();
        }
        let rules: Vec<String> = self.lowered_by(grade).into_iter().flat_map(|lowered| lowered.rules).collect();
        format!("one of these would lower it: {}", rules.join(", "))
    }
}

/// The fields of an entry that may single somebody out together with others.
pub fn quasi_identifiers(entry: &Entry) -> Vec<String> {
    entry.fields.iter().filter(|field| field.sensitivity == Sensitivity::Quasi).map(|field| field.name.clone()).collect()
}

/// Whether a version that everybody may read has to be counted anew: its quasi-identifiers, the subject or the least group are others by now than
/// when it was counted. Of a conditional dataset each release is counted by itself.
pub fn is_to_be_counted(entry: &Entry, found: Option<&Combination>, least_group: u32) -> bool {
    let current = |found: &Combination| is_of(entry, found) && found.least_group == i64::from(least_group);
    entry.open_type == OpenType::Unconditional && !quasi_identifiers(entry).is_empty() && !found.is_some_and(current)
}

fn is_of(entry: &Entry, found: &Combination) -> bool {
    found.fields == quasi_identifiers(entry) && found.subject == entry.policy.subject
}

/// Whether the quasi-identifiers of a version single somebody out together, and a curator has not said of each of them that it does not. What was
/// found stays found, whatever the entry says of the fields later. Of quasi-identifiers that were not counted nothing is known, and that counts as well.
pub fn is_singled_out(entry: &Entry, found: Option<&Combination>) -> bool {
    let is_cleared = |name: &String| entry.field(name).is_some_and(|field| field.cleared.is_some());
    match found {
        Some(found) if found.singles_out() => !found.fields.iter().all(is_cleared),
        Some(found) if is_of(entry, found) => false,
        Some(_) | None => !quasi_identifiers(entry).iter().all(is_cleared),
    }
}

/// Whether a field leaves, as it is or for a grant.
fn leaves(entry: &Entry, field: &Field) -> bool {
    match entry.open_type {
        OpenType::Unconditional => true,
        OpenType::Conditional => may_leave(field),
        OpenType::Closed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scheme_holds_together() {
        for name in Scheme::names() {
            let scheme = Scheme::read(Scheme::shipped(name).unwrap()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert!(scheme.grades.iter().any(|grade| grade.open_type == OpenType::Unconditional), "{name}");
        }
        assert!(Scheme::shipped("nothing").is_none());
    }

    #[test]
    fn a_scheme_that_does_not_hold_together_is_refused() {
        let text = Scheme::shipped("zhejiang-2021").unwrap();
        for (from, to, wanted) in [
            ("dimension = \"L\"", "dimension = \"M\"", "no such dimension"),
            ("code = \"L2\"", "code = \"L1\"", "stands twice"),
            ("open_type = \"unconditional\"", "open_type = \"closed\"", "stricter"),
            ("to = \"L2\"", "to = \"L9\"", "no grade L9"),
            ("least_group = 5", "least = 5", "least"),
        ] {
            let fault = Scheme::read(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(fault.contains(wanted), "{from}: {fault}");
        }
    }
}
