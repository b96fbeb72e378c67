-- How far a grant reaches besides its fields; what becomes of it at its end; how much is read under it.
ALTER TABLE grants ADD COLUMN application_id TEXT NOT NULL DEFAULT '';
UPDATE grants SET application_id = (SELECT application_id FROM agreements WHERE agreements.id = grants.agreement_id);
ALTER TABLE grants ADD COLUMN reach_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE grants ADD COLUMN ending_told BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE grants ADD COLUMN ended_at TIMESTAMP;
ALTER TABLE grants ADD COLUMN proof_due_at TIMESTAMP;
ALTER TABLE grants ADD COLUMN proof_overdue_told BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE agreements ADD COLUMN grant_id TEXT;
UPDATE agreements SET grant_id = (SELECT id FROM grants WHERE grants.agreement_id = agreements.id);
ALTER TABLE applications ADD COLUMN renews_id TEXT;
CREATE INDEX applications_renews_id ON applications (renews_id);
ALTER TABLE applications ADD COLUMN was_submitted BOOLEAN NOT NULL DEFAULT TRUE;
UPDATE applications SET was_submitted = FALSE
WHERE NOT EXISTS (
    SELECT 1 FROM ledger WHERE ledger.kind = 'application.submitted' AND ledger.subject = 'application:' || applications.id
);
ALTER TABLE applications ADD COLUMN days_left INTEGER;
ALTER TABLE release_reports ADD COLUMN contents_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE releases ADD COLUMN deleted_at TIMESTAMP;

CREATE TABLE grant_usage (
    grant_id TEXT NOT NULL REFERENCES grants (id),
    day TEXT NOT NULL,
    calls BIGINT NOT NULL,
    read_rows BIGINT NOT NULL,
    read_bytes BIGINT NOT NULL,
    PRIMARY KEY (grant_id, day)
);

CREATE TABLE deletion_proofs (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL UNIQUE REFERENCES grants (id),
    deleted_on TEXT NOT NULL,
    method TEXT NOT NULL,
    copies TEXT NOT NULL,
    filed_by TEXT NOT NULL,
    filed_at TIMESTAMP NOT NULL
);
