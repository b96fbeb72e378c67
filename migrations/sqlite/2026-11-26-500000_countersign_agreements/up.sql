-- The firm's key as it was at the signature, since clients go; or who confirmed in its place, and how; and the service's own signature.
ALTER TABLE agreements ADD COLUMN firm_jwk_json TEXT;
ALTER TABLE agreements ADD COLUMN confirmed_by TEXT;
ALTER TABLE agreements ADD COLUMN confirmation_method TEXT;
ALTER TABLE agreements ADD COLUMN countersignature TEXT;
UPDATE agreements SET firm_jwk_json = (SELECT clients.public_jwk_json FROM clients WHERE clients.id = agreements.signed_by) WHERE signed_by IS NOT NULL;
