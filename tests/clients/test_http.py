"""Validators, digests and HEAD of downloads (RFC 9110, RFC 9530)."""

import base64
import hashlib
import re
import socket
import urllib.parse

import pytest

FORMATS = ["parquet", "csv", "ndjson", "json", "arrow", "xlsx"]


def exchange(service, method, path, **headers):
    """Sends a request on a bare connection. Returns the head and every byte after it, which a client library may hide."""
    place = urllib.parse.urlsplit(service.url)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {place.netloc}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("ascii").split("\r\n")
    parsed = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}
    return int(status.split()[1]), parsed, body


def path_of(slug, file_format):
    """The path of a download."""
    return f"/api/v1/datasets/{slug}/download?format={file_format}"


def sha256_digest(content):
    """A `Repr-Digest` of those bytes."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_digest_is_that_of_the_body(service, slug, file_format):
    # The first GET of a large export comes while the file is made, without a digest; HEAD waits for the file.
    exchange(service, "HEAD", path_of(slug, file_format))
    status, headers, body = exchange(service, "GET", path_of(slug, file_format))
    assert status == 200
    assert "content-encoding" not in headers
    assert headers["repr-digest"] == sha256_digest(body)
    assert int(headers["content-length"]) == len(body)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_an_encoded_file_has_its_own_validator_and_digest(service, slug, coding):
    path = path_of(slug, "csv")
    _, plain, _ = exchange(service, "HEAD", path)
    exchange(service, "HEAD", path, Accept_Encoding=coding)
    status, headers, body = exchange(service, "GET", path, Accept_Encoding=coding)
    assert (status, headers["vary"]) == (200, "Accept-Encoding")
    if int(plain["content-length"]) < 1024:
        assert ("content-encoding" not in headers, headers["etag"]) == (True, plain["etag"])
        return
    assert headers["content-encoding"] == coding
    assert headers["etag"] != plain["etag"]
    assert headers["repr-digest"] == sha256_digest(body)
    assert len(body) < int(plain["content-length"])


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_known_file_is_not_sent_again(service, slug, file_format):
    path = path_of(slug, file_format)
    _, first, _ = exchange(service, "HEAD", path)
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', first["etag"]), "a strong validator has no W/"
    status, headers, body = exchange(service, "GET", path, If_None_Match=first["etag"])
    assert (status, body, headers["etag"]) == (304, b"", first["etag"])
    status, _, _ = exchange(service, "HEAD", path, If_None_Match='"another"')
    assert status == 200


def test_each_format_has_its_own_validator(service, slug):
    tags = {exchange(service, "HEAD", path_of(slug, file_format))[1]["etag"] for file_format in FORMATS}
    assert len(tags) == len(FORMATS)


@pytest.mark.parametrize("file_format", FORMATS)
def test_head_has_the_length_and_no_body(service, open_file, slug, file_format):
    status, headers, body = exchange(service, "HEAD", path_of(slug, file_format))
    content = open_file(slug, file_format)
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) == len(content)
    assert headers["repr-digest"] == sha256_digest(content)


def test_a_part_of_another_file_is_never_sent(service, open_file):
    path = path_of("working-calendar", "csv")
    content = open_file("working-calendar", "csv")
    tag = exchange(service, "HEAD", path)[1]["etag"]
    status, headers, body = exchange(service, "GET", path, Range="bytes=100-199", If_Range=tag)
    assert (status, body) == (206, content[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(content)}"
    # The digest is of the whole file also here (RFC 9530, section 3).
    assert headers["repr-digest"] == sha256_digest(content)
    status, _, body = exchange(service, "GET", path, Range="bytes=100-199", If_Range='"another"')
    assert (status, body) == (200, content)


@pytest.fixture(scope="module")
def rows(service):
    """An answer with rows: its path, its headers and its body."""
    path = "/api/v1/datasets/working-calendar/rows"
    return path, *exchange(service, "GET", path)[1:]


def test_rows_have_a_digest(rows):
    _, headers, body = rows
    assert headers["repr-digest"] == sha256_digest(body)


# RFC 9110, section 13.1.2: the comparison is weak, and the field is a list or a star.
@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"another", {etag}', "*"])
def test_known_rows_are_not_sent_again(service, rows, known):
    path, headers, _ = rows
    status, again, body = exchange(service, "GET", path, If_None_Match=known.format(etag=headers["etag"]))
    assert (status, again["etag"]) == (304, headers["etag"])
    # On a kept connection these bytes would be taken for the next answer.
    assert body == b"", f"{len(body)} bytes follow a head that has no content"


def test_other_rows_are_sent(service, rows):
    path, _, body = rows
    assert exchange(service, "GET", path, If_None_Match='"another"')[::2] == (200, body)
