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
