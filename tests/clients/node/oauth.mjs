// The OAuth endpoints as openid-client and jose see them. Reads one JSON object from standard input, writes one to standard output.
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, importJWK, jwtVerify } from "jose";
import * as oauth from "openid-client";

const { issuer, client, secret, jwk, grant, path } = JSON.parse(readFileSync(0, "utf8"));

async function configure(id, authentication) {
  // The test's service speaks plain HTTP on the loopback.
  const options = { algorithm: "oauth2", execute: [oauth.allowInsecureRequests] };
  return await oauth.discovery(new URL(issuer), id, undefined, authentication, options);
}

const said = {};
const key = await importJWK(jwk, "ES256");
const config = await configure(client, oauth.PrivateKeyJwt(key));
const resource = new URL(issuer + path);
const details = JSON.stringify([{ type: "qingdan_grant", grant }]);

// private_key_jwt, and a token for a grant.
const plain = await oauth.clientCredentialsGrant(config, { authorization_details: details });
said.plain = { type: plain.token_type, status: (await oauth.fetchProtectedResource(config, plain.access_token, resource, "GET")).status };
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const verified = await jwtVerify(plain.access_token, keys, { issuer, audience: issuer, typ: "at+jwt" });
said.verified = { client_id: verified.payload.client_id, details: verified.payload.authorization_details };

// A secret, in both ways.
said.secrets = [];
for (const way of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
  const other = await configure(secret.id, way(secret.secret));
  said.secrets.push((await oauth.clientCredentialsGrant(other)).token_type);
}

// DPoP.
const DPoP = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair("ES256"));
const bound = await oauth.clientCredentialsGrant(config, { authorization_details: details }, { DPoP });
const read = async (options) => (await oauth.fetchProtectedResource(config, bound.access_token, resource, "GET", undefined, undefined, options)).status;
said.bound = { type: bound.token_type, status: await read({ DPoP }), again: await read({ DPoP }) };
said.bound.bearer = (await fetch(resource, { headers: { authorization: `Bearer ${bound.access_token}` } })).status;
const stranger = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair("ES256"));
try {
  said.bound.stranger = await read({ DPoP: stranger });
} catch (error) {
  said.bound.stranger = error.status ?? error.cause?.status ?? String(error);
}

// Introspection and revocation.
said.active = (await oauth.tokenIntrospection(config, plain.access_token)).active;
await oauth.tokenRevocation(config, plain.access_token);
said.ended = (await oauth.tokenIntrospection(config, plain.access_token)).active;
said.after = (await fetch(resource, { headers: { authorization: `Bearer ${plain.access_token}` } })).status;

process.stdout.write(JSON.stringify(said));
