UPDATE applications SET status = 'approved' WHERE status = 'signed';
DROP INDEX applications_due_at;
ALTER TABLE applications DROP COLUMN refused_by;
ALTER TABLE applications DROP COLUMN appeals;
ALTER TABLE applications DROP COLUMN overdue_told;
ALTER TABLE applications DROP COLUMN due_at;
ALTER TABLE applications DROP COLUMN accepted_at;
ALTER TABLE applications DROP COLUMN granted_json;
ALTER TABLE applications DROP COLUMN wish_json;
