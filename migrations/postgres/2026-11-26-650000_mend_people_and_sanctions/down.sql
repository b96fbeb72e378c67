ALTER TABLE second_factors DROP COLUMN begun_in;
ALTER TABLE sanctions DROP COLUMN firm_before;
