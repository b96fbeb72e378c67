"""Calls of the service's HTTP API, each in the name of one caller."""

import json
from dataclasses import dataclass

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import service

CONDITIONAL = "community-health-visits"
SECONDS = 60


class Api:
    """The API as one caller sees it; without a token the caller is nobody in particular."""

    def __init__(self, url, token=None):
        self.url = url
        self.session = requests.Session()
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method, path, expect=200, **arguments):
        """Sends a request and checks the status of the answer."""
        answer = self.session.request(method, self.url + path, timeout=SECONDS, **arguments)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer

    def get(self, path, expect=200, **arguments):
        """Reads."""
        return self.call("GET", path, expect, **arguments)

    def post(self, path, body, expect=201):
        """Sends a JSON body and reads a JSON answer."""
        return self.call("POST", path, expect, json=body).json()

    def items(self, path, **parameters):
        """All items of a list, page by page."""
        while True:
            page = self.get(path, params=parameters).json()
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            parameters["cursor"] = page["next_cursor"]

    def download(self, slug, **parameters):
        """A dataset as a file."""
        return self.get(f"/api/v1/datasets/{slug}/download", params=parameters)


def log_in(url, username, password):
    """The API as a person sees it."""
    session = Api(url).post("/api/v1/sessions", {"username": username, "password": password})
    return Api(url, session["token"])


def log_in_operator(url):
    """The API as the operator sees it."""
    return log_in(url, service.OPERATOR, service.OPERATOR_PASSWORD)


def add_reviewer(operator, username):
    """Adds a reviewer, who logs in and changes the one-time password."""
    return add_person(operator, {"username": username, "display_name": "Reviewer", "roles": ["reviewer"]})


def add_steward(operator, username, publisher):
    """Adds a steward of a publisher in the same way."""
    return add_person(operator, {"username": username, "display_name": "Steward", "roles": ["steward"], "publisher": publisher})


def add_person(operator, new):
    """Adds a person with a role, who logs in and changes the one-time password."""
    once = operator.post("/api/v1/admin/people", new)["one_time_password"]
    person = log_in(operator.url, new["username"], once)
    person.call("PUT", "/api/v1/people/me/password", 204, json={"current": once, "new": "another long password 2"})
    return person


class Key:
    """A key pair of a client, with the one algorithm that it signs with."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        match algorithm:
            case "EdDSA":
                self.private = ed25519.Ed25519PrivateKey.generate()
            case "ES256":
                self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self):
        """The public half."""
        return self.private.public_key()

    @property
    def public_jwk(self):
        """The public half as JWK."""
        return jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.public, as_dict=True)

    def sign(self, claims, **header):
        """A JWT."""
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=header)

    def sign_detached(self, payload):
        """A JWS in compact form with detached payload (RFC 7515, appendix F)."""
        head, _, signature = jwt.PyJWS().encode(payload, self.private, algorithm=self.algorithm).split(".")
        return f"{head}..{signature}"


@dataclass(frozen=True)
class Client:
    """A client of a firm, with a key or with a secret."""

    id: str
    key: Key | None
    secret: str | None


class Firm:
    """A firm that has registered, with the person who acts for it."""

    def __init__(self, url, number):
        registration = {
            "name": f"客户端测试企业 {number}",
            "uscc": make_uscc(number),
            "contact": {"name": "测试员", "email": f"firm{number}@example.com"},
            "account": {"username": f"firm-{number}", "password": "quite a long password 3"},
        }
        self.id = Api(url).post("/api/v1/firms", registration)["firm"]["id"]
        self.person = log_in(url, f"firm-{number}", "quite a long password 3")

    def add_client(self, algorithm=None):
        """Registers a client with a new key for that algorithm, or with a secret."""
        key = Key(algorithm) if algorithm else None
        body = {"name": algorithm or "secret"}
        if key:
            body["public_jwk"] = key.public_jwk
        made = self.person.post("/api/v1/firms/me/clients", body)
        return Client(made["id"], key, made.get("secret"))

    def apply(self, fields, dataset=CONDITIONAL, expect=201):
        """Applies for a conditional dataset."""
        application = {
            "dataset": dataset,
            "purpose": "Tests of the whole way from the application to the data.",
            "purposes": ["evaluation"],
            "safeguards_met": ["encryption_at_rest", "encryption_in_transit", "access_log", "least_privilege", "isolated_environment", "named_officer"],
            "fields": fields,
            "modes": ["download", "api"],
            "term_days": 30,
            "safeguards": "The data stays in a temporary folder of the test.",
        }
        return self.person.post("/api/v1/applications", application, expect)

    def draw_agreement(self, reviewer, fields):
        """Applies and is approved; answers the agreement that is to be signed."""
        application = self.apply(fields)
        report = reviewer.post(f"/api/v1/applications/{application['id']}/reports", {}, 201)
        decision = {"approve": True, "reason": "The purpose is definite.", "report_sha256": report["sha256"]}
        return reviewer.post(f"/api/v1/applications/{application['id']}/decision", decision, 200)["agreement"]

    def obtain_grant(self, reviewer, client, fields):
        """Goes the whole way to a grant: application, approval, signature."""
        agreement = self.draw_agreement(reviewer, fields)
        signature = client.key.sign_detached(agreement["sha256"].encode())
        body = {"client_id": client.id, "signature": signature}
        return self.person.post(f"/api/v1/agreements/{agreement['id']}/signature", body, 200)["grant"]


def add_firm(operator, number):
    """Registers a firm and has it approved."""
    firm = Firm(operator.url, number)
    operator.post(f"/api/v1/admin/firms/{firm.id}/decision", {"approve": True, "reason": "Checked."}, 200)
    return firm


def make_uscc(number):
    """A 统一社会信用代码 with right check digits (GB 32100-2015, GB 11714-1997); no real firm has it."""
    organisation = f"{number:08}"
    weights = [3, 7, 9, 10, 5, 8, 4, 2]
    check = (11 - sum(int(digit) * weight for digit, weight in zip(organisation, weights)) % 11) % 11
    code = f"91310199{organisation}{'X' if check == 10 else check}"
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(character) * pow(3, place, 31) for place, character in enumerate(code))
    return code + alphabet[-total % 31]


def grant_detail(grant_id):
    """Authorization details (RFC 9396) that bind a token to a grant."""
    return json.dumps([{"type": "qingdan_grant", "grant": grant_id}])
