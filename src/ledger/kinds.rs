//! What an entry of the ledger can say that has happened, and what that changes of the things that are kept in memory.

/// What happened: the closed list of an entry's kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    ServiceInitialized,
    DatasetCreated,
    DatasetUpdated,
    DatasetSuspended,
    DatasetRestored,
    DatasetWithdrawn,
    DatasetReopened,
    DraftBegun,
    DraftEdited,
    DraftSubmitted,
    DraftRecalled,
    DraftReturned,
    DraftApproved,
    DraftPublished,
    DraftFailed,
    DraftDiscarded,
    PublisherUpdated,
    ThemeUpdated,
    SubjectClassUpdated,
    VersionPublished,
    VersionHeld,
    VersionRefused,
    ReleaseMade,
    ReleaseDeleted,
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
    WebhookRegistered,
    WebhookRemoved,
    WebhookDisabled,
    MailSubscribed,
    MailConfirmed,
    MailDisabled,
    MailEnded,
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
pub(super) enum Topic {
    /// The open list: what everybody sees of datasets, publishers and themes.
    List,
    /// Whether firms, their clients and their tokens may act, how fast, and what is shown of them.
    Firms,
    /// What people said, which is shown of datasets as of firms.
    Words,
    /// What grants give.
    Grants,
    /// The keys that sign tokens.
    Keys,
    /// Nothing that is kept.
    Other,
}

impl Kind {
    /// Every kind.
    pub(super) const ALL: &[Kind] = &[
        Kind::ServiceInitialized,
        Kind::DatasetCreated,
        Kind::DatasetUpdated,
        Kind::DatasetSuspended,
        Kind::DatasetRestored,
        Kind::DatasetWithdrawn,
        Kind::DatasetReopened,
        Kind::DraftBegun,
        Kind::DraftEdited,
        Kind::DraftSubmitted,
        Kind::DraftRecalled,
        Kind::DraftReturned,
        Kind::DraftApproved,
        Kind::DraftPublished,
        Kind::DraftFailed,
        Kind::DraftDiscarded,
        Kind::PublisherUpdated,
        Kind::ThemeUpdated,
        Kind::SubjectClassUpdated,
        Kind::VersionPublished,
        Kind::VersionHeld,
        Kind::VersionRefused,
        Kind::ReleaseMade,
        Kind::ReleaseDeleted,
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
        Kind::WebhookRegistered,
        Kind::WebhookRemoved,
        Kind::WebhookDisabled,
        Kind::MailSubscribed,
        Kind::MailConfirmed,
        Kind::MailDisabled,
        Kind::MailEnded,
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
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// What an entry of this kind changes.
    #[expect(clippy::too_many_lines, reason = "a line for each kind")]
    pub(super) fn topic(self) -> Topic {
        match self {
            Kind::DatasetCreated
            | Kind::DatasetUpdated
            | Kind::DatasetSuspended
            | Kind::DatasetRestored
            | Kind::DatasetWithdrawn
            | Kind::DatasetReopened
            | Kind::PublisherUpdated
            | Kind::ThemeUpdated
            | Kind::SubjectClassUpdated
            | Kind::VersionPublished
            | Kind::VersionHeld
            | Kind::VersionRefused
            | Kind::ReleaseMade
            | Kind::ReleaseDeleted => Topic::List,
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
            | Kind::SanctionLifted => Topic::Firms,
            Kind::EntryRedacted => Topic::Words,
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
            | Kind::WebhookRegistered
            | Kind::WebhookRemoved
            | Kind::WebhookDisabled
            | Kind::MailSubscribed
            | Kind::MailConfirmed
            | Kind::MailDisabled
            | Kind::MailEnded
            | Kind::DraftBegun
            | Kind::DraftEdited
            | Kind::DraftSubmitted
            | Kind::DraftRecalled
            | Kind::DraftReturned
            | Kind::DraftApproved
            | Kind::DraftPublished
            | Kind::DraftFailed
            | Kind::DraftDiscarded
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
            Kind::DatasetSuspended => "dataset.suspended",
            Kind::DatasetRestored => "dataset.restored",
            Kind::DatasetWithdrawn => "dataset.withdrawn",
            Kind::DatasetReopened => "dataset.reopened",
            Kind::DraftBegun => "draft.begun",
            Kind::DraftEdited => "draft.edited",
            Kind::DraftSubmitted => "draft.submitted",
            Kind::DraftRecalled => "draft.recalled",
            Kind::DraftReturned => "draft.returned",
            Kind::DraftApproved => "draft.approved",
            Kind::DraftPublished => "draft.published",
            Kind::DraftFailed => "draft.failed",
            Kind::DraftDiscarded => "draft.discarded",
            Kind::PublisherUpdated => "publisher.updated",
            Kind::ThemeUpdated => "theme.updated",
            Kind::SubjectClassUpdated => "subject_class.updated",
            Kind::VersionPublished => "version.published",
            Kind::VersionHeld => "version.held",
            Kind::VersionRefused => "version.refused",
            Kind::ReleaseMade => "release.made",
            Kind::ReleaseDeleted => "release.deleted",
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
            Kind::WebhookRegistered => "webhook.registered",
            Kind::WebhookRemoved => "webhook.removed",
            Kind::WebhookDisabled => "webhook.disabled",
            Kind::MailSubscribed => "mail.subscribed",
            Kind::MailConfirmed => "mail.confirmed",
            Kind::MailDisabled => "mail.disabled",
            Kind::MailEnded => "mail.ended",
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
