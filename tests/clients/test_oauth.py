"""Tokens: taken with Authlib, verified with PyJWT, and forged in the usual ways."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt as jose
from joserfc.jwk import ECKey, OKPKey

import api
import oauth

# RFC 9864 names EdDSA with this curve Ed25519 instead; the libraries of most clients and services do not know that name yet, joserfc does.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")

ALGORITHMS = ["EdDSA", "ES256"]
LIBRARY_KEYS = {"EdDSA": OKPKey, "ES256": ECKey}


@pytest.fixture(scope="module")
def server(service):
    """The authorization server's description."""
    return oauth.discover(service.url)


@pytest.fixture(scope="module")
def clients(firm):
    """A client for each algorithm, and one with a secret."""
    return {name: firm.add_client(name) for name in ALGORITHMS} | {"secret": firm.add_client()}


@pytest.fixture(params=ALGORITHMS)
def client(request, clients):
    """A client with a key."""
    return clients[request.param]


def session_with_key(server, client):
    """Authlib's session for a client with a key."""
    pem = client.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = LIBRARY_KEYS[client.key.algorithm].import_key(pem)
    session = OAuth2Session(client.id, key, token_endpoint_auth_method="private_key_jwt")
    # Authlib's assertions last an hour by default, and the service takes ten minutes at the most.
    short = {"exp": int(time.time()) + 300}
    session.register_client_auth_method(PrivateKeyJWT(server["token_endpoint"], claims=short, alg=client.key.algorithm))
    return session


def session_with_secret(client, method):
    """Authlib's session for a client with a secret."""
    return OAuth2Session(client.id, client.secret, token_endpoint_auth_method=method)


def fetch(session, server, **parameters):
    """Takes a token."""
    return session.fetch_token(server["token_endpoint"], grant_type="client_credentials", **parameters)


def verify(server, token):
    """An access token's claims, verified as a resource server does (RFC 9068, section 4)."""
    assert jwt.get_unverified_header(token)["typ"].lower() == "at+jwt"
    key = jwt.PyJWKClient(server["jwks_uri"]).get_signing_key_from_jwt(token)
    required = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]
    expected = {"issuer": server["issuer"], "audience": server["issuer"]}
    return jwt.decode(token, key, algorithms=["EdDSA"], options={"require": required}, **expected)


def assert_refused(answer):
    """The answer of RFC 6749, section 5.2, to a client that did not prove itself."""
    assert answer.status_code == 401, answer.text
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "access_token" not in answer.json()


def test_discovery_names_the_service_itself(service, server):
    assert server["issuer"] == service.url
    methods = {"private_key_jwt", "client_secret_basic", "client_secret_post"}
    assert set(server["token_endpoint_auth_methods_supported"]) == methods
    assert set(server["token_endpoint_auth_signing_alg_values_supported"]) == {*ALGORITHMS, "Ed25519"}
    resource = api.Api(service.url).get("/.well-known/oauth-protected-resource").json()
    assert (resource["resource"], resource["authorization_servers"]) == (service.url, [service.url])


def test_an_assertion_may_name_the_algorithm_as_rfc_9864_does(server, clients):
    client = clients["EdDSA"]
    key = OKPKey.import_key(client.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assertion = jose.encode({"alg": "Ed25519"}, oauth.claims(client.id, server["issuer"]), key, algorithms=["Ed25519"])
    answer = oauth.ask(server["token_endpoint"], assertion)
    assert answer.status_code == 200, answer.text


def test_authlib_takes_tokens_with_a_key(service, server, firm, client):
    session = session_with_key(server, client)
    token = fetch(session, server)
    claims = verify(server, token["access_token"])
    assert (claims["sub"], claims["client_id"]) == (client.id, client.id)
    assert claims["exp"] - claims["iat"] == token["expires_in"]
    assert session.get(f"{service.url}/api/v1/firms/me").json()["id"] == firm.id


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_takes_tokens_with_a_secret(service, server, firm, clients, method):
    session = session_with_secret(clients["secret"], method)
    token = fetch(session, server)
    assert verify(server, token["access_token"])["client_id"] == clients["secret"].id
    assert session.get(f"{service.url}/api/v1/firms/me").json()["id"] == firm.id


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_wrong_secret_is_refused(server, clients, method):
    wrong = api.Client(clients["secret"].id, None, clients["secret"].secret[:-1] + "!")
    with pytest.raises(OAuthError, match="invalid_client"):
        fetch(session_with_secret(wrong, method), server)


def test_the_keys_of_the_service_are_public_only(service):
    keys = api.Api(service.url).get("/.well-known/jwks.json").json()["keys"]
    assert keys
    for key in keys:
        assert {"kid", "kty", "crv", "x"} <= set(key)
        assert "d" not in key


def test_the_issuer_and_the_endpoint_are_both_good_audiences(server, client):
    for audience in [server["issuer"], server["token_endpoint"], [server["token_endpoint"], "https://other.example"]]:
        answer = oauth.ask(server["token_endpoint"], client.key.sign(oauth.claims(client.id, audience)))
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_replayed_assertion_is_refused(server, client):
    assertion = client.key.sign(oauth.claims(client.id, server["issuer"]))
    assert oauth.ask(server["token_endpoint"], assertion).status_code == 200
    assert_refused(oauth.ask(server["token_endpoint"], assertion))


def test_an_assertion_sent_many_times_at_once_counts_once(server, client):
    assertion = client.key.sign(oauth.claims(client.id, server["issuer"]))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: oauth.ask(server["token_endpoint"], assertion), range(8)))
    assert sorted(answer.status_code == 200 for answer in answers) == [False] * 7 + [True]


def test_times_may_have_a_fraction(server, client):
    # RFC 7519, section 2: a NumericDate may be a non-integer, as Python's time.time() is.
    now = time.time()
    for times in [{"exp": now + 60.5}, {"iat": now - 0.5}, {"nbf": now - 0.5}]:
        answer = oauth.ask(server["token_endpoint"], client.key.sign(oauth.claims(client.id, server["issuer"], **times)))
        assert answer.status_code == 200, f"{times}: {answer.text}"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "https://other.example"}, id="another audience"),
        pytest.param({"aud": []}, id="audience of nobody"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"exp": int(time.time()) - 3600, "iat": int(time.time()) - 3700}, id="expired"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"exp": int(time.time()) + 86400}, id="far end"),
        pytest.param({"nbf": int(time.time()) + 3600}, id="not yet valid"),
        pytest.param({"iat": int(time.time()) + 3600}, id="made in the future"),
        pytest.param({"jti": None}, id="no name of its own"),
        pytest.param({"iss": "somebody else"}, id="another issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"sub": "00000000-0000-7000-8000-000000000000"}, id="unknown client"),
    ],
)
def test_an_assertion_with_wrong_claims_is_refused(server, client, changes):
    assertion = client.key.sign(oauth.claims(client.id, server["issuer"], **changes))
    assert_refused(oauth.ask(server["token_endpoint"], assertion))


def test_an_assertion_by_another_key_is_refused(server, client):
    forged = api.Key(client.key.algorithm).sign(oauth.claims(client.id, server["issuer"]))
    assert_refused(oauth.ask(server["token_endpoint"], forged))


def test_a_client_cannot_speak_for_another(server, clients):
    forged = clients["EdDSA"].key.sign(oauth.claims(clients["ES256"].id, server["issuer"]))
    assert_refused(oauth.ask(server["token_endpoint"], forged))
    for_secret = clients["EdDSA"].key.sign(oauth.claims(clients["secret"].id, server["issuer"]))
    assert_refused(oauth.ask(server["token_endpoint"], for_secret))


def public_forms(key):
    """The public key in every form that a confused verifier could take as an HMAC secret."""
    jwk = key.public_jwk
    return {
        "PEM": key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "coordinates": b"".join(jwt.utils.base64url_decode(jwk[name]) for name in ("x", "y") if name in jwk),
        "x": jwt.utils.base64url_decode(jwk["x"]),
        "x in base64url": jwk["x"].encode(),
        "JWK": json.dumps(jwk).encode(),
        "nothing": b"",
    }


def test_the_public_key_is_no_secret(server, client):
    for form, secret in public_forms(client.key).items():
        header = {"alg": "HS256", "typ": "JWT"}
        forged = oauth.by_hand(header, oauth.claims(client.id, server["issuer"]), secret)
        answer = oauth.ask(server["token_endpoint"], forged)
        assert answer.status_code == 401, f"signed with {form}"
        assert_refused(answer)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_an_unsigned_assertion_is_refused(server, client, algorithm):
    unsigned = oauth.by_hand({"alg": algorithm, "typ": "JWT"}, oauth.claims(client.id, server["issuer"]))
    assert_refused(oauth.ask(server["token_endpoint"], unsigned))


def test_a_key_inside_of_the_assertion_is_not_believed(server, client):
    other = api.Key(client.key.algorithm)
    forged = other.sign(oauth.claims(client.id, server["issuer"]), jwk=other.public_jwk)
    assert_refused(oauth.ask(server["token_endpoint"], forged))


def test_an_unknown_critical_header_is_refused(server, client):
    # RFC 7515, section 4.1.11: who does not know a header that is critical must reject the signature.
    header = {"alg": client.key.algorithm, "typ": "JWT", "crit": ["example"], "example": 1}
    assertion = client.key.sign(oauth.claims(client.id, server["issuer"]), **header)
    assert_refused(oauth.ask(server["token_endpoint"], assertion))


def test_the_client_id_must_be_that_of_the_assertion(server, client, clients):
    # RFC 7521, section 4.2: client_id is not needed, and must name the same client where it is given.
    for client_id in [clients["secret"].id, "nobody"]:
        assertion = client.key.sign(oauth.claims(client.id, server["issuer"]))
        answer = oauth.ask(server["token_endpoint"], assertion, client_id=client_id)
        assert answer.status_code in (400, 401), answer.text[:40]
        assert answer.json()["error"] in ("invalid_client", "invalid_request")
    assertion = client.key.sign(oauth.claims(client.id, server["issuer"]))
    assert oauth.ask(server["token_endpoint"], assertion, client_id=client.id).status_code == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials", "invalid_client"),
    ],
)
def test_errors_have_the_shape_that_oauth_clients_read(server, body, error):
    # RFC 6749, section 5.2, which also names a repeated parameter as an invalid request.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(server["token_endpoint"], data=body, headers=form, timeout=60)
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json().get("error") == error, answer.text


def test_a_changed_access_token_is_refused(service, server, clients):
    token = fetch(session_with_key(server, clients["EdDSA"]), server)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    (key,) = api.Api(service.url).get("/.well-known/jwks.json").json()["keys"]
    public = jwt.utils.base64url_decode(key["x"])
    head, body, signature = token.split(".")
    later = oauth.base64url(json.dumps({**claims, "exp": claims["exp"] + 3600}).encode())
    forged = {
        "changed claims": f"{head}.{later}.{signature}",
        "no signature": f"{head}.{body}.",
        "alg none": oauth.by_hand({**header, "alg": "none"}, claims),
        "HS256 with the public key": oauth.by_hand({**header, "alg": "HS256"}, claims, public),
        "another key": jwt.encode(claims, api.Key("EdDSA").private, algorithm="EdDSA", headers=header),
        "an assertion": clients["EdDSA"].key.sign(oauth.claims(clients["EdDSA"].id, server["issuer"])),
    }
    api.Api(service.url, token).get("/api/v1/firms/me")
    for text in forged.values():
        answer = api.Api(service.url, text).get("/api/v1/firms/me", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
