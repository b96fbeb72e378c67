"""The token endpoint as a client without any library sees it."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import requests

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def discover(url):
    """The authorization server's own description (RFC 8414)."""
    answer = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=60)
    answer.raise_for_status()
    return answer.json()


def claims(client_id, audience, **changes):
    """The claims of a good assertion (RFC 7523, section 3), with changes; None leaves a claim out."""
    now = int(time.time())
    good = {"iss": client_id, "sub": client_id, "aud": audience, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 120}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def ask(endpoint, assertion, **form):
    """Asks for a token with an assertion."""
    body = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **form}
    return requests.post(endpoint, data=body, timeout=60)


def base64url(content):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(header, payload, secret=None):
    """A JWT that a proper library refuses to make: unsigned, or signed by HMAC with anything as the secret."""
    message = ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))
    signature = hmac.digest(secret, message.encode(), hashlib.sha256) if secret is not None else b""
    return f"{message}.{base64url(signature)}"
