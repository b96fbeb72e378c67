DROP INDEX assertions_expires_at;
ALTER TABLE signing_keys DROP COLUMN signs_from;
ALTER TABLE clients DROP COLUMN dpop_bound;
ALTER TABLE clients DROP COLUMN tokens_from;
DROP TABLE ended_tokens;
