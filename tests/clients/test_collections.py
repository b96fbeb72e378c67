"""Collections: archives that other programs write are taken in, and other programs read what comes out."""

import hashlib
import io
import random
import subprocess
import tarfile
import urllib.parse
import zipfile

import duckdb
import pandas
import polars
import pyarrow.parquet
import pytest
import xlsxwriter
import zstandard

import api
from samples import PUBLISHERS, THEMES
from service import Service, binary

ENTRY = """\
title = { zh = "文件集测试", en = "Collection test" }
description = { zh = "由测试程序生成。", en = "Made by a test program." }
publisher = "client-tests"
theme = "client-tests"
open_type = "unconditional"
update_frequency = "never"
licence = "CC0-1.0"
source = "tests/clients/test_collections.py"
synthetic = true
kind = "collection"
"""

LABEL = """\
[[fields]]
name = "label"
title = { zh = "标签", en = "Label" }
sensitivity = "none"
"""

CHANCE = random.Random(7)

FILES = {
    "a.txt": "一\n二\n".encode(),
    "pictures/武康路 (1).png": b"\x89PNG\r\n\x1a\n" + CHANCE.randbytes(3000),
    "pictures/100%+&?#.bin": CHANCE.randbytes(200_000),
    f"{'deep/' * 30}{'long-name-' * 8}.bin": CHANCE.randbytes(511),
    "zeros.bin": bytes(5120),
    "empty.bin": b"",
}

LABELS = {path: f"label {number}" for number, path in enumerate(FILES)}


def zipped(files=FILES, method=zipfile.ZIP_DEFLATED, streamed=False):
    """A zip archive; `streamed` writes sizes behind the files, as programs do that write to a pipe."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError("a pipe has no place")

        def seek(self, *_):
            raise OSError("a pipe has no place")

    out = Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


def tarred(tar_format=tarfile.PAX_FORMAT, mode="w", files=FILES, folders=True):
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tar_format) as archive:
        if folders:
            folder = tarfile.TarInfo("pictures")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            info.mtime = 1_700_000_000.5
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def with_manifest(name, content):
    """A zip archive with a manifest."""
    return zipped({**FILES, name: content})


def frame():
    """The manifest of a publisher who knows paths and labels."""
    return pandas.DataFrame({"path": list(LABELS), "label": list(LABELS.values())})


def workbook():
    """The same as a workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([("path", "label"), *LABELS.items()]):
            sheet.write_row(row, 0, cells)
    return out.getvalue()


PLAIN = {
    "zip": lambda: zipped(),
    "zip-stored": lambda: zipped(method=zipfile.ZIP_STORED),
    "zip-streamed": lambda: zipped(streamed=True),
    "tar-pax": lambda: tarred(),
    "tar-gnu": lambda: tarred(tarfile.GNU_FORMAT, folders=False),
    "tar-ustar": lambda: tarred(tarfile.USTAR_FORMAT),
    "tar-gz": lambda: tarred(mode="w:gz"),
    "tar-zst": lambda: zstandard.compress(tarred()),
}

LABELLED = {
    "csv": lambda: with_manifest("manifest.csv", frame().to_csv(index=False).encode()),
    "csv-gb18030": lambda: with_manifest("manifest.csv", frame().to_csv(index=False).encode("gb18030")),
    "tsv": lambda: with_manifest("manifest.tsv", frame().to_csv(index=False, sep="\t").encode("utf-8-sig")),
    "json": lambda: with_manifest("manifest.json", frame().to_json(orient="records", force_ascii=True).encode()),
    "ndjson": lambda: with_manifest("manifest.ndjson", frame().to_json(orient="records", lines=True).encode()),
    "parquet": lambda: with_manifest("manifest.parquet", frame().to_parquet()),
    "xlsx": lambda: with_manifest("manifest.xlsx", workbook()),
}


@pytest.fixture(scope="module")
def own_service(tmp_path_factory):
    """A service with one collection for each way of packing, and for each kind of manifest."""
    folder = tmp_path_factory.mktemp("datasets")
    (folder / "publishers.toml").write_text(PUBLISHERS)
    (folder / "themes.toml").write_text(THEMES)
    for cases, fields in [(PLAIN, ""), (LABELLED, LABEL)]:
        for name, content in cases.items():
            dataset = folder / f"c-{name}"
            dataset.mkdir()
            (dataset / "files").write_bytes(content())
            (dataset / "dataset.toml").write_text(f'{ENTRY}data = "files"\n{fields}')
    running = Service(binary(), tmp_path_factory.mktemp("collections"))
    running.run("import", folder)
    running.start()
    yield running
    running.stop()


def address(service, slug, path):
    """Where a file is."""
    return f"{service.url}/api/v1/datasets/{slug}/files/{urllib.parse.quote(path)}"


def expected(labelled):
    """The manifest as Python works it out."""
    rows = {}
    for path, content in FILES.items():
        rows[path] = (len(content), hashlib.sha256(content).hexdigest()) + ((LABELS[path],) if labelled else ())
    return rows


@pytest.mark.parametrize("name", [*PLAIN, *LABELLED])
def test_the_manifest_is_what_python_works_out(own_service, name):
    anyone, labelled = api.Api(own_service.url), name in LABELLED
    content = anyone.download(f"c-{name}").content
    columns = ["path", "size_bytes", "sha256"] + (["label"] if labelled else [])
    table = pyarrow.parquet.read_table(io.BytesIO(content), columns=columns).to_pylist()
    assert {row["path"]: tuple(row[column] for column in columns[1:]) for row in table} == expected(labelled)
    assert [row["path"] for row in table] == sorted(FILES, key=str.encode)
    first = next(iter(LABELLED if labelled else PLAIN))
    assert content == anyone.download(f"c-{first}").content, "the same files, and the same manifest"


def test_every_file_comes_as_it_went(own_service):
    anyone = api.Api(own_service.url)
    for name in [*PLAIN, *LABELLED]:
        for path, content in FILES.items():
            answer = anyone.session.get(address(own_service, f"c-{name}", path), timeout=api.SECONDS)
            assert (answer.status_code, answer.content) == (200, content), (name, path)
            assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'


def test_tar_programs_read_the_archive(own_service, tmp_path):
    url = f"{own_service.url}/api/v1/datasets/c-zip/archive"
    file = tmp_path / "all.tar"
    fetch = ["curl", "-q", "--silent", "--show-error", "--fail", "--output", file, "--write-out", "%{http_code}", url]
    assert subprocess.run([*fetch, "-r", "0-99999"], capture_output=True, text=True, timeout=60, check=True).stdout == "206"
    assert subprocess.run([*fetch, "-C", "-"], capture_output=True, text=True, timeout=60, check=True).stdout == "206"
    with tarfile.open(file) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}
    assert found == FILES
    subprocess.run(["tar", "-C", tmp_path, "-xf", file], check=True, timeout=60)
    assert all((tmp_path / path).read_bytes() == content for path, content in FILES.items())


def test_tables_are_read_where_files_are(own_service):
    """The manifest by polars and DuckDB over HTTP, and a file that it names."""
    url = f"{own_service.url}/api/v1/datasets/c-parquet/download"
    largest = polars.read_parquet(url).sort("size_bytes").row(-1, named=True)
    assert hashlib.sha256(FILES[largest["path"]]).hexdigest() == largest["sha256"]
    connection = duckdb.connect()
    table = pyarrow.parquet.read_table(io.BytesIO(api.Api(own_service.url).download("c-parquet", format="parquet").content))
    connection.register("files", table)
    total = connection.execute("select sum(size_bytes), count(*) from files").fetchone()
    assert total == (sum(map(len, FILES.values())), len(FILES))
