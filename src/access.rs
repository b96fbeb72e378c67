//! Who may read what: from a firm's application to a grant, and the check that stands before every read.
//!
//! Data is reached only through a [`Pass`], and only this room makes one. The check itself writes the ledger entry of a
//! sensitive read, allowed or refused, so that neither can be forgotten.

pub mod agreements;
pub mod applications;
pub mod calendar;
pub mod desk;
pub mod duties;
pub mod grants;
pub mod mail;
pub mod register;
pub mod reports;
pub mod sanctions;
mod signed_urls;
mod terms;
pub mod webhooks;

use serde_json::{Value, json};

use crate::catalog::{self, Dataset, DatasetKind, OpenType, State};
use crate::crypto::sha256_hex;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::{Caller, ClientIdentity, Identity, Role, clients, tokens};
use crate::ledger::{self, Draft, Kind, Marks};
use grants::Grant;

pub use crate::catalog::Mode;
pub use signed_urls::{check_signable, record_signed};
pub use terms::{Days, Terms};

/// For whom a release was made.
#[derive(Debug, Clone)]
pub enum Receiver {
    /// For everybody.
    Public,
    /// For the firm of one grant.
    Grant(Box<Grant>),
}

/// Which files of a collection are to be read, besides its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// None: the manifest alone, or the table.
    None,
    /// The one at that path.
    One(String),
    /// All.
    All,
}

/// What is to be read of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The number of a version; the newest without one.
    pub version: Option<i32>,
    /// In which way. The sandbox stands for any query: whoever may have rows has more than that.
    pub mode: Mode,
    /// Which files of a collection.
    pub files: Files,
}

impl Read {
    /// Rows of a version, by query.
    pub fn rows(version: Option<i32>) -> Self {
        Read { version, mode: Mode::Api, files: Files::None }
    }

    /// An answer computed from a version: from its rows, or from its groups where no more is allowed.
    pub fn query(version: Option<i32>) -> Self {
        Read { version, mode: Mode::Sandbox, files: Files::None }
    }

    /// In which way it goes under a grant, or without one.
    fn way(&self, grant: Option<&Grant>) -> Mode {
        match (self.mode, grant) {
            (Mode::Sandbox, Some(grant)) if !grant.modes.contains(&Mode::Api) => Mode::Sandbox,
            (Mode::Sandbox, _) => Mode::Api,
            (mode @ (Mode::Download | Mode::Api), _) => mode,
        }
    }
}

/// Proof that the caller may read a dataset in one way. Only [`check_open`] and [`check_recorded`] make it.
#[derive(Debug, Clone)]
pub struct Pass {
    dataset: Dataset,
    receiver: Receiver,
}

impl Pass {
    /// The dataset that may be read.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// For whom the release to be read was made.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The version that is read where none is named, by number.
    pub fn version(&self) -> Option<i32> {
        match &self.receiver {
            Receiver::Public => self.dataset.version,
            Receiver::Grant(grant) => grant.reach.version.or(self.dataset.version),
        }
    }

    /// The grant under which it may be read.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.receiver {
            Receiver::Public => None,
            Receiver::Grant(grant) => Some(grant),
        }
    }

    /// In which way it allows a read.
    pub fn way(&self, read: &Read) -> Mode {
        read.way(self.grant())
    }

    /// Whether it is for what everybody may read.
    pub fn is_public(&self) -> bool {
        matches!(self.receiver, Receiver::Public)
    }

    /// The entry of another read by the holder of the same token, which this pass allows too for as long as the ledger's marks are the
    /// same. `None` when it does not, or when there is no entry to write.
    pub fn entry_of(&self, caller: &Caller, read: &Read, marks: Marks) -> Option<Draft> {
        let Receiver::Grant(grant) = &self.receiver else { return None };
        // The only thing that changes without an entry is the time.
        grants::require_in_force(grant).ok()?;
        require_covered(grant, &self.dataset, read).ok()?;
        let mut detail = detail(Some(&grant.id), (read, self.way(read)), read.version.or(self.version()), None);
        add_signed_url(&mut detail, caller);
        let subject = format!("dataset:{}", self.dataset.slug);
        Some(Draft { kind: Kind::ReadAllowed, actor: caller.actor(), subject, detail, marks })
    }

    /// The name of the receiver in the table of releases: `public` or the grant's id.
    pub fn receiver_name(&self) -> &str {
        match &self.receiver {
            Receiver::Public => "public",
            Receiver::Grant(grant) => &grant.id,
        }
    }
}

/// A pass for the public release of an unconditional dataset, which anybody may read without a ledger entry.
/// `None` means that reading this dataset is a matter for [`check_recorded`].
///
/// # Errors
/// When there is no such dataset.
pub fn check_open(conn: &mut Conn, slug: &str) -> Result<Option<Pass>> {
    let dataset = catalog::find(conn, slug)?;
    if dataset.state != State::Published {
        return Ok(None);
    }
    match dataset.entry.open_type {
        OpenType::Unconditional => Ok(Some(Pass { dataset, receiver: Receiver::Public })),
        OpenType::Conditional | OpenType::Closed => Ok(None),
    }
}

/// Checks that what everybody may read is still so.
///
/// # Errors
/// When the dataset is suspended, withdrawn, or not open to everybody any more.
pub fn check_still_open(conn: &mut Conn, slug: &str) -> Result<()> {
    let dataset = catalog::find(conn, slug)?;
    dataset.require_published()?;
    if dataset.entry.open_type == OpenType::Unconditional {
        return Ok(());
    }
    Err(Error::Forbidden(format!("`{slug}` is not open to everybody any more")))
}

/// Checks a read, and writes the outcome into the ledger unless the dataset is open to everybody.
///
/// The outcome is a value inside the answer, so that the entry of a refusal is kept when the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub fn check_recorded(conn: &mut Conn, caller: &Caller, slug: &str, read: &Read) -> Result<Result<Pass>> {
    if !is_stranger(caller) {
        // What is decided here holds at the place of its entry: nobody writes in between.
        lock_ledger(conn)?;
    }
    // A name that nobody has given to a dataset does not go into the ledger.
    let dataset = catalog::find_any(conn, slug)?;
    let outcome = decide(conn, caller, dataset, read);
    let grant = match &outcome {
        Ok(Pass { receiver: Receiver::Grant(grant), .. }) => Some(grant.id.clone()),
        // What anybody may read is in no ledger.
        Ok(Pass { receiver: Receiver::Public, .. }) => return Ok(outcome),
        Err(Error::Internal(_) | Error::Unavailable(_)) => return outcome.map(Ok),
        // Nobody in particular was refused, or somebody whom nobody has approved: the request log has it, and a stranger
        // cannot fill the ledger.
        Err(_) if is_stranger(caller) => return Ok(outcome),
        Err(_) => caller.grant().map(str::to_owned),
    };
    let kind = if outcome.is_ok() { Kind::ReadAllowed } else { Kind::ReadRefused };
    let version = read.version.or(outcome.as_ref().ok().and_then(Pass::version));
    let reason = outcome.as_ref().err().map(ToString::to_string);
    let way = outcome.as_ref().map_or_else(|_refused| read.way(None), |pass| pass.way(read));
    let mut detail = detail(grant.as_deref(), (read, way), version, reason.as_deref());
    add_signed_url(&mut detail, caller);
    ledger::append(conn, kind, &caller.actor(), &format!("dataset:{slug}"), &detail)?;
    Ok(outcome)
}

/// The particulars of a read.
fn detail(grant: Option<&str>, (read, way): (&Read, Mode), version: Option<i32>, reason: Option<&str>) -> Value {
    let mut detail = json!({ "grant": grant, "mode": way, "version": version, "reason": reason });
    match &read.files {
        Files::None => {}
        // Not the path itself: it comes from outside, and what is in the ledger stays there.
        Files::One(path) => detail["path_sha256"] = sha256_hex(path.as_bytes()).into(),
        Files::All => detail["files"] = "all".into(),
    }
    detail
}

/// Checks that a read which was allowed may go on. Where it may not, the entry that is written says `"running": true`.
///
/// # Errors
/// When the database does not answer.
pub fn check_running(conn: &mut Conn, caller: &Caller, slug: &str, read: &Read) -> Result<Result<()>> {
    lock_ledger(conn)?;
    let outcome = catalog::find_any(conn, slug).and_then(|dataset| decide(conn, caller, dataset, read));
    let refused = match outcome {
        Ok(_pass) => return Ok(Ok(())),
        Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => return Err(error),
        Err(refused) => refused,
    };
    let mut detail = detail(caller.grant(), (read, read.way(None)), read.version, Some(&refused.to_string()));
    detail["running"] = true.into();
    add_signed_url(&mut detail, caller);
    ledger::append(conn, Kind::ReadRefused, &caller.actor(), &format!("dataset:{slug}"), &detail)?;
    Ok(Err(refused))
}

/// Says of a read which signed URL it came by.
fn add_signed_url(detail: &mut Value, caller: &Caller) {
    if let Identity::Client(ClientIdentity { signed_url: Some(url), .. }) = &caller.identity {
        detail["signed_url"] = url.as_str().into();
    }
}

fn is_stranger(caller: &Caller) -> bool {
    match &caller.identity {
        Identity::Anonymous => true,
        Identity::Client(_) => false,
        Identity::Person(person) => person.firm_id.is_some() && !person.firm_approved,
    }
}

fn decide(conn: &mut Conn, caller: &Caller, dataset: Dataset, read: &Read) -> Result<Pass> {
    dataset.require_published()?;
    match dataset.entry.open_type {
        OpenType::Unconditional => Ok(Pass { dataset, receiver: Receiver::Public }),
        OpenType::Closed => Err(Error::Forbidden(format!("`{}` is closed: it is listed by name, and not given out", dataset.slug))),
        OpenType::Conditional => {
            let grant = decide_conditional(conn, caller, &dataset)?;
            require_covered(&grant, &dataset, read)?;
            Ok(Pass { dataset, receiver: Receiver::Grant(Box::new(grant)) })
        }
    }
}

fn decide_conditional(conn: &mut Conn, caller: &Caller, dataset: &Dataset) -> Result<Grant> {
    let slug = &dataset.slug;
    let client: &ClientIdentity = match &caller.identity {
        Identity::Anonymous => {
            return Err(Error::Unauthenticated(format!(
                "`{slug}` is conditional: register the firm, apply, and come with the token of a grant"
            )));
        }
        Identity::Person(_) => return Err(Error::Forbidden(format!("`{slug}` is read with the token of a grant, not with a session"))),
        Identity::Client(client) => client,
    };
    let registered = clients::require_active(conn, &client.client_id)?;
    tokens::require_held(conn, &registered, client)?;
    let Some(id) = &client.grant_id else {
        return Err(Error::Forbidden("this token is not for a grant: ask for one with authorization_details".to_owned()));
    };
    let grant = grants::find(conn, id)?;
    if grant.firm_id != client.firm_id {
        return Err(Error::Forbidden("the token's grant belongs to another firm".to_owned()));
    }
    if grant.dataset_id != dataset.id {
        return Err(Error::Forbidden(format!("the token's grant is not for `{slug}`")));
    }
    grants::require_in_force(&grant)?;
    if grant.reach.sender_constrained && client.jkt.is_none() {
        return Err(Error::Forbidden(
            "the grant asks for tokens that are bound to a key: take one with a proof in the header DPoP (RFC 9449)".to_owned(),
        ));
    }
    // The curator may have learnt since that a field must not leave: then no release that has it is read any more.
    grant.policy.require_allowed(&dataset.entry)?;
    Ok(grant)
}

/// Checks that a grant in force covers the way of reading.
fn require_covered(grant: &Grant, dataset: &Dataset, read: &Read) -> Result<()> {
    let way = read.way(Some(grant));
    if !grant.modes.contains(&way) {
        let modes: Vec<&str> = grant.modes.iter().map(|mode| mode.as_str()).collect();
        // Who asks a query may not know of the sandbox.
        let way = read.way(None).as_str();
        return Err(Error::Forbidden(format!("the grant does not allow the mode `{way}`; it allows {}", modes.join(", "))));
    }
    if let Some(fault) = grant.policy.sandbox_fault().filter(|_| way == Mode::Sandbox) {
        return Err(Error::Forbidden(format!("{fault}; apply again")));
    }
    if let (Some(given), Some(asked)) = (grant.reach.version, read.version)
        && given != asked
    {
        return Err(Error::Forbidden(format!("the grant is for version {given} alone; this asks for version {asked}")));
    }
    if read.files == Files::None { Ok(()) } else { require_files(grant, dataset) }
}

/// Checks that a grant covers the files of a collection, and not only what the manifest says of them.
fn require_files(grant: &Grant, dataset: &Dataset) -> Result<()> {
    if dataset.entry.kind != DatasetKind::Collection {
        return Err(Error::not_found("collection of files", &dataset.slug));
    }
    if catalog::files_leave(grant.policy.fields.iter().map(|field| (field.name.as_str(), &field.rule))) {
        return Ok(());
    }
    Err(Error::Forbidden("the grant covers what the manifest says of the files, and not the files themselves".to_owned()))
}

/// Checks that the caller edits the dataset: a steward of its publisher.
///
/// # Errors
/// When the caller is none.
pub fn check_steward(caller: &Caller, dataset: &Dataset) -> Result<()> {
    let person = caller.with_role(&[Role::Steward])?;
    if person.publisher.as_deref() == Some(dataset.entry.publisher.as_str()) {
        return Ok(());
    }
    Err(Error::Forbidden(format!("`{}` belongs to the publisher `{}`, whose steward you are not", dataset.slug, dataset.entry.publisher)))
}

/// The one firm to which the caller's view is limited; `None` for those who decide or audit and see every firm's.
///
/// # Errors
/// When the caller sees nothing of this.
fn firm_scope(caller: &Caller) -> Result<Option<String>> {
    if let Identity::Person(person) = &caller.identity
        && person.firm_id.is_none()
    {
        caller.with_role(&[Role::Reviewer, Role::Operator, Role::Auditor])?;
        return Ok(None);
    }
    caller.firm().map(|firm| Some(firm.to_owned()))
}
