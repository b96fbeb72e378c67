//! Which tables belong to which, and that any of them may stand in one query.

use super::*;

diesel::joinable!(datasets -> publishers (publisher));
diesel::joinable!(datasets -> themes (theme));
diesel::joinable!(relations -> datasets (dataset_id));
diesel::joinable!(versions -> datasets (dataset_id));
diesel::joinable!(list_changes -> datasets (dataset_id));
diesel::joinable!(feedback -> datasets (dataset_id));
diesel::joinable!(feedback_datasets -> feedback (feedback_id));
diesel::joinable!(feedback_datasets -> datasets (dataset_id));
diesel::joinable!(feedback_votes -> feedback (feedback_id));
diesel::joinable!(webhooks -> firms (firm_id));
diesel::joinable!(draft_entries -> drafts (draft_id));
diesel::joinable!(dead_letters -> webhooks (webhook_id));
diesel::joinable!(mail_subscriptions -> firms (firm_id));
diesel::joinable!(dead_mails -> mail_subscriptions (subscription_id));
diesel::joinable!(people -> publishers (publisher));
diesel::joinable!(people -> firms (firm_id));
diesel::joinable!(sessions -> people (person_id));
diesel::joinable!(second_factors -> people (person_id));
diesel::joinable!(recovery_codes -> people (person_id));
diesel::joinable!(clients -> firms (firm_id));
diesel::joinable!(client_key_sets -> clients (client_id));
diesel::joinable!(applications -> firms (firm_id));
diesel::joinable!(applications -> datasets (dataset_id));
diesel::joinable!(attachments -> applications (application_id));
diesel::joinable!(agreements -> applications (application_id));
diesel::joinable!(agreements -> firms (firm_id));
diesel::joinable!(grants -> agreements (agreement_id));
diesel::joinable!(grants -> firms (firm_id));
diesel::joinable!(grants -> datasets (dataset_id));
diesel::joinable!(sanctions -> firms (firm_id));
diesel::joinable!(sanctions -> datasets (dataset_id));
diesel::joinable!(use_reports -> grants (grant_id));
diesel::joinable!(overdue_reports -> grants (grant_id));
diesel::joinable!(releases -> datasets (dataset_id));
diesel::joinable!(releases -> versions (version_id));
diesel::joinable!(release_reports -> applications (application_id));
diesel::joinable!(exports -> releases (release_id));

diesel::allow_tables_to_appear_in_same_query!(
    publishers,
    themes,
    subject_classes,
    datasets,
    list_entries,
    list_changes,
    drafts,
    draft_entries,
    webhooks,
    dead_letters,
    feedback,
    feedback_datasets,
    feedback_votes,
    mail_subscriptions,
    mail_confirmations,
    dead_mails,
    relations,
    versions,
    parts,
    members,
    jobs,
    uploads,
    firms,
    people,
    sessions,
    lockouts,
    second_factors,
    recovery_codes,
    clients,
    client_key_sets,
    assertions,
    ended_tokens,
    signing_keys,
    applications,
    attachments,
    agreements,
    grants,
    sanctions,
    use_reports,
    overdue_reports,
    releases,
    release_reports,
    exports,
    ledger,
    ledger_nodes,
    checkpoints,
    ledger_words,
    usage_days,
    grant_usage,
    deletion_proofs,
    marks,
);
