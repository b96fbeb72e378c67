"""What a check of a token, an entry of the ledger and a start cost."""

import os
import time

import prepared
import requests
from clients import wrk, wrk_beside
from common import Failure
from crowd import add_datasets
from ending import Switch, asking, downloading, paging
from measure import Row, alternate, at_least, at_most
from servers import Qingdan, run_command

SYNCS = 200


def token(run):
    """Microseconds that a token adds to a request: the same open page, one request at a time, with a firm's token and without one."""
    prepared.with_big_files(run.binary, run.small_bytes, run.folder)
    with Qingdan(run.binary, run.folder) as service:
        header = prepared.token_header(service, prepared.SMALL_GRANTED)
        url = f"{service.url}/api/v1/publishers"
        measured = alternate(
            run.rounds,
            anonymous=lambda: wrk(url, run.short_seconds, 1).median_us,
            token=lambda: wrk(url, run.short_seconds, 1, header, run.folder).median_us,
        )
    added = [with_token - without for with_token, without in zip(measured["token"], measured["anonymous"], strict=True)]
    what = "median of the request with a token; peer: without one"
    return [
        Row("token", "added to the median of a request by token and firm's limit", "µs", added, at_most(20)),
        Row("token", what, "µs", measured["token"], None, "anonymous", measured["anonymous"]),
    ]


def ledger(run):
    """Sensitive reads a second, each with an entry of the ledger on disk before its first byte."""
    prepared.with_big_files(run.binary, run.small_bytes, run.folder)
    rows = []
    with Qingdan(run.binary, run.folder) as service:
        header = prepared.token_header(service, prepared.SMALL_GRANTED)
        staff = prepared.operator_header(service)
        base = f"{service.url}/api/v1/datasets/{prepared.SMALL_GRANTED}"
        first_byte = ("first byte of a grant's file", f"{base}/download", [("Range", "bytes=0-0")])
        one_row = ("one row of a grant's release", f"{base}/rows?limit=1", [])
        for (what, url, headers), connections in [(first_byte, 32), (first_byte, 128), (one_row, 128)]:

            def reads(url=url, headers=headers, connections=connections):
                before = prepared.ledger_length(service, staff)
                load = wrk(url, run.short_seconds, connections, header, run.folder, headers)
                written = prepared.ledger_length(service, staff) - before
                if written < load.requests:
                    raise Failure(f"{load.requests} reads were answered, and {written} entries written")
                return load.per_second

            measured = alternate(run.rounds, ours=reads)
            rows.append(Row("ledger", f"{what}, {connections} connections", "reads/s", measured["ours"], at_least(5000)))
    # Blocks that the file already has, as in a write-ahead log that is used again.
    _syncs(run.folder / "synced")
    syncs = [_syncs(run.folder / "synced") for _ in range(run.rounds)]
    rows.append(Row("ledger", "what the disk does: one block written and synced after the other", "syncs/s", syncs, None))
    run_command(run.binary, run.folder, "ledger", "verify")
    return rows


def _syncs(path):
    """How often a second this disk takes a block for good, which bounds the entries that are written one by one."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        began = time.perf_counter()
        for at in range(SYNCS):
            os.pwrite(descriptor, bytes(4096), at * 4096)
            os.fdatasync(descriptor)
        return SYNCS / (time.perf_counter() - began)
    finally:
        os.close(descriptor)


def revocation(run):
    """Milliseconds from the order to suspend a grant until nothing more is answered, while others read what is open."""
    prepared.with_big_files(run.binary, run.big_bytes, run.folder)
    rows = []
    with Qingdan(run.binary, run.folder, **prepared.SETTINGS) as service:
        header = prepared.token_header(service, prepared.BIG_GRANTED)
        staff = prepared.operator_header(service)
        base = f"{service.url}/api/v1/datasets/{prepared.BIG_GRANTED}"
        token = dict([header.read_text(encoding="ascii").strip().split(": ", 1)])
        # Made before it is measured.
        requests.get(f"{base}/download", headers={**token, "Range": "bytes=0-0"}, timeout=900).raise_for_status()
        switch = Switch(service.url, prepared.grant_id(service, prepared.BIG_GRANTED), staff)
        wish = {"format": "parquet", "expires_in": 3600}
        signed = requests.post(f"{base}/signed-urls", json=wish, headers=token, timeout=60)
        signed.raise_for_status()
        signed = signed.json()["url"]
        ways = [
            ("token: the first byte of a file, again and again", lambda stop: asking(f"{base}/download", {**token, "Range": "bytes=0-0"}, stop)),
            ("signed URL: the first byte of a file, again and again", lambda stop: asking(signed, {"Range": "bytes=0-0"}, stop)),
            ("cursor: page after page of rows", lambda stop: paging(f"{base}/rows?limit=10", token, stop)),
            ("running download of a file", lambda stop: downloading(f"{base}/download", token, stop)),
            ("running download by a signed URL", lambda stop: downloading(signed, {}, stop)),
        ]
        with wrk_beside(f"{service.url}/api/v1/datasets"):
            for what, reading in ways:
                taken = sorted(switch.measure(reading) for _ in range(run.revocations))
                p99 = taken[-(len(taken) // 100) - 1]
                rows.append(Row("revocation", f"{what}: median of {len(taken)}", "ms", taken, None))
                rows.append(Row("revocation", f"{what}: p99 of {len(taken)}", "ms", [p99], at_most(1000)))
    return rows


def start(run):
    """Seconds from the start of the process until it answers that it is ready, with 100,000 datasets."""
    prepared.shipped(run.binary, run.folder)
    with Qingdan(run.binary, run.folder):
        # The first start makes keys; the one that is measured is not the first.
        pass
    add_datasets(run.folder / "data" / "qingdan.sqlite", "xuhui-subdistricts", run.crowd)
    run_command(run.binary, run.folder, "ledger", "verify")

    def seconds():
        with Qingdan(run.binary, run.folder) as service:
            return service.start_seconds

    measured = alternate(run.rounds, ours=seconds)
    return [Row("start", f"until ready with {run.crowd:,} datasets", "s", measured["ours"], at_most(1))]
