-- A version is one or more Parquet files; an appended version has those of the one before, and its own behind them.
-- Versions and releases keep the digest of their only file in object_sha256, or one over the digests of all their files.
CREATE TABLE parts (
    owner_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    object_sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    PRIMARY KEY (owner_id, position)
);
CREATE INDEX parts_object ON parts (object_sha256);
INSERT INTO parts SELECT id, 0, object_sha256, size_bytes, row_count FROM versions;
INSERT INTO parts SELECT id, 0, object_sha256, size_bytes, row_count FROM releases;

ALTER TABLE versions ADD COLUMN status TEXT NOT NULL DEFAULT 'published';
ALTER TABLE versions ADD COLUMN published_at TIMESTAMP;
ALTER TABLE versions ADD COLUMN profile_json TEXT;
ALTER TABLE versions ADD COLUMN report_json TEXT;
ALTER TABLE versions ADD COLUMN rejects_sha256 TEXT;
ALTER TABLE versions ADD COLUMN rejects_size_bytes BIGINT;
ALTER TABLE versions ADD COLUMN resolution TEXT;
UPDATE versions SET published_at = created_at;

-- Long work that survives a restart.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    order_json TEXT NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL,
    done_bytes BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    cancel_asked BOOLEAN NOT NULL,
    problem_json TEXT,
    result_json TEXT,
    runner TEXT,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP,
    beat_at TIMESTAMP,
    finished_at TIMESTAMP
);
CREATE INDEX jobs_state ON jobs (state, created_at);
CREATE INDEX jobs_subject ON jobs (subject, created_at);

-- Files on their way in; the bytes are in the data folder.
CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    created_by TEXT NOT NULL,
    file_name TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    offset_bytes BIGINT NOT NULL,
    sha256 TEXT,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
