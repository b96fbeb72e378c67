//! Whether one rule is coarser than another: values that are alike under the finer one are alike under the coarser one too. Else making a
//! field coarser could tell people apart who were alike before.

use std::collections::BTreeMap;

use super::{Amount, ReleaseRule, Transform};

impl ReleaseRule {
    /// Whether values that are alike under `finer` are alike under this rule. Of rules that cannot be compared the answer is no.
    pub fn is_coarser_than(&self, finer: &ReleaseRule) -> bool {
        if self.is_drop() || finer.is_keep() {
            return true;
        }
        let (Some((own, own_before)), Some((other, other_before))) = (self.steps().split_last(), finer.steps().split_last()) else {
            return false;
        };
        own_before == other_before && own.is_coarser_than(other)
    }
}

impl Transform {
    fn is_coarser_than(&self, finer: &Transform) -> bool {
        match (self, finer) {
            (Transform::Quarter, Transform::Month) => true,
            (Transform::Year | Transform::YearBand { .. }, Transform::Month | Transform::Quarter) => true,
            (Transform::YearBand { .. }, Transform::Year) => true,
            (Transform::YearBand { years }, Transform::YearBand { years: finer }) => years > finer && years % finer == 0,
            (Transform::Area { level }, Transform::Area { level: finer }) => level.digits() < finer.digits(),
            (Transform::Area { level }, Transform::Truncate { chars }) => level.digits() < *chars,
            (Transform::Truncate { chars }, Transform::Area { level }) => *chars < level.digits(),
            (Transform::Truncate { chars }, Transform::Truncate { chars: finer }) => chars < finer,
            (Transform::Truncate { chars }, Transform::Mask { first, .. }) => chars <= first,
            (Transform::Mask { first, last, with }, Transform::Mask { first: more, last: behind, with: sign }) => {
                with == sign && first <= more && last <= behind && (first, last) != (more, behind)
            }
            (Transform::Band { width, from }, Transform::Band { width: narrow, from: begin }) => {
                width > narrow && is_multiple(*width, *narrow) && apart_by(*from, *begin, *narrow)
            }
            (Transform::Bands { edges }, Transform::Bands { edges: more }) => {
                edges.len() < more.len() && edges.iter().all(|edge| more.contains(edge))
            }
            (Transform::Bands { edges }, Transform::Band { width, from }) => edges.iter().all(|edge| apart_by(*edge, *from, *width)),
            (Transform::Taxonomy { values, other }, Transform::Taxonomy { values: finer, other: rest }) => {
                is_wider((values, other), (finer, rest))
            }
            _ => false,
        }
    }
}

/// Whether one number is so many times another.
fn is_multiple(one: Amount, of: Amount) -> bool {
    let scale = one.scale().max(of.scale());
    matches!((one.in_units(scale), of.in_units(scale)), (Some(one), Some(of)) if of > 0 && one % of == 0)
}

/// Whether two numbers lie a multiple of a step apart.
fn apart_by(one: Amount, other: Amount, step: Amount) -> bool {
    let scale = one.scale().max(other.scale()).max(step.scale());
    match (one.in_units(scale), other.in_units(scale), step.in_units(scale)) {
        (Some(one), Some(other), Some(step)) => step > 0 && (one - other) % step == 0,
        _ => false,
    }
}

type Taxonomy<'a> = (&'a BTreeMap<String, String>, &'a String);

/// Whether all values of one term of the finer taxonomy have one term in the wider one.
fn is_wider(wide: Taxonomy<'_>, fine: Taxonomy<'_>) -> bool {
    let term = |taxonomy: Taxonomy<'_>, value: &String| taxonomy.0.get(value).unwrap_or(taxonomy.1).clone();
    let mut terms: BTreeMap<String, String> = BTreeMap::from([(fine.1.clone(), wide.1.clone())]);
    let values = fine.0.keys().chain(wide.0.keys());
    values.into_iter().all(|value| {
        let wider = term(wide, value);
        *terms.entry(term(fine, value)).or_insert_with(|| wider.clone()) == wider
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> ReleaseRule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_alike_stays_alike() {
        let yes = [
            (r#"{"year_band":{"years":10}}"#, r#"{"year_band":{"years":5}}"#),
            (r#""year""#, r#""month""#),
            (r#"{"area":{"level":"district"}}"#, r#""keep""#),
            (r#""drop""#, r#"{"truncate":{"chars":2}}"#),
            (r#"{"truncate":{"chars":2}}"#, r#"{"truncate":{"chars":3}}"#),
            (r#"{"band":{"width":10,"from":5}}"#, r#"{"band":{"width":2.5}}"#),
            (r#"{"bands":{"edges":[0,100]}}"#, r#"{"band":{"width":50}}"#),
            (r#"[{"clamp":{"max":90}},{"band":{"width":10}}]"#, r#"[{"clamp":{"max":90}},{"band":{"width":5}}]"#),
            (r#"{"taxonomy":{"values":{"a":"X","b":"X"},"other":"O"}}"#, r#"{"taxonomy":{"values":{"a":"1","b":"2"},"other":"o"}}"#),
        ];
        let no = [
            (r#""year""#, r#"{"year_band":{"years":10}}"#),
            (r#"{"year_band":{"years":7}}"#, r#"{"year_band":{"years":5}}"#),
            (r#"{"truncate":{"chars":10}}"#, r#"{"truncate":{"chars":2}}"#),
            (r#"{"band":{"width":10,"from":1}}"#, r#"{"band":{"width":5}}"#),
            (r#"{"bands":{"edges":[0,70]}}"#, r#"{"band":{"width":50}}"#),
            (r#"[{"clamp":{"max":90}},{"band":{"width":10}}]"#, r#"{"band":{"width":5}}"#),
            (r#"{"taxonomy":{"values":{"a":"X","b":"Y"},"other":"O"}}"#, r#"{"taxonomy":{"values":{"a":"1","b":"1"},"other":"o"}}"#),
            (r#"{"taxonomy":{"values":{"c":"X"},"other":"O"}}"#, r#"{"taxonomy":{"values":{"a":"1"},"other":"o"}}"#),
        ];
        for (coarse, fine) in yes {
            assert!(rule(coarse).is_coarser_than(&rule(fine)), "{coarse} than {fine}");
        }
        for (coarse, fine) in no {
            assert!(!rule(coarse).is_coarser_than(&rule(fine)), "{coarse} than {fine}");
        }
    }

    #[test]
    fn a_rule_with_two_keys_loses_neither() {
        let wrong = serde_json::from_str::<ReleaseRule>(r#"{"clamp":{"max":90},"round":{"to":5}}"#).unwrap_err().to_string();
        assert!(wrong.contains("`round` stands beside `clamp`"), "{wrong}");
        let wrong = toml::from_str::<BTreeMap<String, ReleaseRule>>("x = { clamp = { max = 90 }, round = { to = 5 } }").unwrap_err();
        assert!(wrong.to_string().contains("stands beside"), "{wrong}");
    }
}
