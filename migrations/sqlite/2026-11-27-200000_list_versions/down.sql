DROP TABLE list_changes;
DROP TABLE list_entries;
DROP INDEX datasets_listed;
ALTER TABLE datasets DROP COLUMN state;
