DROP TABLE relations;
DROP TABLE subject_classes;
ALTER TABLE themes DROP COLUMN data_theme;
DROP INDEX datasets_registration_code;
DROP INDEX datasets_code;
ALTER TABLE datasets DROP COLUMN registration_code;
ALTER TABLE datasets DROP COLUMN code;
