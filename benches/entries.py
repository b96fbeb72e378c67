"""Makes entries of an open list: bilingual, from the field's own words (words.toml), the same for the same seed. None of them has data."""

import csv
import math
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path

WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
YEARS = range(2001, 2026)
DISTRICTS = {row[0]: row for row in WORDS["places"]["names"] if len(row[1]) == 6}

# Of a hundred entries so many of each.
FREQUENCIES = ["yearly"] * 40 + ["monthly"] * 20 + ["quarterly"] * 15 + ["irregular"] * 10 + ["daily"] * 7 + ["weekly"] * 5 + ["realtime"] * 3
OPEN_TYPES = ["unconditional"] * 75 + ["conditional"] * 20 + ["closed"] * 5
LICENCES = ["CC-BY-4.0"] * 70 + ["CC0-1.0"] * 25 + ["ODC-By-1.0"] * 5
HIGH_VALUE_SHARE = 0.05


@dataclass(frozen=True)
class Made:
    """An entry and what it was made of."""

    slug: str
    theme: str
    subject: tuple
    kind: dict
    place: tuple
    year: int


def combinations():
    """How many different entries there can be."""
    return len(_SUBJECTS) * len(WORDS["kinds"]) * len(WORDS["places"]["names"]) * len(YEARS)


_SUBJECTS = [(theme, tuple(subject)) for theme, subjects in WORDS["subjects"].items() for subject in subjects]


def made(count, seed=1):
    """So many different entries, in an order without an order: the n-th is the same whatever the count."""
    total = combinations()
    if count > total:
        raise ValueError(f"there are only {total:,} different entries")
    chosen = random.Random(seed)
    step = next(step for step in iter(lambda: chosen.randrange(total // 3, total), None) if math.gcd(step, total) == 1)
    at = chosen.randrange(total)
    for _ in range(count):
        yield _entry(at)
        at = (at + step) % total


def _entry(number):
    number, year = divmod(number, len(YEARS))
    number, place = divmod(number, len(WORDS["places"]["names"]))
    subject, kind = divmod(number, len(WORDS["kinds"]))
    theme, subject = _SUBJECTS[subject]
    kind, place, year = WORDS["kinds"][kind], tuple(WORDS["places"]["names"][place]), YEARS[year]
    return Made(f"{subject[0]}-{kind['slug']}-{place[0]}-{year}", theme, subject, kind, place, year)


def publisher(one):
    """The body that keeps an entry."""
    return f"{one.place[4]}-{WORDS['bureaus'][one.theme][0]}"


def title(one):
    """An entry's title in Chinese, which no other has."""
    return f"{one.place[2]}{one.year}年{one.subject[1]}{one.kind['zh']}"


def write_vocabulary(folder, shipped):
    """The shipped themes and classes, and the publishers of all districts beside the shipped ones, for `qingdan import`."""
    folder.mkdir()
    for name in ("themes.toml", "subjects.toml"):
        (folder / name).write_bytes((shipped / name).read_bytes())
    lines = [(shipped / "publishers.toml").read_text(encoding="utf-8")]
    for slug, _, zh, en, _ in DISTRICTS.values():
        for bureau, bureau_zh, bureau_en in WORDS["bureaus"].values():
            lines.append(f'[{slug}-{bureau}]\nname = {{ zh = "上海市{zh}{bureau_zh}", en = "{bureau_en} of {en}" }}\ncontact = {{ phone = "12345" }}\n')
    # The shipped list has bodies of its own names.
    whole, seen = [], set()
    for part in "\n".join(lines).split("\n["):
        name = part.split("]")[0]
        if name not in seen:
            seen.add(name)
            whole.append(part)
    (folder / "publishers.toml").write_text("\n[".join(whole), encoding="utf-8")


def write_book(entries, folder, headers):
    """The entries as a folder for `qingdan list import`; `headers` are the columns of both sheets as `qingdan list export` writes them."""
    folder.mkdir()
    for name, rows in (("datasets", _dataset_rows), ("fields", _field_rows)):
        keys = [header.split()[-1] for header in headers[name]]
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, keys, extrasaction="raise")
            writer.writeheader()
            for one in entries:
                writer.writerows(rows(one))


def _dataset_rows(one):
    # By the entry alone: the same entry is the same in every list.
    dice = random.Random(one.slug)
    _, zh, en = one.subject
    open_type, frequency = dice.choice(OPEN_TYPES), dice.choice(FREQUENCIES)
    place_zh, place_en, bureau = one.place[2], one.place[3], WORDS["bureaus"][one.theme]
    row = {
        "slug": one.slug,
        "title.zh": title(one),
        "title.en": f"{one.kind['en']} {en}, {place_en}, {one.year}",
        "description.zh": f"{place_zh}{one.year}年的{zh}{one.kind['zh']}，由{DISTRICTS[one.place[4]][2]}{bureau[1]}整理，每行是一条记录，"
        f"含{'、'.join(WORDS['fields'][name][1] for name in one.kind['fields'])}。",
        "description.en": f"{one.kind['en']} {en} in {place_en} in {one.year}, kept by the {bureau[2]}. Each row is one record, with "
        f"{', '.join(WORDS['fields'][name][2].lower() for name in one.kind['fields'])}.",
        "publisher": publisher(one),
        "theme": one.theme,
        "open_type": open_type,
        "update_frequency": frequency,
        "spatial": f'[{{ code = "{one.place[1]}", name = {{ zh = "{place_zh}", en = "{place_en}" }} }}]',
        "temporal.start": f"{one.year}-01-01",
        "temporal.end": f"{one.year}-12-31",
        "languages": "zh",
        "keywords.zh": f"{zh}\n{one.kind['zh']}\n{place_zh}",
        "keywords.en": f"{en}\n{one.kind['slug'].replace('-', ' ')}\n{place_en}",
    }
    if open_type != "closed":
        row |= {"licence": dice.choice(LICENCES), "source": "made by benches/entries.py", "data": "data.csv"}
    if open_type != "unconditional":
        row |= {"open_type_reason.zh": "须核实用途和安全条件。", "open_type_reason.en": "Purpose and safeguards are examined first."}
    if open_type == "conditional":
        row |= {"conditions.zh": "说明用途，到期删除。", "conditions.en": "State the purpose, and delete it at the end of the term."}
    if dice.random() < HIGH_VALUE_SHARE:
        row["high_value"] = '{ reason = { zh = "社会迫切需要", en = "Urgently needed" } }'
    return [row]


def _field_rows(one):
    for name in ["record_id", *one.kind["fields"]]:
        kind, zh, en = WORDS["fields"].get(name, ("string", "记录编号", "Number of the record"))
        yield {"slug": one.slug, "name": name, "type": kind, "title.zh": zh, "title.en": en, "sensitivity": "none", "grade": "B0"}
