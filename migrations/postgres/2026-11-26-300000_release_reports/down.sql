DROP TABLE release_reports;
ALTER TABLE releases DROP COLUMN report_json;
