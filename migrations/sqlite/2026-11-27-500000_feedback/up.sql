-- What the public says of the list: corrections, rights claims, requests for data, ratings, and what was made with data.
CREATE TABLE feedback (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    shown TEXT NOT NULL,
    dataset_id TEXT REFERENCES datasets (id),
    publisher TEXT REFERENCES publishers (slug),
    field TEXT,
    topic TEXT,
    title TEXT,
    words TEXT,
    link TEXT,
    maker TEXT,
    stars INTEGER,
    votes INTEGER NOT NULL,
    question TEXT,
    answer TEXT,
    answered_at TIMESTAMP,
    found_in TEXT,
    filed_by TEXT NOT NULL,
    receipt_sha256 TEXT NOT NULL UNIQUE,
    voter TEXT,
    filed_at TIMESTAMP NOT NULL,
    due_at TIMESTAMP,
    overdue_at TIMESTAMP,
    suspended_seq BIGINT,
    closed_at TIMESTAMP
);
CREATE INDEX feedback_dataset ON feedback (dataset_id, kind, state);
CREATE INDEX feedback_kind ON feedback (kind, state, id);
CREATE INDEX feedback_due ON feedback (state, due_at);

-- Which datasets something was made with.
CREATE TABLE feedback_datasets (
    feedback_id TEXT NOT NULL REFERENCES feedback (id),
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    PRIMARY KEY (feedback_id, dataset_id)
);
CREATE INDEX feedback_datasets_dataset ON feedback_datasets (dataset_id);

-- That somebody has voted, and nothing of who it was: a keyed hash that is another one for each request.
CREATE TABLE feedback_votes (
    feedback_id TEXT NOT NULL REFERENCES feedback (id),
    voter TEXT NOT NULL,
    voted_at TIMESTAMP NOT NULL,
    PRIMARY KEY (feedback_id, voter)
);
