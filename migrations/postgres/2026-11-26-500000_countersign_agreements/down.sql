ALTER TABLE agreements DROP COLUMN countersignature;
ALTER TABLE agreements DROP COLUMN confirmation_method;
ALTER TABLE agreements DROP COLUMN confirmed_by;
ALTER TABLE agreements DROP COLUMN firm_jwk_json;
