//! What the public says of the list.

diesel::table! {
    feedback (id) {
        id -> Text,
        kind -> Text,
        state -> Text,
        shown -> Text,
        dataset_id -> Nullable<Text>,
        publisher -> Nullable<Text>,
        field -> Nullable<Text>,
        topic -> Nullable<Text>,
        title -> Nullable<Text>,
        words -> Nullable<Text>,
        link -> Nullable<Text>,
        maker -> Nullable<Text>,
        stars -> Nullable<Integer>,
        votes -> Integer,
        question -> Nullable<Text>,
        answer -> Nullable<Text>,
        answered_at -> Nullable<Timestamp>,
        found_in -> Nullable<Text>,
        filed_by -> Text,
        receipt_sha256 -> Text,
        voter -> Nullable<Text>,
        filed_at -> Timestamp,
        due_at -> Nullable<Timestamp>,
        overdue_at -> Nullable<Timestamp>,
        suspended_seq -> Nullable<BigInt>,
        closed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    feedback_datasets (feedback_id, dataset_id) {
        feedback_id -> Text,
        dataset_id -> Text,
    }
}

diesel::table! {
    feedback_votes (feedback_id, voter) {
        feedback_id -> Text,
        voter -> Text,
        voted_at -> Timestamp,
    }
}
