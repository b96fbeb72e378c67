-- Documents that a firm attaches to its application. The object in the store is sealed with a key of its own, which lies here, sealed with the master key.
CREATE TABLE attachments (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    object_sha256 TEXT NOT NULL,
    object_size_bytes BIGINT NOT NULL,
    sealed_key BLOB NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX attachments_application_id ON attachments (application_id);
CREATE INDEX attachments_object_sha256 ON attachments (object_sha256);
