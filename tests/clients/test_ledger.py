"""The ledger as a transparency log: checkpoints and proofs, checked by a verifier that shares nothing with the service."""

import base64
import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import api

# The verifier: two rules of RFC 9162 (2.1.3.2 and 2.1.4.2) and the signed note of C2SP.


def digest(data):
    """SHA-256."""
    return hashlib.sha256(data).digest()


def node(left, right):
    """The hash above two others."""
    return digest(b"\x01" + left + right)


def root_of_inclusion(leaf, index, size, path):
    """The root that an audit path leads to."""
    last, root = size - 1, leaf
    for beside in path:
        if index & 1 or index == last:
            root = node(beside, root)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            root = node(root, beside)
        index, last = index >> 1, last >> 1
    assert last == 0
    return root


def roots_of_consistency(old, size, old_root, path):
    """The two roots that a consistency proof leads to."""
    path = list(path)
    first = old_root if old & (old - 1) == 0 else path.pop(0)
    at, last, of_old, of_new = old - 1, size - 1, first, first
    while at & 1:
        at, last = at >> 1, last >> 1
    for beside in path:
        if at & 1 or at == last:
            of_old, of_new = node(beside, of_old), node(beside, of_new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            of_new = node(of_new, beside)
        at, last = at >> 1, last >> 1
    assert last == 0
    return of_old, of_new


def open_note(note, verifier):
    """What a checkpoint says: its name, its size and its root."""
    name, key_id, key = verifier.split("+", 2)
    key = base64.b64decode(key)
    assert digest(name.encode() + b"\n" + key)[:4].hex() == key_id
    text, signatures = note.split("\n\n")
    signed = base64.b64decode(signatures.removeprefix(f"— {name} ").rstrip("\n"))
    assert signed[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    return origin, int(size), base64.b64decode(root)


def entry_hash(entry):
    """The hash of an entry, from what it says."""
    parts = [entry[name] for name in ["seq", "moment", "kind", "actor", "subject", "detail_json", "previous_hash"]]
    return digest(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode())


# What it is used for.


@pytest.fixture(scope="module")
def verifier(anyone):
    """The ledger's key, as somebody would keep it."""
    return anyone.get("/api/v1/ledger/key").json()["verifier"]


def checkpoint(anyone, verifier):
    """A checkpoint that was verified."""
    return open_note(anyone.get("/api/v1/ledger/checkpoint").text, verifier)


def proof(anyone, **wanted):
    """A proof, with its hashes as bytes."""
    answer = anyone.get("/api/v1/ledger/proof", params=wanted).json()
    return answer, [bytes.fromhex(text) for text in answer["hashes"]]


def test_every_entry_is_in_the_tree_of_the_checkpoint(anyone, operator, verifier):
    _, size, root = checkpoint(anyone, verifier)
    entries = [entry for entry in operator.items("/api/v1/ledger/entries", limit=1000) if entry["seq"] <= size]
    assert len(entries) == size
    for entry in entries:
        assert entry_hash(entry).hex() == entry["hash"]
        answer, path = proof(anyone, entry=entry["seq"], size=size)
        leaf = digest(b"\x00" + entry_hash(entry))
        assert (answer["leaf_index"], answer["leaf_hash"]) == (entry["seq"] - 1, leaf.hex())
        assert root_of_inclusion(leaf, entry["seq"] - 1, size, path) == root
    other = digest(b"\x00" + digest(b"another entry"))
    assert root_of_inclusion(other, entries[-1]["seq"] - 1, size, path) != root


def test_a_later_checkpoint_continues_every_earlier_one(anyone, operator, verifier):
    origin, old, old_root = checkpoint(anyone, verifier)
    for number in range(40):
        api.add_person(operator, {"username": f"grows-{number}", "display_name": "Auditor", "roles": ["auditor"]})
    _, newest, _ = proof_of_all(anyone)
    for size in [old + 1, old + 7, old + 64, newest]:
        for earlier in range(1, old + 1, 5):
            answer, path = proof(anyone, old=earlier, size=size)
            before = bytes.fromhex(answer["old_root"])
            assert roots_of_consistency(earlier, size, before, path) == (before, bytes.fromhex(answer["root"]))
    answer, path = proof(anyone, old=old, size=newest)
    assert bytes.fromhex(answer["old_root"]) == old_root, "the root that was signed"
    forged = digest(b"another history")
    assert roots_of_consistency(old, newest, forged, path) != (forged, bytes.fromhex(answer["root"]))
    assert origin.endswith("/ledger")


def proof_of_all(anyone):
    """The size of the whole tree, by a proof of its first entry."""
    answer, path = proof(anyone, entry=1)
    return answer, answer["size"], path


def test_a_checkpoint_with_one_other_byte_is_found_out(anyone, verifier):
    note = anyone.get("/api/v1/ledger/checkpoint").text
    name, size, _ = open_note(note, verifier)
    with pytest.raises(InvalidSignature):
        open_note(note.replace(f"{name}\n{size}\n", f"{name}\n{size + 1}\n"), verifier)


def test_the_service_proves_it_to_itself_from_a_kept_checkpoint(service, anyone, operator, verifier, tmp_path):
    kept = tmp_path / "checkpoint"
    kept.write_text(anyone.get("/api/v1/ledger/checkpoint").text)
    api.add_person(operator, {"username": "after-the-checkpoint", "display_name": "Auditor", "roles": ["auditor"]})
    said = service.run("ledger", "verify", "--from-checkpoint", kept, "--key", verifier)
    assert "the ledger holds" in said and "it continues the checkpoint" in said
    lines = kept.read_text().split("\n")
    lines[1] = str(int(lines[1]) - 1)
    kept.write_text("\n".join(lines))
    done = service.attempt("ledger", "verify", "--from-checkpoint", kept, "--key", verifier)
    assert done.returncode != 0 and "its signature does not hold" in done.stderr


def test_words_open_their_commitment_until_they_are_taken_out(operator, anyone, verifier):
    person = operator.post("/api/v1/admin/people", {"username": "leaves", "display_name": "Auditor", "roles": ["auditor"]})["person"]
    reason = "张某某 has left us"
    operator.call("POST", f"/api/v1/admin/people/{person['id']}/revocation", json={"reason": reason})
    entry = [entry for entry in operator.items("/api/v1/ledger/entries") if entry["kind"] == "person.revoked"][-1]
    [words] = entry["words"]
    committed = json.loads(entry["detail_json"])["reason_commitment"]
    assert words["words"] == reason and reason not in entry["detail_json"]
    assert digest(bytes.fromhex(words["salt"]) + reason.encode()).hex() == committed
    path = f"/api/v1/ledger/entries/{entry['seq']}/redaction"
    operator.call("POST", path, json={"reason": "a name that must not be kept"})
    operator.call("POST", path, 409, json={"reason": "a name that must not be kept"})
    [after] = [other for other in operator.items("/api/v1/ledger/entries") if other["seq"] == entry["seq"]]
    assert after["words"] == [] and {**after, "words": None} == {**entry, "words": None}
    _, size, root = checkpoint(anyone, verifier)
    if size >= entry["seq"]:
        _, hashes = proof(anyone, entry=entry["seq"], size=size)
        assert root_of_inclusion(digest(b"\x00" + entry_hash(after)), entry["seq"] - 1, size, hashes) == root
