"""A generated dataset of some 20 MB: large enough for downloads in parts, with every type and with awkward values."""

import csv
import datetime
import random

SLUG = "client-samples"

# More than one row group of the service's Parquet files.
ROWS = 270_000

FIELDS = {
    "code": "string",
    "serial": "integer",
    "amount": "decimal",
    "ratio": "number",
    "active": "boolean",
    "day": "date",
    "moment": "datetime",
    "note": "string",
}

# What readers and writers of CSV and JSON get wrong most easily.
AWKWARD_NOTES = [
    "",
    "007",
    "310104003001",
    "1e5",
    "NULL",
    "NaN",
    "true",
    " spaces on both sides ",
    'he said "yes"',
    "one, two",
    "two\nlines",
    "two\r\nlines",
    "tab\tinside",
    "back\\slash",
    "徐汇区",
    "𠮷 beyond the basic plane 🙂",
    "e\u0301 in two code points",
    "=1+1",
    "#comment",
    "'single'",
]

# The ends of 64 bits, and the first whole number that a double cannot hold.
AWKWARD_SERIALS = [-(2**63), 2**63 - 1, 2**53 + 1, -(2**53) - 1, 0, -1]

PUBLISHERS = """\
[client-tests]
name = { zh = "客户端测试", en = "Client tests" }
"""

THEMES = """\
[client-tests]
name = { zh = "客户端测试", en = "Client tests" }
"""

ENTRY = """\
title = { zh = "客户端测试样本", en = "Samples for client tests" }
description = { zh = "由测试程序生成。", en = "Made by a test program." }
publisher = "client-tests"
theme = "client-tests"
open_type = "unconditional"
update_frequency = "never"
licence = "CC0-1.0"
source = "tests/clients/samples.py"
synthetic = true
data = "samples.csv"
"""


def write_folder(folder):
    """Writes publishers, themes and the dataset into `folder`, as `qingdan import` reads it. Returns the dataset's folder."""
    dataset = folder / SLUG
    dataset.mkdir(parents=True)
    (folder / "publishers.toml").write_text(PUBLISHERS, encoding="utf-8")
    (folder / "themes.toml").write_text(THEMES, encoding="utf-8")
    (dataset / "dataset.toml").write_text(ENTRY + "".join(map(_field, FIELDS)), encoding="utf-8")
    with open(dataset / "samples.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows(_rows())
    return dataset


def _field(name):
    scale = "scale = 2\n" if FIELDS[name] == "decimal" else ""
    title = f'title = {{ zh = "{name}", en = "{name}" }}'
    return f'\n[[fields]]\nname = "{name}"\ntype = "{FIELDS[name]}"\n{scale}{title}\nsensitivity = "none"\n'


def _rows():
    # Seeded, so that a failure comes again.
    rng = random.Random(20_260_101)
    for number in range(ROWS):
        row = _row(rng, number)
        # A missing value in every column but the first.
        if rng.random() < 0.05:
            row[rng.randrange(1, len(row))] = ""
        yield row


def _row(rng, number):
    moment = datetime.datetime(1999, 12, 31) + datetime.timedelta(seconds=rng.randrange(10**9))
    awkward = number < len(AWKWARD_NOTES) * 2
    return [
        f"{number:012}",
        AWKWARD_SERIALS[number % len(AWKWARD_SERIALS)] if awkward else rng.randrange(-(10**9), 10**9),
        f"{rng.randrange(-(10**7), 10**7) / 100:.2f}",
        # Eighths, whose text is the same in every language; whole ones are left out, as 3 may also be written 3.0.
        (2 * rng.randrange(-4000, 4000) + 1) / 8,
        rng.choice(["true", "false"]),
        moment.date().isoformat(),
        moment.isoformat(),
        # Otherwise text that does not compress well, so that the Parquet file is large too.
        AWKWARD_NOTES[number % len(AWKWARD_NOTES)] if awkward else rng.randbytes(8).hex(),
    ]
