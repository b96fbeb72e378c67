-- The state of the firm that a sanction found and has to remember: suspended by hand.
ALTER TABLE sanctions ADD COLUMN firm_before TEXT;

-- A secret that nobody has confirmed yet belongs to the session that began it. Those until now belong to none, and are over.
ALTER TABLE second_factors ADD COLUMN begun_in TEXT;
