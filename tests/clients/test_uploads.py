"""Uploads by tuspy, a client of the tus protocol that knows nothing of us, and publication of what was uploaded."""

import base64
import hashlib
import io
import json

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

import api
import tables
from service import Service, binary

SLUG = "xuhui-subdistricts"


@pytest.fixture(scope="module")
def own_service(tmp_path_factory):
    """A service of its own: what is published here is no source of the other tests."""
    running = Service(binary(), tmp_path_factory.mktemp("uploads"))
    running.run("import", tables.DATASETS)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def steward(own_service):
    """A steward of the dataset's publisher."""
    return api.add_steward(api.log_in_operator(own_service.url), "steward-of-tests", "xuhui-civil-affairs")


def client(steward):
    return TusClient(f"{steward.url}/api/v1/admin/uploads", headers={"Authorization": steward.session.headers["Authorization"]})


def follow(steward, job):
    """The job as its last server-sent event tells it."""
    answer = steward.get(f"/api/v1/admin/jobs/{job['id']}/events", stream=True)
    last = None
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith("data: "):
            last = json.loads(line[6:])
    return last


def test_a_file_goes_up_in_pieces_and_becomes_a_version(steward):
    slug, anyone = SLUG, api.Api(steward.url)
    source = anyone.download(slug, format="csv").content
    before = anyone.get(f"/api/v1/datasets/{slug}").json()["version"]
    header, *rows = source.decode().splitlines(keepends=True)
    turned = (header + "".join(reversed(rows))).encode()
    uploader = client(steward).uploader(file_stream=io.BytesIO(turned), chunk_size=100, metadata={"filename": "turned.csv"})
    uploader.upload_chunk()
    assert 0 < uploader.offset < len(turned)
    # Another process knows the address alone, asks how far it is, and goes on.
    resumed = client(steward).uploader(file_stream=io.BytesIO(turned), url=uploader.url, chunk_size=1 << 20)
    assert resumed.offset == uploader.offset
    resumed.upload()
    upload = resumed.url.rsplit("/", 1)[1]
    job = steward.post(f"/api/v1/admin/datasets/{slug}/versions", {"upload": upload}, expect=202)
    ended = follow(steward, job)
    assert ended["state"] == "done", ended
    assert ended["result"]["version"] == before + 1
    assert anyone.download(slug, format="csv", version=before + 1).content == turned
    assert anyone.download(slug, format="csv", version=before).content == source


def test_pieces_are_checked(steward):
    body = b"code,n\n" + b"x,1\n" * 1000
    uploader = client(steward).uploader(file_stream=io.BytesIO(body), chunk_size=999, upload_checksum=True)
    uploader.upload()
    digest = hashlib.sha1(b"something else").digest()
    other = client(steward).uploader(file_stream=io.BytesIO(body), chunk_size=999)
    other.set_url(other.create_url())
    answer = steward.session.patch(
        other.url,
        data=body[:999],
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Checksum": "sha1 " + base64.b64encode(digest).decode(),
        },
        timeout=60,
    )
    assert answer.status_code == 460
    assert other.get_offset() == 0
    for url in [uploader.url, other.url]:
        assert steward.session.delete(url, headers={"Tus-Resumable": "1.0.0"}, timeout=60).status_code == 204


def test_a_stranger_uploads_nothing(own_service):
    uploader = TusClient(f"{own_service.url}/api/v1/admin/uploads").uploader(file_stream=io.BytesIO(b"x"), chunk_size=10)
    with pytest.raises(TusCommunicationError):
        uploader.upload()
