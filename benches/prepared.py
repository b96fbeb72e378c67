"""Data folders that are made once for a binary and copied for each bench, and the grants in them."""

import hashlib
import json
import os
import shutil
import stat

import requests
from cryptography.hazmat.primitives import serialization

import api
import oauth
from common import CACHE, TREE, Failure
from data import SHIPPED, incompressible, tpch, write_folder
from servers import Qingdan, require_released, run_command

BIG = "incompressible"
BIG_GRANTED = "incompressible-granted"
SMALL_GRANTED = api.CONDITIONAL
SMALL_FIELDS = ["sex", "subdistrict_code", "visit_date", "diagnosis_group", "cost_cny"]

# The order of a grant's release is a sort of the whole table.
SETTINGS = {"query_memory_bytes": 4 * 2**30}


def shipped(binary, folder):
    """A data folder with the shipped datasets."""
    run_command(binary, folder, "import", TREE / SHIPPED)


def with_lineitem(binary, scale, folder):
    """A copy of the data folder that has lineitem of that scale."""

    def make(making):
        csv = tpch(scale, ["lineitem"]) / "lineitem.csv"
        source = write_folder(making / "source", {"lineitem": ("lineitem", csv, "unconditional")})
        run_command(binary, making, "import", source)
        with Qingdan(binary, making) as service:
            require_released(service, "lineitem")

    _copy(_once(binary, f"lineitem-{scale:g}", make), folder)


def with_big_file(binary, size_bytes, folder):
    """A copy of the data folder that has a big open release and nothing else: no job runs beside what is measured."""

    def make(making):
        csv = incompressible(size_bytes)
        run_command(binary, making, "import", write_folder(making / "source", {BIG: ("incompressible", csv, "unconditional")}))
        with Qingdan(binary, making) as service:
            require_released(service, BIG)

    _copy(_once(binary, f"file-{size_bytes}", make), folder)


def with_big_files(binary, size_bytes, folder):
    """A copy of the data folder that has a big open release, and a big and a small one of a grant."""

    def make(making):
        shipped(binary, making)
        csv = incompressible(size_bytes)
        datasets = {BIG: ("incompressible", csv, "unconditional"), BIG_GRANTED: ("incompressible", csv, "conditional")}
        run_command(binary, making, "import", write_folder(making / "source", datasets))
        with Qingdan(binary, making, **SETTINGS) as service:
            require_released(service, BIG)
            _make_grants(service, making / "data" / "holder.json")

    _copy(_once(binary, f"files-{size_bytes}", make), folder)


def _make_grants(service, path):
    """Goes the whole way for one firm: registration, key, two applications, two signed agreements."""
    api.SECONDS = 900
    operator = api.log_in_operator(service.url)
    reviewer = api.add_reviewer(operator, "reviewer-of-benches")
    firm = api.add_firm(operator, 1)
    client = firm.add_client("EdDSA")
    grants = {}
    for slug, fields in [(BIG_GRANTED, ["id", "payload"]), (SMALL_GRANTED, SMALL_FIELDS)]:
        application = firm.apply(fields, slug)
        report = reviewer.post(f"/api/v1/applications/{application['id']}/reports", {}, 201)
        decision = {"approve": True, "reason": "For benches.", "report_sha256": report["sha256"]}
        agreement = reviewer.post(f"/api/v1/applications/{application['id']}/decision", decision, 200)["agreement"]
        body = {"client_id": client.id, "signature": client.key.sign_detached(agreement["sha256"].encode())}
        grants[slug] = firm.person.post(f"/api/v1/agreements/{agreement['id']}/signature", body, 200)["grant"]["id"]
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = client.key.private.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    path.touch(mode=0o600)
    path.write_text(json.dumps({"client": client.id, "private": private, "grants": grants}), encoding="ascii")


def token_header(service, slug):
    """Takes a token for the grant of that dataset. Answers the file with its header."""
    holder = json.loads((service.folder / "data" / "holder.json").read_text(encoding="ascii"))
    key = api.Key("EdDSA")
    key.private = serialization.load_pem_private_key(holder["private"].encode(), None)
    server = oauth.discover(service.url)
    assertion = key.sign(oauth.claims(holder["client"], server["issuer"]))
    answer = oauth.ask(server["token_endpoint"], assertion, authorization_details=api.grant_detail(holder["grants"][slug]))
    if answer.status_code != 200:
        raise Failure(f"no token for {slug}: {answer.text}")
    path = service.folder / f"{slug}.header"
    path.touch(mode=0o600)
    path.write_text(f"Authorization: Bearer {answer.json()['access_token']}\n", encoding="ascii")
    return path


def grant_id(service, slug):
    """The grant of that dataset."""
    return json.loads((service.folder / "data" / "holder.json").read_text(encoding="ascii"))["grants"][slug]


def operator_header(service):
    """The header of the operator."""
    return {"Authorization": api.log_in_operator(service.url).session.headers["Authorization"]}


def ledger_length(service, headers):
    """How many entries the ledger has."""
    answer = requests.get(f"{service.url}/api/v1/ledger/entries", params={"limit": 1}, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json()["total"]


def _once(binary, name, make):
    """The folder of that name for this binary; made by `make` when it is not there."""
    with open(binary, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    folder = CACHE / "prepared" / f"{name}-{digest}"
    if not folder.exists():
        print(f"preparing {name} …", flush=True)
        making = folder.with_name(folder.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _forget_older(name, making)
        make(making)
        shutil.rmtree(making / "source", ignore_errors=True)
        os.replace(making, folder)
    return folder


def _forget_older(name, keep):
    """Folders of binaries before this one would fill the disk."""
    for folder in keep.parent.glob(f"{name}-*"):
        if folder != keep:
            shutil.rmtree(folder)


def _copy(source, target):
    """Copies a data folder. Objects of the store never change, so that a second name is enough; the rest becomes files of their own."""

    def copy(old, new):
        if f"{os.sep}store{os.sep}" in old and stat.S_ISREG(os.lstat(old).st_mode):
            os.link(old, new)
        else:
            shutil.copy2(old, new)

    shutil.copytree(source / "data", target / "data", copy_function=copy, symlinks=True)
