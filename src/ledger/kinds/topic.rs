//! What an entry changes of the things that are kept in memory.

use super::Kind;

/// What an entry changes of the things that are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Topic {
    /// The open list: what everybody sees of datasets, publishers and themes.
    List,
    /// Whether firms, their clients and their tokens may act, how fast, and what is shown of them.
    Firms,
    /// What the public says, which the pages of datasets show.
    Heard,
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
    /// What an entry of this kind changes.
    #[expect(clippy::too_many_lines, reason = "a line for each kind")]
    pub(in crate::ledger) fn topic(self) -> Topic {
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
            Kind::FeedbackFiled
            | Kind::FeedbackModerated
            | Kind::FeedbackAnswered
            | Kind::FeedbackSuspended
            | Kind::FeedbackWithdrawn
            | Kind::FeedbackDismissed
            | Kind::FeedbackAsked
            | Kind::FeedbackReplied
            | Kind::FeedbackAssigned
            | Kind::FeedbackOverdue => Topic::Heard,
        }
    }
}
