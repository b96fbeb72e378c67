//! Whose release a leaked copy comes from.
//!
//! Each grant's release of a version leaves out a small set of rows that its key picks, and has pseudonyms, noise and moved dates of its own.
//! A copy is compared with the releases of all grants of a dataset, as they are made again from the version: a grant's release *has* a row of the
//! copy, has *left it out*, or could never have it. A row that a release has not speaks strongly against that grant. A row that it has
//! speaks for it, the more so the less likely a release with another key has it too: it has a row with `1 - p^m`, where `p` is the share
//! left out and `m` how many rows of the version look the same in the columns of the copy; a pseudonym it has practically never; what noise
//! and moved dates do is tried for each row with keys that nobody has, and speaks once for each subject, since all dates of one move together.
//!
//! From that follows how likely the copy is under each hypothesis: that it comes from no release, from that of one grant, or from those of two
//! mixed in any proportion. Bayes' theorem gives the probability of each. A grant is named only where the probability that it took part is
//! at least the confidence that was asked for; otherwise nobody can tell.

mod copy;
mod weigh;

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use self::copy::Copy;
pub use self::copy::{Given, Renamed};
use self::weigh::{Chances, Standing};
use crate::access::grants::{self, Grant};
use crate::catalog::{self, Version};
use crate::crypto::random_token;
use crate::db::Db;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::identity::firms;
use crate::ledger::{self, Kind};
use crate::release::{self, Candidate, Holder, Maker};
use crate::storage::Storage;

/// How many keys that nobody has are tried, to see how often a release has a row by chance.
const DECOYS: usize = 8;

/// What was found out about a copy.
#[derive(Debug, Clone, Serialize)]
pub struct Trace {
    /// The dataset, by slug.
    pub dataset: String,
    /// SHA-256 of the copy.
    pub copy_sha256: String,
    /// The columns that were compared, by their names in the dataset.
    pub columns: Vec<String>,
    /// Rows of the copy.
    pub rows: u64,
    /// Different rows of it, in the columns that were compared.
    pub distinct: usize,
    /// Those of them that no grant's release could have.
    pub foreign: usize,
    /// Rows of the copy that could not be read, and were not looked at.
    pub unread: i64,
    /// The confidence that was asked for.
    pub confidence: f64,
    /// The grants that are named; none where nobody can tell.
    pub named: Vec<String>,
    /// The probability that the copy comes from no release.
    pub none: f64,
    /// Every grant that a release was made for, the likeliest first.
    pub grants: Vec<Suspect>,
}

/// How a grant stands.
#[derive(Debug, Clone, Serialize)]
pub struct Suspect {
    /// The grant.
    pub grant: String,
    /// Its firm's name.
    pub firm: String,
    /// Its firm's unified social credit identifier.
    pub uscc: String,
    /// Its state.
    pub status: String,
    /// The versions of which it has a release.
    pub versions: Vec<i32>,
    /// Rows of the copy that its releases have.
    pub has: usize,
    /// Rows of the copy that its releases left out.
    pub left_out: usize,
    /// The probability that the copy, or a part of it, comes from it.
    pub probability: f64,
}

/// What traces are made with.
pub struct Tracer<'a> {
    /// The database.
    pub db: &'a Db,
    /// Where files lie.
    pub storage: &'a Storage,
    /// What reads and computes.
    pub engine: &'a Arc<Engine>,
    /// Makes releases again.
    pub maker: Maker<'a>,
}

/// A grant with the versions of which it has a release.
struct Held {
    grant: Grant,
    firm: String,
    uscc: String,
    versions: Vec<Version>,
}

impl Tracer<'_> {
    /// Finds out whose release a copy comes from, and writes down that this was asked.
    ///
    /// # Errors
    /// When there is no such dataset or no release of it for any grant, the copy cannot be read, or it has no column of the dataset.
    pub async fn trace(&self, actor: &str, slug: &str, given: Given, confidence: f64) -> Result<Trace> {
        let name = slug.to_owned();
        let holders = self.db.read(move |conn| holders(conn, &name)).await?;
        if holders.is_empty() {
            return Err(Error::Conflict(format!("no release of `{slug}` was made for any grant; the copy cannot come from one")));
        }
        let known: Vec<&str> =
            holders.iter().flat_map(|holder| holder.grant.policy.fields.iter().map(|field| field.name.as_str())).collect();
        let copy = Arc::new(Copy::read(self.engine, self.storage, given, &known).await?);
        let mut standings = Vec::new();
        for holder in &holders {
            standings.push(self.standing(holder, &copy).await?);
        }
        let trace = concluded(slug, &copy, holders, &standings, confidence);
        let (actor, subject) = (actor.to_owned(), format!("dataset:{slug}"));
        let detail = json!({
            "copy_sha256": trace.copy_sha256, "rows": trace.rows, "columns": trace.columns, "confidence": confidence, "named": trace.named
        });
        self.db.write(move |conn| ledger::append(conn, Kind::CopyTraced, &actor, &subject, &detail)).await?;
        Ok(trace)
    }

    /// How the releases of one grant stand to the copy.
    async fn standing(&self, holder: &Held, copy: &Arc<Copy>) -> Result<Standing> {
        let policy = &holder.grant.policy;
        let used = |name: &str| copy.columns.iter().position(|column| column == name);
        let pseudonyms = policy.fields.iter().filter(|field| field.rule.is_pseudonym()).filter_map(|field| used(&field.name)).collect();
        let found = self.found(holder, &Holder::of(&holder.grant), copy).await?;
        let mut chances = Chances { left_out: policy.rows.leave_out_share, sample: 1.0, pseudonyms, moved: None };
        if policy.rows.subject.is_none() {
            chances.sample = policy.rows.sample.unwrap_or(1.0);
        }
        // A pseudonym says more than any date; where one is missing, a date that fits counts for nothing.
        let moved = policy.fields.iter().any(|field| field.rule.is_random() && used(&field.name).is_some());
        if moved && chances.pseudonyms.is_empty() {
            let mut hits = HashMap::<u32, u32>::new();
            for _ in 0..DECOYS {
                let nobody = Holder { application: random_token("")?, firm: random_token("")?, dataset: holder.grant.dataset_id.clone() };
                let found = self.found(holder, &nobody, copy).await?;
                found.into_keys().for_each(|row| *hits.entry(row).or_default() += 1);
            }
            chances.moved = Some(hits);
        }
        Ok(Standing::new(&found, copy, &chances, DECOYS))
    }

    /// The rows of the copy that a release by a receiver's key has or has left out.
    async fn found(&self, suspect: &Held, holder: &Holder, copy: &Arc<Copy>) -> Result<HashMap<u32, Found>> {
        let mut found = HashMap::new();
        let grant = &suspect.grant;
        for version in &suspect.versions {
            let copy = Arc::clone(copy);
            let columns = copy.columns.clone();
            let candidate = Candidate { slug: &grant.dataset, policy: &grant.policy, holder, grant: &grant.id, version: version.clone() };
            let look = move |found: &mut HashMap<u32, Found>, rows: &release::CandidateRows| copy.look(found, rows);
            found = self.maker.each_row(candidate, columns, found, look).await?;
        }
        Ok(found)
    }
}

/// What a grant's releases know of one row of the copy.
#[derive(Debug, Default)]
struct Found {
    /// Whether a release has it.
    released: bool,
    /// Some of the rows of versions that look like it, each once.
    rows: Vec<u64>,
    /// Whom one of them is about, where the policy speaks of subjects.
    subject: Option<u64>,
}

fn holders(conn: &mut crate::db::Conn, slug: &str) -> Result<Vec<Held>> {
    let dataset = catalog::find_any(conn, slug)?;
    let mut holders = Vec::new();
    for grant in grants::of_dataset(conn, &dataset)? {
        let numbers = release::versions_of(conn, &grant.id)?;
        let versions = numbers.into_iter().map(|number| catalog::any_version(conn, &dataset, number)).collect::<Result<Vec<_>>>()?;
        let firm = firms::find(conn, &grant.firm_id)?;
        if !versions.is_empty() {
            holders.push(Held { grant, firm: firm.name, uscc: firm.uscc, versions });
        }
    }
    Ok(holders)
}

fn concluded(slug: &str, copy: &Copy, holders: Vec<Held>, standings: &[Standing], confidence: f64) -> Trace {
    let foreign = (0..copy.len()).filter(|row| standings.iter().all(|standing| !standing.knows(*row))).count();
    let weighed = weigh::weigh(standings, copy.len());
    let suspects = holders.into_iter().zip(standings).zip(&weighed.grants);
    let mut grants: Vec<Suspect> = suspects
        .map(|((holder, standing), probability)| Suspect {
            firm: holder.firm,
            uscc: holder.uscc,
            status: holder.grant.status,
            versions: holder.versions.iter().map(|version| version.number).collect(),
            has: standing.has(),
            left_out: standing.left_out(),
            probability: *probability,
            grant: holder.grant.id,
        })
        .collect();
    grants.sort_by(|one, other| other.probability.total_cmp(&one.probability).then_with(|| one.grant.cmp(&other.grant)));
    let named = grants.iter().filter(|suspect| suspect.probability >= confidence).map(|suspect| suspect.grant.clone()).collect();
    Trace {
        dataset: slug.to_owned(),
        copy_sha256: copy.sha256.clone(),
        columns: copy.columns.clone(),
        rows: copy.rows,
        distinct: copy.len(),
        foreign,
        unread: copy.unread,
        confidence,
        named,
        none: weighed.none,
        grants,
    }
}
