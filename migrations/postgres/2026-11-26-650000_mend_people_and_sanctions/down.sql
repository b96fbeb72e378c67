DROP INDEX lockouts_of_name;
ALTER TABLE lockouts DROP COLUMN of_name;
ALTER TABLE second_factors DROP COLUMN begun_in;
ALTER TABLE sanctions DROP COLUMN firm_before;
