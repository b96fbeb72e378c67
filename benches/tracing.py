"""Leaks parts of releases and asks `qingdan lab trace` whose they are. Start it with benches/run tracing."""

import argparse
import collections
import csv
import io
import json
import random
import subprocess
import sys
from pathlib import Path

import api
import oauth
import prepared
from common import Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from measure import table
from servers import Qingdan, environment

FIELDS = [
    "visit_id", "resident_id", "sex", "birth_date", "subdistrict_code", "visit_date",
    "diagnosis_group", "cost_cny", "insured", "referral_note",
]  # fmt: skip
COLUMNS = {
    "all columns": FIELDS,
    "no pseudonyms, dates left": [name for name in FIELDS if name not in ("visit_id", "resident_id")],
    "no keyed column": [name for name in FIELDS if name not in ("visit_id", "resident_id", "visit_date")],
    "area, diagnosis, cost": ["subdistrict_code", "diagnosis_group", "cost_cny"],
    "sex, diagnosis": ["sex", "diagnosis_group"],
}
SHARES = [0.01, 0.05, 0.5]
SEED = 20261126


def main():
    """Makes grants, leaks, traces, counts. Ends with 1 when an innocent grant is named."""
    end_with_an_error()
    parser = argparse.ArgumentParser(prog="benches/run tracing", description=__doc__)
    add_binary_option(parser)
    parser.add_argument("--grants", type=int, default=20, help="grants with a release each; 20 by default")
    parser.add_argument("--tries", type=int, default=10, help="leaks of each kind, each of another grant; 10 by default")
    parser.add_argument("--columns", action="append", choices=COLUMNS, help="only leaks with these columns; all kinds by default")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)
    try:
        with temporary_folder("tracing") as folder:
            wrong = _trace_all(binary, Path(folder), arguments.grants, arguments.tries, arguments.columns or list(COLUMNS))
    except Failure as failure:
        sys.exit(str(failure))
    sys.exit(1 if wrong else 0)


def _trace_all(binary, folder, grants, tries, kinds):
    prepared.shipped(binary, folder)
    with Qingdan(binary, folder, limits_login_per_minute=100000) as service:
        releases = _releases(service, grants)
    chance = random.Random(SEED)
    lines, wrong = [], 0
    for share in SHARES:
        for name in kinds:
            columns = COLUMNS[name]
            for merged in (1, 2):
                counts = collections.Counter()
                for _ in range(tries):
                    guilty = chance.sample(sorted(releases), merged)
                    rows = _leak([releases[grant] for grant in guilty], share, columns, chance)
                    counts[_verdict(_traced(binary, folder, columns, rows), guilty)] += 1
                wrong += counts["wrong"]
                kind = "one copy" if merged == 1 else "two, merged"
                told = [str(counts[verdict]) for verdict in ("right", "one of two", "cannot tell", "wrong")]
                lines.append([f"{share:.0%}", kind, name, *told])
                print(*lines[-1], sep="\t", file=sys.stderr)
    size = len(next(iter(releases.values())))
    print(f"{grants} grants with a release of about {size} rows each, 0.5 % left out; {tries} leaks of each kind, in any order; confidence 0.99\n")
    print(table(lines, ["rows", "leak", "columns", "right", "one of two", "cannot tell", "wrong"]))
    return wrong


def _releases(service, grants):
    """The rows of each grant's release, by grant."""
    operator = api.log_in_operator(service.url)
    reviewer = api.add_reviewer(operator, "reviewer-of-traces")
    releases = {}
    for number in range(1, grants + 1):
        firm = api.add_firm(operator, number)
        client = firm.add_client("EdDSA")
        grant = firm.obtain_grant(reviewer, client, FIELDS)["id"]
        server = oauth.discover(service.url)
        assertion = client.key.sign(oauth.claims(client.id, server["issuer"]))
        token = oauth.ask(server["token_endpoint"], assertion, authorization_details=api.grant_detail(grant)).json()["access_token"]
        text = api.Api(service.url, token).download(api.CONDITIONAL, format="csv").content.decode()
        releases[grant] = list(csv.DictReader(io.StringIO(text)))
    return releases


def _leak(copies, share, columns, chance):
    """So many rows of one copy, or of several in equal parts, in any order."""
    rows = []
    for copy in copies:
        rows += chance.sample(copy, int(len(copy) * share / len(copies)))
    chance.shuffle(rows)
    return [[row[name] for name in columns] for row in rows]


def _traced(binary, folder, columns, rows):
    path = folder / "leaked.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    command = [binary, "lab", "trace", path, "--dataset", api.CONDITIONAL, "--json", "--data-dir", folder / "data"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False)
    if done.returncode not in (0, 1):
        raise Failure(f"the trace ended with {done.returncode}: {done.stderr[-1500:]}")
    return json.loads(done.stdout)["named"]


def _verdict(named, guilty):
    if not named:
        return "cannot tell"
    if set(named) == set(guilty):
        return "right"
    return "one of two" if set(named) < set(guilty) else "wrong"


if __name__ == "__main__":
    main()
