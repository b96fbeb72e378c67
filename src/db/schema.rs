//! The tables as Diesel sees them: portable types only, one list for both databases. Written by hand, checked by a test
//! that selects every column on both.

mod heard;
mod joins;
mod list;
mod mail;
mod usage;

pub use heard::{feedback, feedback_datasets, feedback_votes};
pub use list::{dead_letters, draft_entries, drafts, list_changes, list_entries, webhooks};
pub use mail::{dead_mails, mail_confirmations, mail_subscriptions};
pub use usage::{deletion_proofs, grant_usage, marks, usage_days};

diesel::table! {
    publishers (slug) {
        slug -> Text,
        name_zh -> Text,
        name_en -> Text,
        uscc -> Nullable<Text>,
        contact_json -> Text,
    }
}

diesel::table! {
    themes (slug) {
        slug -> Text,
        name_zh -> Text,
        name_en -> Text,
        position -> Integer,
        data_theme -> Nullable<Text>,
    }
}

diesel::table! {
    subject_classes (slug) {
        slug -> Text,
        kind -> Text,
        name_zh -> Text,
        name_en -> Text,
        position -> Integer,
    }
}

diesel::table! {
    relations (dataset_id, position) {
        dataset_id -> Text,
        position -> Integer,
        kind -> Text,
        target -> Text,
    }
}

diesel::table! {
    datasets (id) {
        id -> Text,
        slug -> Text,
        publisher -> Text,
        theme -> Text,
        open_type -> Text,
        entry_json -> Text,
        entry_sha256 -> Text,
        version -> Nullable<Integer>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        code -> Nullable<Text>,
        registration_code -> Nullable<Text>,
        state -> Text,
    }
}

diesel::table! {
    versions (id) {
        id -> Text,
        dataset_id -> Text,
        number -> Integer,
        source_sha256 -> Text,
        fields_json -> Text,
        object_sha256 -> Text,
        size_bytes -> BigInt,
        row_count -> BigInt,
        created_at -> Timestamp,
        status -> Text,
        published_at -> Nullable<Timestamp>,
        profile_json -> Nullable<Text>,
        report_json -> Nullable<Text>,
        rejects_sha256 -> Nullable<Text>,
        rejects_size_bytes -> Nullable<BigInt>,
        resolution -> Nullable<Text>,
    }
}

diesel::table! {
    parts (owner_id, position) {
        owner_id -> Text,
        position -> Integer,
        object_sha256 -> Text,
        size_bytes -> BigInt,
        row_count -> BigInt,
        members_id -> Nullable<Text>,
    }
}

diesel::table! {
    members (set_id, path) {
        set_id -> Text,
        path -> Text,
        object_sha256 -> Text,
        size_bytes -> BigInt,
        media_type -> Text,
    }
}

diesel::table! {
    jobs (id) {
        id -> Text,
        kind -> Text,
        subject -> Text,
        order_json -> Text,
        state -> Text,
        stage -> Text,
        done_bytes -> BigInt,
        total_bytes -> BigInt,
        row_count -> BigInt,
        attempts -> Integer,
        cancel_asked -> Bool,
        problem_json -> Nullable<Text>,
        result_json -> Nullable<Text>,
        runner -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamp,
        started_at -> Nullable<Timestamp>,
        beat_at -> Nullable<Timestamp>,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    uploads (id) {
        id -> Text,
        created_by -> Text,
        file_name -> Text,
        size_bytes -> BigInt,
        offset_bytes -> BigInt,
        sha256 -> Nullable<Text>,
        created_at -> Timestamp,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    firms (id) {
        id -> Text,
        uscc -> Text,
        name -> Text,
        contact_name -> Text,
        contact_email -> Text,
        contact_phone -> Nullable<Text>,
        status -> Text,
        status_reason -> Nullable<Text>,
        created_at -> Timestamp,
        decided_at -> Nullable<Timestamp>,
        throttled -> Bool,
    }
}

diesel::table! {
    sanctions (id) {
        id -> Text,
        firm_id -> Text,
        dataset_id -> Nullable<Text>,
        kind -> Text,
        publishes -> Nullable<Text>,
        public_zh -> Nullable<Text>,
        public_en -> Nullable<Text>,
        reason -> Text,
        status -> Text,
        notice_date -> Text,
        answer_until -> Timestamp,
        appeal_until -> Timestamp,
        imposed_by -> Text,
        imposed_at -> Timestamp,
        answer -> Nullable<Text>,
        answered_at -> Nullable<Timestamp>,
        appeal -> Nullable<Text>,
        appealed_at -> Nullable<Timestamp>,
        appeal_granted -> Nullable<Bool>,
        appeal_reason -> Nullable<Text>,
        appeal_decided_by -> Nullable<Text>,
        appeal_decided_at -> Nullable<Timestamp>,
        lifted_at -> Nullable<Timestamp>,
        lifting_reason -> Nullable<Text>,
        firm_before -> Nullable<Text>,
    }
}

diesel::table! {
    people (id) {
        id -> Text,
        username -> Text,
        display_name -> Text,
        password_hash -> Text,
        one_time_password -> Bool,
        roles -> Text,
        publisher -> Nullable<Text>,
        firm_id -> Nullable<Text>,
        status -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    sessions (token_sha256) {
        token_sha256 -> Text,
        id -> Text,
        person_id -> Text,
        browser -> Bool,
        agent -> Text,
        created_at -> Timestamp,
        seen_at -> Timestamp,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    lockouts (name_hmac) {
        name_hmac -> Text,
        failures -> Integer,
        locked_until -> Nullable<Timestamp>,
        failed_at -> Timestamp,
        of_name -> Nullable<Text>,
    }
}

diesel::table! {
    second_factors (person_id) {
        person_id -> Text,
        sealed_secret -> Binary,
        last_step -> BigInt,
        created_at -> Timestamp,
        confirmed_at -> Nullable<Timestamp>,
        begun_in -> Nullable<Text>,
    }
}

diesel::table! {
    recovery_codes (code_hmac) {
        code_hmac -> Text,
        person_id -> Text,
    }
}

diesel::table! {
    clients (id) {
        id -> Text,
        firm_id -> Text,
        name -> Text,
        method -> Text,
        public_jwk_json -> Nullable<Text>,
        secret_sha256 -> Nullable<Text>,
        status -> Text,
        created_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
        tokens_from -> Nullable<Timestamp>,
        dpop_bound -> Bool,
        jwks_uri -> Nullable<Text>,
    }
}

diesel::table! {
    client_key_sets (client_id) {
        client_id -> Text,
        keys_json -> Text,
        fetched_at -> Timestamp,
        fresh_until -> Timestamp,
    }
}

diesel::table! {
    assertions (jti_sha256) {
        jti_sha256 -> Text,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    ended_tokens (jti) {
        jti -> Text,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        sealed_private -> Binary,
        public_jwk_json -> Text,
        created_at -> Timestamp,
        retired_at -> Nullable<Timestamp>,
        purpose -> Text,
        signs_from -> Nullable<Timestamp>,
    }
}

diesel::table! {
    applications (id) {
        id -> Text,
        firm_id -> Text,
        dataset_id -> Text,
        purpose -> Text,
        fields_json -> Text,
        modes_json -> Text,
        term_days -> Integer,
        safeguards -> Text,
        status -> Text,
        submitted_by -> Text,
        submitted_at -> Timestamp,
        decided_by -> Nullable<Text>,
        decided_at -> Nullable<Timestamp>,
        reason -> Nullable<Text>,
        wish_json -> Text,
        granted_json -> Nullable<Text>,
        accepted_at -> Nullable<Timestamp>,
        due_at -> Nullable<Timestamp>,
        overdue_told -> Bool,
        appeals -> Integer,
        refused_by -> Nullable<Text>,
        renews_id -> Nullable<Text>,
        was_submitted -> Bool,
        days_left -> Nullable<Integer>,
    }
}

diesel::table! {
    attachments (id) {
        id -> Text,
        application_id -> Text,
        name -> Text,
        media_type -> Text,
        size_bytes -> BigInt,
        sha256 -> Text,
        object_sha256 -> Text,
        object_size_bytes -> BigInt,
        sealed_key -> Binary,
        created_by -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    agreements (id) {
        id -> Text,
        application_id -> Text,
        firm_id -> Text,
        text -> Text,
        sha256 -> Text,
        policy_json -> Text,
        status -> Text,
        signature -> Nullable<Text>,
        signed_by -> Nullable<Text>,
        signed_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        firm_jwk_json -> Nullable<Text>,
        confirmed_by -> Nullable<Text>,
        confirmation_method -> Nullable<Text>,
        countersignature -> Nullable<Text>,
        grant_id -> Nullable<Text>,
    }
}

diesel::table! {
    grants (id) {
        id -> Text,
        agreement_id -> Text,
        firm_id -> Text,
        dataset_id -> Text,
        policy_json -> Text,
        modes_json -> Text,
        status -> Text,
        starts_at -> Timestamp,
        expires_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
        reason -> Nullable<Text>,
        application_id -> Text,
        reach_json -> Text,
        ending_told -> Bool,
        ended_at -> Nullable<Timestamp>,
        proof_due_at -> Nullable<Timestamp>,
        proof_overdue_told -> Bool,
    }
}

diesel::table! {
    use_reports (id) {
        id -> Text,
        grant_id -> Text,
        period_from -> Text,
        period_to -> Text,
        covers_until -> Timestamp,
        used_for -> Text,
        results_json -> Text,
        numbers_json -> Text,
        filed_by -> Text,
        filed_at -> Timestamp,
    }
}

diesel::table! {
    overdue_reports (grant_id, period_from) {
        grant_id -> Text,
        period_from -> Timestamp,
        noted_at -> Timestamp,
    }
}

diesel::table! {
    releases (id) {
        id -> Text,
        dataset_id -> Text,
        version_id -> Text,
        receiver -> Text,
        fields_json -> Text,
        object_sha256 -> Text,
        size_bytes -> BigInt,
        row_count -> BigInt,
        created_at -> Timestamp,
        report_json -> Nullable<Text>,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    release_reports (id) {
        id -> Text,
        application_id -> Text,
        version -> Integer,
        policy_json -> Text,
        reached -> Bool,
        report_json -> Text,
        sha256 -> Text,
        created_by -> Text,
        created_at -> Timestamp,
        contents_sha256 -> Text,
    }
}

diesel::table! {
    exports (release_id, format) {
        release_id -> Text,
        format -> Text,
        object_sha256 -> Text,
        size_bytes -> BigInt,
        created_at -> Timestamp,
    }
}

diesel::table! {
    ledger_nodes (level, position) {
        level -> Integer,
        position -> BigInt,
        hash -> Text,
    }
}

diesel::table! {
    checkpoints (size) {
        size -> BigInt,
        root -> Text,
        note -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    ledger_words (seq, name) {
        seq -> BigInt,
        name -> Text,
        salt -> Text,
        words -> Text,
    }
}

diesel::table! {
    ledger (seq) {
        seq -> BigInt,
        moment -> Text,
        kind -> Text,
        actor -> Text,
        subject -> Text,
        detail_json -> Text,
        previous_hash -> Text,
        hash -> Text,
    }
}
