DROP TABLE overdue_reports;
DROP TABLE use_reports;
DROP TABLE sanctions;
ALTER TABLE firms DROP COLUMN throttled;
