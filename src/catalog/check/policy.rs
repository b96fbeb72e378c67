//! What is wrong with the policy of an entry: the rules of its fields, and what it says of rows.

use super::Faults;
use crate::catalog::condition::condition;
use crate::catalog::entry::{Entry, Field, OpenType, RowPolicy, Sensitivity};
use crate::catalog::policy::may_leave;
use crate::catalog::transform::{ReleaseRule, Transform};
use crate::error::Error;

/// The most ways in which coarser rules can be put together; each may mean one more reading of the rows.
const MAX_WAYS: usize = 512;

/// Checks what an entry says of releases, but for its fields one by one.
pub(super) fn check(entry: &Entry, faults: &mut Faults) {
    if entry.open_type != OpenType::Conditional {
        // Whom rows are about matters also where everybody may read them: people are counted, and not rows.
        if (RowPolicy { subject: None, ..entry.policy.clone() }) != RowPolicy::default() {
            faults.push(("policy".to_owned(), "only a conditional dataset has a policy for releases, beside `subject`".to_owned()));
        }
        if let Some(subject) = entry.policy.subject.as_ref().filter(|subject| entry.field(subject).is_none()) {
            faults.push(("policy.subject".to_owned(), format!("there is no field `{subject}`")));
        }
        if entry.offer.is_some() {
            faults.push(("offer".to_owned(), "only a conditional dataset has an offer".to_owned()));
        }
        return;
    }
    faults.extend(entry.offer().faults());
    let policy = &entry.policy;
    let mut fault = |key: &str, detail: String| faults.push((format!("policy.{key}"), detail));
    let share = |share: Option<f64>, most: f64| share.is_none_or(|share| (0.0..=most).contains(&share));
    if policy.sample.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        fault("sample", "give a share above 0 and at most 1".to_owned());
    }
    if !share(policy.max_suppressed_share, 1.0) {
        fault("max_suppressed_share", "give a share from 0 to 1".to_owned());
    }
    if !share(policy.leave_out_share, 0.1) {
        fault("leave_out_share", "give a share from 0 to 0.1".to_owned());
    }
    if policy.k.is_some_and(|k| !(1..=1000).contains(&k)) {
        fault("k", "give 1 to 1000".to_owned());
    }
    if policy.l.is_some_and(|l| !(1..=100).contains(&l)) {
        fault("l", "give 1 to 100".to_owned());
    }
    if let Some(subject) = policy.subject.as_ref().filter(|subject| entry.field(subject).is_none()) {
        fault("subject", format!("there is no field `{subject}`"));
    }
    // Types that the entry leaves out are known only when a file has been read; then the condition is read again.
    let typed = entry.fields.iter().all(|field| field.field_type.is_some());
    if let Some(text) = policy.condition.as_ref().filter(|_| typed)
        && let Err(Error::Invalid(wrong)) = condition(text, &entry.fields, &|_| Ok(None))
    {
        wrong.into_iter().for_each(|wrong| fault("where", wrong.detail));
    }
    let ways = entry.fields.iter().map(|field| field.coarser.len() + 1).fold(1usize, usize::saturating_mul);
    if ways > MAX_WAYS {
        fault("k", format!("the coarser rules of all fields can be put together in {ways} ways; the most is {MAX_WAYS}"));
    }
}

/// Checks the rules of one field.
pub(super) fn check_field(entry: &Entry, at: usize, field: &Field, faults: &mut Faults) {
    let mut fault = |key: &str, detail: &str| faults.push((format!("fields[{at}].{key}"), format!("field `{}`: {detail}", field.name)));
    match entry.open_type {
        OpenType::Conditional => {
            let direct = field.sensitivity == Sensitivity::Direct;
            if direct && !field.release.is_drop() && !may_leave(field) {
                fault("release", "a direct identifier never leaves as it is: choose drop, pseudonym, mask, truncate or area");
            }
            let partly = direct && !field.release.is_drop() && !field.release.is_pseudonym();
            if partly && (entry.policy.k == Some(1) || entry.policy.subject.is_none()) {
                fault(
                    "release",
                    "a direct identifier of which a part stays needs groups of people: give policy.subject, and let policy.k be 2 or more",
                );
            }
            check_rule(entry, field, &field.release).into_iter().for_each(|detail| fault("release", &detail));
            for (level, rule) in field.coarser.iter().enumerate() {
                check_coarser(entry, field, level, rule).into_iter().for_each(|detail| fault(&format!("coarser[{level}]"), &detail));
            }
            if at == 0 && !entry.fields.iter().any(may_leave) {
                fault("release", "at least one field of the dataset has to leave");
            }
        }
        OpenType::Unconditional => {
            if matches!(field.sensitivity, Sensitivity::Direct | Sensitivity::Sensitive) {
                fault("sensitivity", "a dataset with such a field cannot be open to everybody");
            }
            if !field.release.is_keep() || !field.coarser.is_empty() {
                fault("release", "only a conditional dataset has rules for releases");
            }
        }
        OpenType::Closed => {}
    }
}

fn check_rule(entry: &Entry, field: &Field, rule: &ReleaseRule) -> Option<String> {
    if let Some(subject) = rule.subjects().find(|subject| entry.field(subject).is_none()) {
        return Some(format!("`shift_days`: there is no field `{subject}`"));
    }
    let plain = rule.is_keep() || rule.is_drop() || rule.is_pseudonym();
    match field.field_type {
        Some(from) => rule.output(from, field.scale).err(),
        None if !plain || rule.steps().len() != 1 => Some("declare the field's type, which this rule depends on".to_owned()),
        None => None,
    }
}

fn check_coarser(entry: &Entry, field: &Field, level: usize, rule: &ReleaseRule) -> Option<String> {
    let tells = matches!(field.sensitivity, Sensitivity::Quasi | Sensitivity::Direct);
    if !tells || field.release.is_keyed() || field.release.is_drop() {
        return Some("only an identifier that leaves without a key is made coarser to reach k".to_owned());
    }
    if rule.is_drop() && level + 1 < field.coarser.len() {
        return Some("drop can only be the last".to_owned());
    }
    if rule.is_keyed() || rule.steps().contains(&Transform::Keep) {
        return Some("a coarser rule leaves a part of what was there: not keep, pseudonym, shift_days or noise".to_owned());
    }
    let finer = level.checked_sub(1).and_then(|at| field.coarser.get(at)).unwrap_or(&field.release);
    if !rule.is_coarser_than(finer) {
        return Some("it is not coarser than the rule before it: what is alike under that one has to be alike under this one".to_owned());
    }
    if !rule.is_drop() && !rule.lets_leave(field.sensitivity) {
        return Some("a direct identifier never leaves as it is".to_owned());
    }
    check_rule(entry, field, rule)
}
