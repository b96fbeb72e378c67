"""Pages and files against nginx, and memory while files stream."""

import os

import requests

import prepared
from clients import download, save, wrk
from measure import Row, alternate, at_least, at_most
from servers import Memory, Qingdan, nginx, resident

CONNECTIONS = 32
CLIENTS = 16


def pages(run):
    """Requests a second for the list and for a dataset's page, against nginx with the same bytes in files."""
    prepared.shipped(run.binary, run.folder)
    root = run.folder / "files"
    root.mkdir()
    rows = []
    with Qingdan(run.binary, run.folder) as service, nginx(root, run.folder / "nginx") as peer:
        for what, path, file in [
            ("list, JSON", "/api/v1/datasets?limit=20", "list.json"),
            ("page of a dataset, HTML", "/datasets/xuhui-subdistricts", "page.html"),
        ]:
            answer = requests.get(service.url + path, timeout=60)
            answer.raise_for_status()
            (root / file).write_bytes(answer.content)
            measured = alternate(
                run.rounds,
                ours=lambda path=path: wrk(service.url + path, run.seconds, CONNECTIONS).per_second,
                nginx=lambda file=file: wrk(f"{peer}/{file}", run.seconds, CONNECTIONS).per_second,
            )
            subject = f"{what}, {len(answer.content):,} bytes, {CONNECTIONS} connections"
            rows.append(Row("pages", subject, "requests/s", measured["ours"], at_least(0.8), "nginx", measured["nginx"]))
    return rows


def downloads(run):
    """Bytes a second of a big file, open and for a grant, against nginx with sendfile."""
    prepared.with_big_files(run.binary, run.big_bytes, run.folder)
    root = run.folder / "files"
    root.mkdir()
    rows = []
    with Qingdan(run.binary, run.folder) as service, nginx(root, run.folder / "nginx") as peer:
        public = f"{service.url}/api/v1/datasets/{prepared.BIG}/download"
        granted = f"{service.url}/api/v1/datasets/{prepared.BIG_GRANTED}/download"
        save(public, root / "big.parquet")
        size = os.path.getsize(root / "big.parquet")
        for clients in [1, CLIENTS]:
            # A token lasts for 15 minutes.
            header = prepared.token_header(service, prepared.BIG_GRANTED)
            measured = alternate(
                run.rounds,
                nginx=lambda clients=clients: _speed(f"{peer}/big.parquet", clients),
                ours=lambda clients=clients: _speed(public, clients),
                granted=lambda clients=clients, header=header: _speed(granted, clients, header),
            )
            who = f"{size / 1e9:.2f} GB to {clients} client{'s' if clients > 1 else ''}"
            rows.append(Row("downloads", f"open release, {who}", "MB/s", measured["ours"], at_least(0.9), "nginx", measured["nginx"]))
            what = f"release of a grant (token, limits, ledger), {who}"
            rows.append(Row("downloads", what, "MB/s", measured["granted"], at_least(0.85), "nginx", measured["nginx"]))
    return rows


def _speed(url, clients, header_file=None):
    size, seconds = download(url, clients, header_file)
    return size / seconds / 1e6


def memory(run):
    """Resident memory over idle while a big file goes to 16 clients at once."""
    prepared.with_big_file(run.binary, run.stream_bytes, run.folder)
    grown = {kind: [] for kind in Memory.KINDS}
    size = 0
    for _ in range(run.memory_rounds):
        with Qingdan(run.binary, run.folder) as service:
            requests.get(f"{service.url}/api/v1/datasets", timeout=60).raise_for_status()
            idle = resident(service.pid)
            with Memory(service.pid) as sampled:
                taken, _ = download(f"{service.url}/api/v1/datasets/{prepared.BIG}/download", CLIENTS)
            size = taken / CLIENTS
            for kind in Memory.KINDS:
                grown[kind].append(sampled.peaks[kind] - idle[kind])
    what = f"over idle, {size / 1e9:.2f} GB to {CLIENTS} clients"
    return [
        Row("memory", f"resident (VmRSS) {what}", "MiB", grown["VmRSS"], at_most(256)),
        Row("memory", f"of it anonymous (RssAnon) {what}", "MiB", grown["RssAnon"], None),
        Row("memory", f"of it pages of files (RssFile) {what}", "MiB", grown["RssFile"], None),
    ]
