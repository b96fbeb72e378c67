//! Weighs what rows of a copy say for and against each grant.

use std::collections::{HashMap, HashSet};

use super::Found;
use super::copy::Copy;

/// How likely a row of a copy is to be none of the release that it was taken from: somebody mixed something in, or changed it.
const STRAY: f64 = 1e-5;

/// The least chance with which a release by another key is taken to have a row.
const LEAST_CHANCE: f64 = 1e-6;

/// How likely it is, before anything is looked at, that a copy comes from no release, or from two of them.
const PRIOR_NONE: f64 = 0.5;
const PRIOR_TWO: f64 = 0.05;

/// Pairs are tried among so many grants, those that are likeliest by themselves.
const MOST_IN_PAIRS: usize = 40;

/// The shares of the first of two copies that are mixed.
const MIXTURES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// No release of the grant could have the row.
    Unknown,
    /// It was left out.
    LeftOut,
    /// A release has it; how much likelier that is when the copy was taken from it than otherwise.
    Has(f64),
}

impl State {
    /// How much likelier the row is when it was taken from the grant's release than otherwise.
    fn ratio(self) -> f64 {
        match self {
            State::Unknown | State::LeftOut => STRAY,
            State::Has(ratio) => ratio,
        }
    }
}

/// How likely a release by another key is to have a row.
pub struct Chances {
    /// The share of rows that a release leaves out.
    pub left_out: f64,
    /// The share of rows that are in its sample; 1 where whole subjects are, since rows of one are in it together.
    pub sample: f64,
    /// The columns that are pseudonyms.
    pub pseudonyms: Vec<usize>,
    /// Where there is noise or dates are moved: with how many of the keys that nobody has a release has a row.
    pub moved: Option<HashMap<u32, u32>>,
}

/// How the releases of a grant stand to each row of a copy.
pub struct Standing(Vec<State>);

impl Standing {
    /// What was found in a copy, where so many keys that nobody has were tried.
    pub fn new(found: &HashMap<u32, Found>, copy: &Copy, chances: &Chances, decoys: usize) -> Self {
        let mut states = vec![State::Unknown; copy.len()];
        let mut spoken = HashSet::new();
        let mut rows: Vec<(&u32, &Found)> = found.iter().collect();
        rows.sort_unstable_by_key(|(row, _)| **row);
        for (row, found) in rows {
            let Some(state) = states.get_mut(*row as usize) else { continue };
            let alike = i32::try_from(found.rows.len()).unwrap_or(i32::MAX);
            let one = chances.sample * (1.0 - chances.left_out);
            let mut otherwise = 1.0 - (1.0 - one).powi(alike);
            if chances.pseudonyms.iter().any(|column| copy.has_value(*row, *column)) {
                otherwise = LEAST_CHANCE;
            } else if let Some(hits) = &chances.moved {
                let hits = hits.get(row).copied().unwrap_or(0);
                let by_chance = f64::from(hits + 1) / (decoys + 2) as f64;
                // All dates of a subject move together: when one fits by chance, the others do.
                if found.subject.is_none_or(|subject| spoken.insert(subject)) {
                    otherwise *= by_chance;
                }
            }
            *state = if found.released { State::Has((1.0 - STRAY) / otherwise.clamp(LEAST_CHANCE, 1.0)) } else { State::LeftOut };
        }
        Standing(states)
    }

    /// Whether a release could have that row.
    pub fn knows(&self, row: usize) -> bool {
        self.0.get(row).is_some_and(|state| *state != State::Unknown)
    }

    /// How many rows its releases have.
    pub fn has(&self) -> usize {
        self.0.iter().filter(|state| matches!(state, State::Has(_))).count()
    }

    /// How many rows its releases left out.
    pub fn left_out(&self) -> usize {
        self.0.iter().filter(|state| **state == State::LeftOut).count()
    }
}

/// Probabilities after everything was looked at.
pub struct Weighed {
    /// That the copy comes from no release.
    pub none: f64,
    /// That it comes from each grant's, alone or with one other.
    pub grants: Vec<f64>,
}

/// The probability of each hypothesis, by Bayes' theorem. Rows that no release could have say nothing.
pub fn weigh(standings: &[Standing], rows: usize) -> Weighed {
    let said: Vec<usize> = (0..rows).filter(|row| standings.iter().any(|standing| standing.knows(*row))).collect();
    let ratio = |at: usize, row: usize| standings.get(at).and_then(|standing| standing.0.get(row)).map_or(STRAY, |state| state.ratio());
    let many = standings.len().max(1) as f64;
    let singles: Vec<f64> = (0..standings.len()).map(|at| said.iter().map(|row| ratio(at, *row).ln()).sum::<f64>()).collect();
    let two = if standings.len() > 1 { PRIOR_TWO } else { 0.0 };
    let mut hypotheses: Vec<(Vec<usize>, f64)> = vec![(Vec::new(), PRIOR_NONE.ln())];
    let prior = ((1.0 - PRIOR_NONE - two) / many).ln();
    hypotheses.extend(singles.iter().enumerate().map(|(at, evidence)| (vec![at], prior + evidence)));
    let prior = (two / (many * (many - 1.0) / 2.0) / MIXTURES.len() as f64).ln();
    for (one, other) in pairs(&singles, standings) {
        for share in MIXTURES {
            let evidence: f64 = said.iter().map(|row| (share * ratio(one, *row) + (1.0 - share) * ratio(other, *row)).ln()).sum();
            hypotheses.push((vec![one, other], prior + evidence));
        }
    }
    let highest = hypotheses.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
    let mut weighed = Weighed { none: 0.0, grants: vec![0.0; standings.len()] };
    let mut total = 0.0;
    for (members, weight) in &hypotheses {
        let weight = (weight - highest).exp();
        total += weight;
        if members.is_empty() {
            weighed.none += weight;
        }
        for at in members {
            if let Some(grant) = weighed.grants.get_mut(*at) {
                *grant += weight;
            }
        }
    }
    weighed.none /= total;
    weighed.grants.iter_mut().for_each(|grant| *grant /= total);
    weighed
}

/// The pairs that are tried: of all grants where they are few, else of those that are likeliest alone or have the most rows.
fn pairs(singles: &[f64], standings: &[Standing]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..singles.len()).collect();
    let has: Vec<usize> = standings.iter().map(Standing::has).collect();
    order.sort_by(|one, other| has[*other].cmp(&has[*one]).then_with(|| singles[*other].total_cmp(&singles[*one])));
    let half = MOST_IN_PAIRS / 2;
    let mut likeliest: Vec<usize> = (0..singles.len()).collect();
    likeliest.sort_by(|one, other| singles[*other].total_cmp(&singles[*one]));
    let mut tried: Vec<usize> = order.into_iter().take(half).chain(likeliest.into_iter().take(half)).collect();
    tried.sort_unstable();
    tried.dedup();
    tried.iter().enumerate().flat_map(|(at, one)| tried[at + 1..].iter().map(|other| (*one, *other))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(states: &[State]) -> Standing {
        Standing(states.to_vec())
    }

    #[test]
    fn nothing_to_look_at_says_nothing() {
        let weighed = weigh(&[standing(&[]), standing(&[])], 0);
        assert!((weighed.none - PRIOR_NONE).abs() < 1e-9);
        assert!((weighed.grants[0] - weighed.grants[1]).abs() < 1e-9 && weighed.grants[0] < 0.5);
        let alone = weigh(&[standing(&[State::Has(1.0); 9])], 9);
        assert!(alone.grants[0] <= 0.5 + 1e-3, "a copy that says nothing names nobody: {:?}", alone.grants);
    }

    #[test]
    fn a_row_that_was_left_out_speaks_against_a_grant() {
        let has = State::Has(1.005);
        let weighed = weigh(&[standing(&[has; 3000]), standing(&[&[State::LeftOut; 7][..], &[has; 2993]].concat())], 3000);
        assert!(weighed.grants[0] > 0.99 && weighed.grants[1] < 0.1, "{:?}", weighed.grants);
    }

    #[test]
    fn rows_of_two_pseudonymised_copies_name_both() {
        let (own, other) = (State::Has(1e6), State::Unknown);
        let one = standing(&[&[own; 5][..], &[other; 3]].concat());
        let two = standing(&[&[other; 5][..], &[own; 3]].concat());
        let weighed = weigh(&[one, two, standing(&[other; 8])], 8);
        assert!(weighed.grants[0] > 0.99 && weighed.grants[1] > 0.99 && weighed.grants[2] < 1e-6, "{:?}", weighed.grants);
    }
}
