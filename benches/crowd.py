"""Fills a database with many datasets, as many imports would: each with its version, its public release and its ledger entry."""

import contextlib
import hashlib
import json
import sqlite3
import uuid


def add_datasets(database, slug, count):
    """Adds copies of a dataset that share its data file. The service must not run."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        dataset = _rows(connection, "datasets", "slug = ?", slug)[0]
        [version] = _rows(connection, "versions", "dataset_id = ?", dataset["id"])
        [release] = _rows(connection, "releases", "version_id = ?", version["id"])
        parts = [part for owner in (version, release) for part in _rows(connection, "parts", "owner_id = ?", owner["id"])]
        copies = {"datasets": [], "versions": [], "releases": [], "parts": []}
        for number in range(count):
            ids = {row["id"]: str(uuid.uuid4()) for row in (dataset, version, release)}
            copies["datasets"].append({**_with_ids(dataset, ids), "slug": f"{slug}-{number}"})
            copies["versions"].append(_with_ids(version, ids))
            copies["releases"].append(_with_ids(release, ids))
            copies["parts"] += [_with_ids(part, ids) for part in parts]
        for table, rows in copies.items():
            _insert(connection, table, rows)
        _extend_ledger(connection, copies["datasets"])


def _rows(connection, table, condition, value):
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {condition}", [value])]


def _with_ids(row, ids):
    return {name: ids.get(value, value) for name, value in row.items()}


def _insert(connection, table, rows):
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" for _ in names)
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [list(row.values()) for row in rows])


def _extend_ledger(connection, datasets):
    """The chain of docs/access.md goes on, so that `qingdan ledger verify` finds it whole."""
    last = dict(connection.execute("SELECT * FROM ledger ORDER BY seq DESC LIMIT 1").fetchone())
    entries = []
    for dataset in datasets:
        entry = {
            "seq": last["seq"] + 1,
            "moment": last["moment"],
            "kind": "dataset.created",
            "actor": "service",
            "subject": f"dataset:{dataset['slug']}",
            "detail_json": "{}",
            "previous_hash": last["hash"],
        }
        chained = json.dumps(list(entry.values()), ensure_ascii=False, separators=(",", ":"))
        last = {**entry, "hash": hashlib.sha256(chained.encode()).hexdigest()}
        entries.append(last)
    _insert(connection, "ledger", entries)
