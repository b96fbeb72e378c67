-- What is asked for in the words of offers; what was granted where that is less; whose turn it is and until when.
ALTER TABLE applications ADD COLUMN wish_json TEXT NOT NULL DEFAULT '{"purposes":[]}';
ALTER TABLE applications ADD COLUMN granted_json TEXT;
ALTER TABLE applications ADD COLUMN accepted_at TIMESTAMP;
ALTER TABLE applications ADD COLUMN due_at TIMESTAMP;
ALTER TABLE applications ADD COLUMN overdue_told BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE applications ADD COLUMN appeals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE applications ADD COLUMN refused_by TEXT;
CREATE INDEX applications_due_at ON applications (due_at);

UPDATE applications SET status = 'signed'
WHERE id IN (SELECT application_id FROM agreements WHERE status = 'signed');
