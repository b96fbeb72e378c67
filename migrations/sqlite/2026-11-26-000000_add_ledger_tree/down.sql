DELETE FROM signing_keys WHERE purpose <> 'tokens';
ALTER TABLE signing_keys DROP COLUMN purpose;
DROP TABLE ledger_words;
DROP TABLE checkpoints;
DROP TABLE ledger_nodes;
