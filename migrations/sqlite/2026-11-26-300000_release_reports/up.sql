-- What the policy did when the release was made; none for what everybody may read.
ALTER TABLE releases ADD COLUMN report_json TEXT;

-- What a policy would do for an application, found out before it is decided.
CREATE TABLE release_reports (
    id TEXT NOT NULL PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id),
    version INTEGER NOT NULL,
    policy_json TEXT NOT NULL,
    reached BOOLEAN NOT NULL,
    report_json TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX release_reports_application_id ON release_reports (application_id);
