//! What the open list was, and what changed it.

diesel::table! {
    list_entries (sha256) {
        sha256 -> Text,
        entry_json -> Text,
    }
}

diesel::table! {
    list_changes (number, slug) {
        number -> Integer,
        dataset_id -> Text,
        slug -> Text,
        code -> Text,
        ground -> Nullable<Text>,
        reason -> Nullable<Text>,
        before_sha256 -> Nullable<Text>,
        after_sha256 -> Nullable<Text>,
        entry_seq -> BigInt,
        changed_at -> Timestamp,
    }
}

diesel::table! {
    drafts (id) {
        id -> Text,
        title -> Text,
        reason -> Nullable<Text>,
        publisher -> Nullable<Text>,
        state -> Text,
        revision -> Integer,
        editors_json -> Text,
        created_by -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        submitted_by -> Nullable<Text>,
        submitted_at -> Nullable<Timestamp>,
        decided_by -> Nullable<Text>,
        decided_at -> Nullable<Timestamp>,
        remark -> Nullable<Text>,
        effective_at -> Nullable<Timestamp>,
        list_version -> Nullable<Integer>,
    }
}

diesel::table! {
    draft_entries (draft_id, slug) {
        draft_id -> Text,
        slug -> Text,
        entry_json -> Text,
        base_sha256 -> Nullable<Text>,
        revision -> Integer,
        edited_by -> Text,
        edited_at -> Timestamp,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        firm_id -> Text,
        url -> Text,
        events_json -> Text,
        datasets_json -> Text,
        status -> Text,
        after_seq -> BigInt,
        attempts -> Integer,
        refusals -> Integer,
        served_at -> Timestamp,
        failing_since -> Nullable<Timestamp>,
        next_at -> Nullable<Timestamp>,
        lease_until -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        delivered_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    dead_letters (webhook_id, seq) {
        webhook_id -> Text,
        seq -> BigInt,
        attempts -> Integer,
        error -> Text,
        died_at -> Timestamp,
    }
}
