DROP TABLE client_key_sets;
ALTER TABLE clients DROP COLUMN jwks_uri;
