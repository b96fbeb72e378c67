"""Downloads that break off and go on, and downloads in several parts at once."""

import hashlib
import subprocess

import pytest

import samples

FORMATS = ["csv", "parquet"]


@pytest.fixture(params=FORMATS)
def large(request, service, open_file):
    """A large download: its path, its address, and the file as a plain download gives it."""
    path = f"/api/v1/datasets/{samples.SLUG}/download"
    content = open_file(samples.SLUG, request.param)
    assert len(content) > 4 * 2**20, "four parts of a mebibyte at least"
    return path, f"{service.url}{path}?format={request.param}", content


def run(*command):
    """Runs a program, which must succeed, and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sha256(content):
    """A file's digest."""
    return hashlib.sha256(content).hexdigest()


def test_curl_resumes_in_the_middle(large, tmp_path):
    _, url, content = large
    file = tmp_path / "file"
    common = ["curl", "-q", "--silent", "--show-error", "--fail", "--output", file, "--write-out", "%{http_code}", url]
    half = len(content) // 2
    assert run(*common, "-r", f"0-{half}") == "206"
    assert file.stat().st_size == half + 1
    assert run(*common, "-C", "-") == "206"
    assert sha256(file.read_bytes()) == sha256(content)


def test_aria2_loads_parts_at_once(service, large, tmp_path):
    path, url, content = large
    before = count_parts(service, path)
    run("aria2c", "--no-conf", "-x4", "-s4", "-k1M", "--file-allocation=none", "--dir", tmp_path, "--out", "file", url)
    assert sha256((tmp_path / "file").read_bytes()) == sha256(content)
    # Otherwise it would be a plain download by another name.
    assert count_parts(service, path) - before >= 3


def count_parts(service, path):
    """How many answers with a part of that file are in the service's log."""
    return sum(line.get("http.path") == path and line.get("http.status") == 206 for line in service.log_lines())
