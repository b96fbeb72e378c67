"""Agreements that both sides signed, checked by a verifier that shares nothing with the service."""

import base64
import copy
import hashlib
import hmac
import json
import struct
import time

import jwt
import pytest

import api
import oauth

JWS = jwt.PyJWS()


def check(bundle, published):
    """The verifier: hash, countersignature, the firm's JWS. `published` is `GET /api/v1/agreements/keys`; answers what was countersigned."""
    firm, digest = bundle["firm"], hashlib.sha256(bundle["text"].encode()).hexdigest()
    header = jwt.get_unverified_header(bundle["countersignature"])
    key = next(jwt.PyJWK(key) for key in published["keys"] if key["kid"] == header["kid"])
    said = json.loads(JWS.decode(bundle["countersignature"], key, algorithms=["EdDSA"]))
    assert header["typ"] == "agreement+jws" and digest == bundle["sha256"] == said["agreement_sha256"]
    assert (bundle["agreement"], firm["uscc"]) == (said["agreement"], said["firm_uscc"])
    assert firm.get("confirmation") == said.get("confirmation")
    if "confirmation" not in said:
        jkt = oauth.base64url(hashlib.sha256(json.dumps(firm["public_jwk"], sort_keys=True, separators=(",", ":")).encode()).digest())
        assert (firm["signature"], firm["client_id"], jkt) == (said["firm_signature"], said["client_id"], said["firm_jkt"])
        attached = firm["signature"].replace("..", f".{oauth.base64url(digest.encode())}.")
        JWS.decode(attached, jwt.PyJWK(firm["public_jwk"]), algorithms=["EdDSA", "ES256"])
    return said


# What it is used for.


@pytest.fixture(scope="module")
def published(anyone):
    """The service's keys."""
    return anyone.get("/api/v1/agreements/keys").json()


def fetch(firm, agreement):
    """An agreement's bundle."""
    return firm.person.get(f"/api/v1/agreements/{agreement['id']}/bundle").json()


@pytest.fixture(scope="module", params=["EdDSA", "ES256"])
def signed(request, firm, reviewer):
    """The bundle of an agreement that a client's key signed, and the client."""
    client, agreement = firm.add_client(request.param), firm.draw_agreement(reviewer, ["visit_id", "sex"])
    body = {"client_id": client.id, "signature": client.key.sign_detached(agreement["sha256"].encode())}
    firm.person.post(f"/api/v1/agreements/{agreement['id']}/signature", body, 200)
    return fetch(firm, agreement), client


def totp(secret):
    """The code of this moment (RFC 6238)."""
    tag = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), "sha1")
    number = struct.unpack_from(">I", tag, tag[-1] & 15)[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"


def test_both_signatures_hold(signed, published):
    bundle, client = signed
    said = check(bundle, published)
    assert said["client_id"] == client.id
    assert bundle["firm"]["public_jwk"]["x"] == client.key.public_jwk["x"]
    assert bundle["keys"]["keys"] == [key for key in published["keys"] if key["kid"] == bundle["keys"]["keys"][0]["kid"]]


def changes(bundle, key):
    """Everything that somebody could want to change."""
    yield "one byte of the text", lambda it: it.update(text=it["text"].replace("30 ", "31 ", 1))
    yield "the agreement", lambda it: it.update(agreement="another")
    yield "the firm", lambda it: it["firm"].update(uscc="91310104MA1FR0000X")
    yield "the firm's key", lambda it: it["firm"].update(public_jwk=key.public_jwk)
    yield "the firm's signature", lambda it: it["firm"].update(signature=key.sign_detached(it["sha256"].encode()))
    middle = bundle["countersignature"].split(".")
    payload = oauth.base64url(b"{}")
    yield "the countersignature", lambda it: it.update(countersignature=f"{middle[0]}.{payload}.{middle[2]}")


def test_a_changed_bundle_is_refused(signed, published):
    bundle, client = signed
    for what, change in changes(bundle, api.Key(client.key.algorithm)):
        changed = copy.deepcopy(bundle)
        change(changed)
        assert changed != bundle, what
        with pytest.raises((AssertionError, jwt.InvalidTokenError)):
            pytest.fail(f"{what}: {check(changed, published)}")


def test_a_key_that_was_never_published_is_refused(signed, published):
    bundle, _ = signed
    forger = api.Key("EdDSA")
    said = json.loads(JWS.decode(bundle["countersignature"], options={"verify_signature": False}))
    for kid in ["another", published["keys"][0]["kid"]]:
        forged = {**bundle, "countersignature": forger.sign(said, typ="agreement+jws", kid=kid)}
        with pytest.raises((StopIteration, jwt.InvalidSignatureError)):
            check(forged, published)


def test_the_program_agrees(signed, published, service, tmp_path):
    bundle, _ = signed
    good, keys, changed = (tmp_path / name for name in ["good.json", "keys.json", "changed.json"])
    good.write_text(json.dumps(bundle), encoding="utf-8")
    keys.write_text(json.dumps(published), encoding="utf-8")
    changed.write_text(json.dumps({**bundle, "text": bundle["text"] + "\n"}), encoding="utf-8")
    assert service.attempt("agreement", "verify", good, "--keys", keys).returncode == 0
    assert service.attempt("agreement", "verify", changed, "--keys", keys).returncode == 1


def test_a_confirmation_is_countersigned(operator, reviewer, published):
    firm = api.add_firm(operator, 71)
    secret = firm.person.post("/api/v1/people/me/second-factor", {"password": "quite a long password 3"})["secret"]
    codes = firm.person.post("/api/v1/people/me/second-factor/confirmation", {"code": totp(secret)}, 200)["recovery_codes"]
    agreement = firm.draw_agreement(reviewer, ["visit_id", "sex"])
    # The code of this half minute is used up.
    body = {"sha256": agreement["sha256"], "code": codes[0]}
    firm.person.post(f"/api/v1/agreements/{agreement['id']}/confirmation", body, 200)
    bundle = fetch(firm, agreement)
    said = check(bundle, published)
    assert said["confirmation"]["method"] == "recovery_code"
    assert set(bundle["firm"]) == {"uscc", "confirmation"}
    for name, value in [("method", "totp"), ("person", "another"), ("at", "2020-01-01T00:00:00.000000Z")]:
        changed = copy.deepcopy(bundle)
        changed["firm"]["confirmation"][name] = value
        with pytest.raises(AssertionError):
            check(changed, published)
