//! The ledger: everything that happens is one entry, and entries chain by hash.
//!
//! The hash of an entry is the SHA-256 of the JSON array `[seq, moment, kind, actor, subject, detail, previous_hash]`, where
//! `detail` is the text of a JSON object and stands in the array as a string. The first entry's `previous_hash` is 64 zeros.
//! Entries name firms, people and things by id; names, addresses and other personal data never go in.

pub mod checkpoint;
mod follow;
pub mod merkle;
mod moments;
pub mod note;
mod record;
mod retention;
pub mod tree;
mod verify;
mod words;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::crypto::sha256_hex;
use crate::db::schema::ledger;
use crate::db::{Conn, lock_ledger};
use crate::error::Result;

pub use follow::{Follower, Marks, hash_of, last_entry, list_changes};
pub use moments::{Moment, last_moments, moments};
pub use record::{Draft, Recorder};
pub use retention::forget_old;
pub use verify::{Verdict, verify};
pub use words::{LedgerRecord, Words, append_with_reason, count_of, history, list, redact};

/// What the first entry follows.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How many entries a check reads at a time.
const BATCH: i64 = 1000;

/// What happened: the closed list of an entry's kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    ServiceInitialized,
    DatasetCreated,
    DatasetUpdated,
    PublisherUpdated,
    ThemeUpdated,
    SubjectClassUpdated,
    VersionPublished,
    VersionHeld,
    VersionRefused,
    ReleaseMade,
    ReleaseTried,
    PersonCreated,
    PersonRevoked,
    PasswordChanged,
    SessionStarted,
    SessionRefused,
    SessionEnded,
    SessionLocked,
    SecondFactorBegun,
    SecondFactorEnrolled,
    SecondFactorRefused,
    SecondFactorEnded,
    SecondFactorReset,
    RecoveryCodesMade,
    RecoveryCodeUsed,
    FirmRegistered,
    FirmApproved,
    FirmRefused,
    FirmSuspended,
    FirmResumed,
    FirmRevoked,
    FirmReinstated,
    ClientRegistered,
    ClientSuspended,
    ClientResumed,
    ClientRevoked,
    ClientTokensEnded,
    ClientKeysChanged,
    TokenIssued,
    TokenRefused,
    TokenRevoked,
    UrlSigned,
    KeysRotated,
    ApplicationSubmitted,
    ApplicationApproved,
    ApplicationRefused,
    ApplicationBegun,
    ApplicationChanged,
    ApplicationAccepted,
    ApplicationAsked,
    ApplicationAnswered,
    ApplicationWithdrawn,
    ApplicationExpired,
    ApplicationOverdue,
    ApplicationAppealed,
    AttachmentAdded,
    AttachmentRemoved,
    AttachmentExpired,
    AppealDismissed,
    AppealGranted,
    AgreementDrawn,
    AgreementSigned,
    AgreementCountersigned,
    GrantCreated,
    GrantSuspended,
    GrantResumed,
    GrantRevoked,
    GrantRenewed,
    GrantEnding,
    GrantEnded,
    DeletionProved,
    DeletionProofOverdue,
    ReadAllowed,
    ReadRefused,
    EntryRedacted,
    CopyTraced,
    SanctionImposed,
    SanctionPublished,
    SanctionAnswered,
    SanctionAppealed,
    SanctionAppealGranted,
    SanctionAppealRejected,
    SanctionLifted,
    UseReportFiled,
    UseReportOverdue,
}

/// What an entry changes of the things that are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// The open list: what everybody sees of datasets, publishers and themes.
    List,
    /// Whether firms, their clients and their tokens may act, how fast, and what is shown of them.
    Firms,
    /// What grants give.
    Grants,
    /// The keys that sign tokens.
    Keys,
    /// Nothing that is kept.
    Other,
}

impl Kind {
    /// Every kind.
    const ALL: &[Kind] = &[
        Kind::ServiceInitialized,
        Kind::DatasetCreated,
        Kind::DatasetUpdated,
        Kind::PublisherUpdated,
        Kind::ThemeUpdated,
        Kind::SubjectClassUpdated,
        Kind::VersionPublished,
        Kind::VersionHeld,
        Kind::VersionRefused,
        Kind::ReleaseMade,
        Kind::ReleaseTried,
        Kind::PersonCreated,
        Kind::PersonRevoked,
        Kind::PasswordChanged,
        Kind::SessionStarted,
        Kind::SessionRefused,
        Kind::SessionEnded,
        Kind::SessionLocked,
        Kind::SecondFactorBegun,
        Kind::SecondFactorEnrolled,
        Kind::SecondFactorRefused,
        Kind::SecondFactorEnded,
        Kind::SecondFactorReset,
        Kind::RecoveryCodesMade,
        Kind::RecoveryCodeUsed,
        Kind::FirmRegistered,
        Kind::FirmApproved,
        Kind::FirmRefused,
        Kind::FirmSuspended,
        Kind::FirmResumed,
        Kind::FirmRevoked,
        Kind::FirmReinstated,
        Kind::ClientRegistered,
        Kind::ClientSuspended,
        Kind::ClientResumed,
        Kind::ClientRevoked,
        Kind::ClientTokensEnded,
        Kind::ClientKeysChanged,
        Kind::TokenIssued,
        Kind::TokenRefused,
        Kind::TokenRevoked,
        Kind::UrlSigned,
        Kind::KeysRotated,
        Kind::ApplicationSubmitted,
        Kind::ApplicationApproved,
        Kind::ApplicationRefused,
        Kind::ApplicationBegun,
        Kind::ApplicationChanged,
        Kind::ApplicationAccepted,
        Kind::ApplicationAsked,
        Kind::ApplicationAnswered,
        Kind::ApplicationWithdrawn,
        Kind::ApplicationExpired,
        Kind::ApplicationOverdue,
        Kind::ApplicationAppealed,
        Kind::AttachmentAdded,
        Kind::AttachmentRemoved,
        Kind::AttachmentExpired,
        Kind::AppealDismissed,
        Kind::AppealGranted,
        Kind::AgreementDrawn,
        Kind::AgreementSigned,
        Kind::AgreementCountersigned,
        Kind::GrantCreated,
        Kind::GrantSuspended,
        Kind::GrantResumed,
        Kind::GrantRevoked,
        Kind::GrantRenewed,
        Kind::GrantEnding,
        Kind::GrantEnded,
        Kind::DeletionProved,
        Kind::DeletionProofOverdue,
        Kind::ReadAllowed,
        Kind::ReadRefused,
        Kind::EntryRedacted,
        Kind::CopyTraced,
        Kind::SanctionImposed,
        Kind::SanctionPublished,
        Kind::SanctionAnswered,
        Kind::SanctionAppealed,
        Kind::SanctionAppealGranted,
        Kind::SanctionAppealRejected,
        Kind::SanctionLifted,
        Kind::UseReportFiled,
        Kind::UseReportOverdue,
    ];

    /// The kind of that name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// What an entry of this kind changes.
    #[expect(clippy::too_many_lines, reason = "a line for each kind")]
    fn topic(self) -> Topic {
        match self {
            Kind::DatasetCreated
            | Kind::DatasetUpdated
            | Kind::PublisherUpdated
            | Kind::ThemeUpdated
            | Kind::SubjectClassUpdated
            | Kind::VersionPublished
            | Kind::VersionHeld
            | Kind::VersionRefused
            | Kind::ReleaseMade => Topic::List,
            Kind::FirmRegistered
            | Kind::FirmApproved
            | Kind::FirmRefused
            | Kind::FirmSuspended
            | Kind::FirmResumed
            | Kind::FirmRevoked
            | Kind::ClientRegistered
            | Kind::ClientSuspended
            | Kind::ClientResumed
            | Kind::ClientRevoked
            | Kind::ClientTokensEnded
            | Kind::TokenRevoked
            | Kind::FirmReinstated
            | Kind::SanctionImposed
            | Kind::SanctionPublished
            | Kind::SanctionAppealed
            | Kind::SanctionAppealGranted
            | Kind::SanctionAppealRejected
            | Kind::SanctionLifted
            | Kind::EntryRedacted => Topic::Firms,
            Kind::KeysRotated => Topic::Keys,
            Kind::GrantCreated | Kind::GrantSuspended | Kind::GrantResumed | Kind::GrantRevoked | Kind::GrantRenewed | Kind::GrantEnded => {
                Topic::Grants
            }
            Kind::ServiceInitialized
            | Kind::PersonCreated
            | Kind::PersonRevoked
            | Kind::PasswordChanged
            | Kind::SessionStarted
            | Kind::SessionRefused
            | Kind::SessionEnded
            | Kind::SessionLocked
            | Kind::SecondFactorBegun
            | Kind::SecondFactorEnrolled
            | Kind::SecondFactorRefused
            | Kind::SecondFactorEnded
            | Kind::SecondFactorReset
            | Kind::RecoveryCodesMade
            | Kind::RecoveryCodeUsed
            | Kind::ClientKeysChanged
            | Kind::TokenIssued
            | Kind::TokenRefused
            | Kind::UrlSigned
            | Kind::ReleaseTried
            | Kind::GrantEnding
            | Kind::DeletionProved
            | Kind::DeletionProofOverdue
            | Kind::ApplicationSubmitted
            | Kind::ApplicationApproved
            | Kind::ApplicationRefused
            | Kind::ApplicationBegun
            | Kind::ApplicationChanged
            | Kind::ApplicationAccepted
            | Kind::ApplicationAsked
            | Kind::ApplicationAnswered
            | Kind::ApplicationWithdrawn
            | Kind::ApplicationExpired
            | Kind::ApplicationOverdue
            | Kind::ApplicationAppealed
            | Kind::AttachmentAdded
            | Kind::AttachmentRemoved
            | Kind::AttachmentExpired
            | Kind::AppealDismissed
            | Kind::AppealGranted
            | Kind::AgreementDrawn
            | Kind::AgreementSigned
            | Kind::AgreementCountersigned
            | Kind::ReadAllowed
            | Kind::ReadRefused
            | Kind::CopyTraced
            | Kind::SanctionAnswered
            | Kind::UseReportFiled
            | Kind::UseReportOverdue => Topic::Other,
        }
    }

    /// The kind as it stands in an entry: `noun.verb`.
    #[expect(clippy::too_many_lines, reason = "a line for each kind")]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::ServiceInitialized => "service.initialized",
            Kind::DatasetCreated => "dataset.created",
            Kind::DatasetUpdated => "dataset.updated",
            Kind::PublisherUpdated => "publisher.updated",
            Kind::ThemeUpdated => "theme.updated",
            Kind::SubjectClassUpdated => "subject_class.updated",
            Kind::VersionPublished => "version.published",
            Kind::VersionHeld => "version.held",
            Kind::VersionRefused => "version.refused",
            Kind::ReleaseMade => "release.made",
            Kind::ReleaseTried => "release.tried",
            Kind::PersonCreated => "person.created",
            Kind::PersonRevoked => "person.revoked",
            Kind::PasswordChanged => "person.password_changed",
            Kind::SessionStarted => "session.started",
            Kind::SessionRefused => "session.refused",
            Kind::SessionEnded => "session.ended",
            Kind::SessionLocked => "session.locked",
            Kind::SecondFactorBegun => "second_factor.begun",
            Kind::SecondFactorEnrolled => "second_factor.enrolled",
            Kind::SecondFactorRefused => "second_factor.refused",
            Kind::SecondFactorEnded => "second_factor.ended",
            Kind::SecondFactorReset => "second_factor.reset",
            Kind::RecoveryCodesMade => "recovery_codes.made",
            Kind::RecoveryCodeUsed => "recovery_code.used",
            Kind::FirmRegistered => "firm.registered",
            Kind::FirmApproved => "firm.approved",
            Kind::FirmRefused => "firm.refused",
            Kind::FirmSuspended => "firm.suspended",
            Kind::FirmResumed => "firm.resumed",
            Kind::FirmRevoked => "firm.revoked",
            Kind::FirmReinstated => "firm.reinstated",
            Kind::ClientRegistered => "client.registered",
            Kind::ClientSuspended => "client.suspended",
            Kind::ClientResumed => "client.resumed",
            Kind::ClientRevoked => "client.revoked",
            Kind::ClientTokensEnded => "client.tokens_ended",
            Kind::ClientKeysChanged => "client.keys_changed",
            Kind::TokenIssued => "token.issued",
            Kind::TokenRefused => "token.refused",
            Kind::TokenRevoked => "token.revoked",
            Kind::UrlSigned => "url.signed",
            Kind::KeysRotated => "keys.rotated",
            Kind::ApplicationSubmitted => "application.submitted",
            Kind::ApplicationApproved => "application.approved",
            Kind::ApplicationRefused => "application.refused",
            Kind::ApplicationBegun => "application.begun",
            Kind::ApplicationChanged => "application.changed",
            Kind::ApplicationAccepted => "application.accepted",
            Kind::ApplicationAsked => "application.asked",
            Kind::ApplicationAnswered => "application.answered",
            Kind::ApplicationWithdrawn => "application.withdrawn",
            Kind::ApplicationExpired => "application.expired",
            Kind::ApplicationOverdue => "application.overdue",
            Kind::ApplicationAppealed => "application.appealed",
            Kind::AttachmentAdded => "attachment.added",
            Kind::AttachmentRemoved => "attachment.removed",
            Kind::AttachmentExpired => "attachment.expired",
            Kind::AppealDismissed => "appeal.dismissed",
            Kind::AppealGranted => "appeal.granted",
            Kind::AgreementDrawn => "agreement.drawn",
            Kind::AgreementSigned => "agreement.signed",
            Kind::AgreementCountersigned => "agreement.countersigned",
            Kind::GrantCreated => "grant.created",
            Kind::GrantSuspended => "grant.suspended",
            Kind::GrantResumed => "grant.resumed",
            Kind::GrantRevoked => "grant.revoked",
            Kind::GrantRenewed => "grant.renewed",
            Kind::GrantEnding => "grant.ending",
            Kind::GrantEnded => "grant.ended",
            Kind::DeletionProved => "deletion.proved",
            Kind::DeletionProofOverdue => "deletion_proof.overdue",
            Kind::ReadAllowed => "read.allowed",
            Kind::ReadRefused => "read.refused",
            Kind::EntryRedacted => "entry.redacted",
            Kind::CopyTraced => "copy.traced",
            Kind::SanctionImposed => "sanction.imposed",
            Kind::SanctionPublished => "sanction.published",
            Kind::SanctionAnswered => "sanction.answered",
            Kind::SanctionAppealed => "sanction.appealed",
            Kind::SanctionAppealGranted => "sanction.appeal_granted",
            Kind::SanctionAppealRejected => "sanction.appeal_rejected",
            Kind::SanctionLifted => "sanction.lifted",
            Kind::UseReportFiled => "use_report.filed",
            Kind::UseReportOverdue => "use_report.overdue",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize, utoipa::ToSchema)]
#[diesel(table_name = ledger)]
pub struct LedgerEntry {
    /// Place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When it happened, in UTC to the microsecond.
    pub moment: String,
    /// What happened, `noun.verb`.
    pub kind: String,
    /// Who did it: `person:ID`, `client:ID`, `anonymous` or `service`.
    pub actor: String,
    /// What it happened to: `dataset:SLUG`, `grant:ID` and the like.
    pub subject: String,
    /// The particulars: the text of a JSON object, exactly as it went into the hash.
    pub detail_json: String,
    /// The hash of the entry before.
    pub previous_hash: String,
    /// The hash of this entry.
    pub hash: String,
}

impl LedgerEntry {
    fn head(&self) -> Head {
        (self.seq, self.hash.clone())
    }

    fn computed_hash(&self) -> Result<String> {
        let parts = (self.seq, &self.moment, &self.kind, &self.actor, &self.subject, &self.detail_json, &self.previous_hash);
        Ok(sha256_hex(serde_json::to_string(&parts)?.as_bytes()))
    }
}

/// Adds an entry to the chain, in the caller's transaction.
///
/// # Errors
/// When the database does not take it.
pub fn append(conn: &mut Conn, kind: Kind, actor: &str, subject: &str, detail: &Value) -> Result<LedgerEntry> {
    lock_ledger(conn)?;
    let head = last(conn)?;
    append_after(conn, &head, kind, actor, subject, detail)
}

/// The last entry: its place and its hash.
type Head = (i64, String);

fn last(conn: &mut Conn) -> Result<Head> {
    let last: Option<Head> = ledger::table.order(ledger::seq.desc()).select((ledger::seq, ledger::hash)).first(conn).optional()?;
    Ok(last.unwrap_or((0, GENESIS.to_owned())))
}

/// Adds an entry behind the last one, by whoever holds the lock.
fn append_after(conn: &mut Conn, head: &Head, kind: Kind, actor: &str, subject: &str, detail: &Value) -> Result<LedgerEntry> {
    let (seq, previous_hash) = head.clone();
    let mut entry = LedgerEntry {
        seq: seq + 1,
        moment: crate::clock::format(crate::clock::now()),
        kind: kind.as_str().to_owned(),
        actor: actor.to_owned(),
        subject: subject.to_owned(),
        detail_json: detail.to_string(),
        previous_hash,
        hash: String::new(),
    };
    entry.hash = entry.computed_hash()?;
    diesel::insert_into(ledger::table).values(&entry).execute(conn)?;
    Ok(entry)
}
