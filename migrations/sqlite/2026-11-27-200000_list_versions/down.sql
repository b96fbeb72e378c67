DROP TABLE list_changes;
DROP TABLE list_entries;
ALTER TABLE datasets DROP COLUMN state;
