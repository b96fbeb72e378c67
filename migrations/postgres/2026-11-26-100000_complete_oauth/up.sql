-- Access tokens that were ended before their time, until they would have ended by themselves.
CREATE TABLE ended_tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    expires_at TIMESTAMP NOT NULL
);

-- Tokens that were issued before this moment are over: the answer to a leaked token.
ALTER TABLE clients ADD COLUMN tokens_from TIMESTAMP;
-- Whether the client's tokens are always bound to a key (RFC 9449).
ALTER TABLE clients ADD COLUMN dpop_bound BOOLEAN NOT NULL DEFAULT FALSE;

-- A new key is published before it signs, so that whoever keeps the published keys for a while knows it by then.
ALTER TABLE signing_keys ADD COLUMN signs_from TIMESTAMP;

-- What is over is forgotten by its time.
CREATE INDEX assertions_expires_at ON assertions (expires_at);
