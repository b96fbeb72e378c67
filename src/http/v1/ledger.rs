//! The ledger: its entries for those who audit it; its checkpoints, proofs and key for everybody.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Reason;
use crate::app::App;
use crate::crypto::{base64url, hex};
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::http::problem::Problem;
use crate::identity::{Caller, Role};
use crate::ledger::tree::{self, Tree};
use crate::ledger::{self, LedgerEntry, LedgerRecord, merkle};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List ledger entries
///
/// Oldest first, to auditors and operators, with the words that people wrote. `qingdan ledger verify` checks the chain.
#[utoipa::path(tag = "ledger", params(LedgerQuery), security(("session" = [])), responses((status = OK, body = Page<LedgerRecord>)))]
#[get("/ledger/entries")]
pub async fn list_ledger_entries(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<LedgerQuery>,
) -> Result<web::Json<Page<LedgerRecord>>> {
    const LIST: &str = "ledger";
    caller.with_role(&[Role::Auditor, Role::Operator])?;
    let LedgerQuery { limit, cursor } = query.into_inner();
    let page = PageQuery { limit, cursor };
    let limit = page.limit()?;
    let after = match page.after(LIST)? {
        None => 0,
        Some(key) => key.parse().map_err(|_unreadable| Error::invalid("cursor", "this is no cursor of this list"))?,
    };
    let (items, total) = app.db.read(move |conn| ledger::list(conn, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |record| record.entry.seq.to_string())))
}

/// An entry, by its place.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct EntryPath {
    /// Its place in the chain, from 1.
    #[param(value_type = i64, minimum = 1)]
    seq: String,
}

/// Take the words out of a ledger entry
///
/// By an operator, with a reason, where an entry's words must not be kept, such as a person's name in the reason of a refusal. They are gone for ever;
/// the entry, the chain and all proofs hold, since the entry has a salted commitment and not the words. Answers the entry that says so.
#[utoipa::path(tag = "ledger", params(EntryPath), security(("session" = [])),
    responses((status = OK, body = LedgerEntry), (status = CONFLICT, description = "It has no words, or none any more", body = Problem)))]
#[post("/ledger/entries/{seq}/redaction")]
pub async fn redact_ledger_entry(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<EntryPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<LedgerEntry>> {
    caller.with_role(&[Role::Operator])?;
    let (text, reason) = (path.into_inner().seq, body.checked()?);
    let seq = text.parse().map_err(|_unreadable| Error::not_found("ledger entry", text))?;
    Ok(web::Json(app.db.write(move |conn| ledger::redact(conn, &caller.actor(), seq, &reason)).await?))
}

/// Show the ledger's checkpoint
///
/// How many entries the ledger has and the root of the tree over them, signed: a C2SP tlog-checkpoint. Keep it, and the ledger can never again be shorter
/// or other than it was: `GET /ledger/proof?old=N` shows that it only grew. At most a second old.
#[utoipa::path(tag = "ledger", responses((status = OK, description = "The signed note", body = String, content_type = "text/plain")))]
#[get("/ledger/checkpoint")]
pub async fn show_checkpoint(app: web::Data<App>) -> Result<HttpResponse> {
    let note = match app.db.read(ledger::checkpoint::fresh).await? {
        Some(note) => note,
        None => {
            let app = web::Data::clone(&app);
            app.clone().db.write(move |conn| ledger::checkpoint::sign(conn, &app.log_key)).await?
        }
    };
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).insert_header((CACHE_CONTROL, "no-cache")).body(note))
}

/// The key by which checkpoints are verified.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerKey {
    /// The ledger's name, the first line of each checkpoint.
    #[schema(example = "open.example/ledger")]
    pub name: String,
    /// The key as C2SP's signed-note writes it: `name+id+base64`.
    pub verifier: String,
    /// The same key as a JWK.
    #[schema(value_type = Object)]
    pub jwk: serde_json::Value,
}

/// Show the ledger's key
///
/// It signs checkpoints and nothing else, and stays.
#[utoipa::path(tag = "ledger", responses((status = OK, body = LedgerKey)))]
#[get("/ledger/key")]
pub async fn show_ledger_key(app: web::Data<App>) -> web::Json<LedgerKey> {
    let verifier = app.log_key.verifier();
    let jwk = serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": verifier.name(), "x": base64url(verifier.public()),
    });
    web::Json(LedgerKey { name: verifier.name().to_owned(), verifier: verifier.to_string(), jwk })
}

/// What is to be proved: `entry` or `old`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ProofQuery {
    /// The place of an entry that is to be shown to be in the ledger, from 1.
    #[param(value_type = Option<u64>, minimum = 1)]
    entry: Option<String>,
    /// The size of an older checkpoint, of which the ledger is to be shown to be a continuation.
    #[param(value_type = Option<u64>, minimum = 0)]
    old: Option<String>,
    /// The size of the checkpoint against which the proof is to hold; all entries without it.
    #[param(value_type = Option<u64>, minimum = 1)]
    size: Option<String>,
}

/// A proof by RFC 6962 with SHA-256; a leaf is the 32 bytes of an entry's `hash`. Digests are lower-case hexadecimal.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerProof {
    /// How many entries the tree has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: String,
    /// Of an entry: its number in the tree, from 0, which is `seq - 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_index: Option<u64>,
    /// Of an entry: `SHA-256(0x00 ‖ hash)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_hash: Option<String>,
    /// Of two checkpoints: how many entries the older one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_size: Option<u64>,
    /// Of two checkpoints: the root of the older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_root: Option<String>,
    /// The proof: for an entry the audit path (RFC 6962, 2.1.1), for two checkpoints the consistency proof (2.1.2).
    pub hashes: Vec<String>,
}

/// Prove something of the ledger
///
/// With `entry`: that it is in the tree of a checkpoint. With `old`: that an older checkpoint's tree is the beginning of it. Both proofs are checked without
/// trust in this service, with the root of a checkpoint that was signed.
#[utoipa::path(tag = "ledger", params(ProofQuery), responses((status = OK, body = LedgerProof)))]
#[get("/ledger/proof")]
pub async fn prove(app: web::Data<App>, query: web::Query<ProofQuery>) -> Result<web::Json<LedgerProof>> {
    let ProofQuery { entry, old, size } = query.into_inner();
    let (entry, old, size) = (number("entry", entry)?, number("old", old)?, number("size", size)?);
    let proof = app.db.read(move |conn| {
        let all = tree::size(conn)?;
        let size = size.unwrap_or(all);
        if size == 0 || size > all {
            return Err(Error::invalid("size", format!("the ledger has {all} entries: ask for a size from 1 to {all}")));
        }
        let mut tree = Tree::new(conn);
        let root = hex(&merkle::root(&mut tree, size)?);
        let plain = LedgerProof { size, root, leaf_index: None, leaf_hash: None, old_size: None, old_root: None, hashes: Vec::new() };
        let texts = |hashes: Vec<merkle::Hash>| hashes.iter().map(|hash| hex(hash)).collect();
        match (entry, old) {
            (Some(seq), None) => {
                let Some(index) = seq.checked_sub(1).filter(|index| *index < size) else {
                    return Err(Error::invalid("entry", format!("the tree has the entries 1 to {size}")));
                };
                let (leaf_hash, hashes) = (merkle::Subtrees::subtree(&mut tree, 0, index)?, merkle::inclusion(&mut tree, index, size)?);
                Ok(LedgerProof { leaf_index: Some(index), leaf_hash: Some(hex(&leaf_hash)), hashes: texts(hashes), ..plain })
            }
            (None, Some(old)) if old > size => {
                Err(Error::invalid("old", format!("the newer tree has {size} entries, and not {old} or more")))
            }
            (None, Some(old)) => {
                let (old_root, hashes) = (merkle::root(&mut tree, old)?, merkle::consistency(&mut tree, old, size)?);
                Ok(LedgerProof { old_size: Some(old), old_root: Some(hex(&old_root)), hashes: texts(hashes), ..plain })
            }
            (Some(_), Some(_)) => Err(Error::invalid("old", "ask for the proof of an `entry` or of an `old` size, one at a time")),
            (None, None) => Err(Error::invalid("entry", "name an `entry`, or the `old` size of a checkpoint that you have kept")),
        }
    });
    Ok(web::Json(proof.await?))
}

fn number(name: &'static str, text: Option<String>) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    // What no ledger will ever have would not fit into the database's numbers either.
    let number = text.parse::<u64>().ok().filter(|number| *number <= 1 << 62);
    number.map(Some).ok_or_else(|| Error::invalid(name, format!("`{text}` is not a whole number")))
}
