DROP TABLE uploads;
DROP TABLE jobs;
ALTER TABLE versions DROP COLUMN rejects_size_bytes;
ALTER TABLE versions DROP COLUMN rejects_sha256;
ALTER TABLE versions DROP COLUMN report_json;
ALTER TABLE versions DROP COLUMN profile_json;
ALTER TABLE versions DROP COLUMN published_at;
ALTER TABLE versions DROP COLUMN status;
DROP TABLE parts;
