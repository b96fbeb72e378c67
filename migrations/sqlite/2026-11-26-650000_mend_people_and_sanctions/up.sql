-- The state of the firm that a sanction found and has to remember: suspended by hand.
ALTER TABLE sanctions ADD COLUMN firm_before TEXT;

-- A secret that nobody has confirmed yet belongs to the session that began it. Those until now belong to none, and are over.
ALTER TABLE second_factors ADD COLUMN begun_in TEXT;

-- Wrong tries at the log-in are counted for a name and a network; by a keyed digest of the name alone all of them are found.
ALTER TABLE lockouts ADD COLUMN of_name TEXT;
CREATE INDEX lockouts_of_name ON lockouts (of_name);
