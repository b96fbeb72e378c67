//! How much is read and what becomes of it at the end; and what a process remembers of others.

diesel::table! {
    usage_days (caller, day) {
        caller -> Text,
        day -> Text,
        bytes -> BigInt,
    }
}

diesel::table! {
    grant_usage (grant_id, day) {
        grant_id -> Text,
        day -> Text,
        calls -> BigInt,
        read_rows -> BigInt,
        read_bytes -> BigInt,
    }
}

diesel::table! {
    deletion_proofs (id) {
        id -> Text,
        grant_id -> Text,
        deleted_on -> Text,
        method -> Text,
        copies -> Text,
        filed_by -> Text,
        filed_at -> Timestamp,
    }
}

diesel::table! {
    marks (name) {
        name -> Text,
        moment -> Timestamp,
    }
}
