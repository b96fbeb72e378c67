//! Mail: to whom the changes of the list are sent, and what would not be taken.

diesel::table! {
    mail_subscriptions (id) {
        id -> Text,
        firm_id -> Text,
        sealed_address -> Binary,
        address_tag -> Text,
        events_json -> Text,
        datasets_json -> Text,
        status -> Text,
        token_sha256 -> Text,
        sealed_token -> Nullable<Binary>,
        token_expires_at -> Timestamp,
        confirmed_seq -> Nullable<BigInt>,
        after_seq -> BigInt,
        letter_id -> Nullable<Text>,
        letter_to -> Nullable<BigInt>,
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
    mail_confirmations (id) {
        id -> Text,
        firm_id -> Text,
        address_tag -> Text,
        asked_at -> Timestamp,
    }
}

diesel::table! {
    dead_mails (subscription_id, to_seq) {
        subscription_id -> Text,
        after_seq -> BigInt,
        to_seq -> BigInt,
        attempts -> Integer,
        error -> Text,
        died_at -> Timestamp,
    }
}
