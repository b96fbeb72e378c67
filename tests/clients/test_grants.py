"""The whole way of a conditional dataset, from the registration of a firm to a data frame."""

import io
import re
import subprocess
from dataclasses import dataclass

import duckdb
import fsspec
import pandas
import polars
import pyarrow.parquet
import pytest
import requests

import api
import duck
import oauth
import tables

DIRECT = ["resident_id", "resident_name", "mobile"]
RELEASED = [
    "visit_id",
    "resident_id",
    "sex",
    "birth_date",
    "subdistrict_code",
    "visit_date",
    "diagnosis_group",
    "cost_cny",
    "insured",
    "referral_note",
]
KEPT = [name for name in RELEASED if name not in ("visit_id", "resident_id", "birth_date", "visit_date")]
GROUPED = ["sex", "birth_date", "subdistrict_code"]


@dataclass(frozen=True)
class Holder:
    """A firm with a grant."""

    firm: api.Firm
    client: api.Client
    grant: dict

    def ask(self, url, grant_id):
        """Asks for a token for a grant."""
        server = oauth.discover(url)
        assertion = self.client.key.sign(oauth.claims(self.client.id, server["issuer"]))
        return oauth.ask(server["token_endpoint"], assertion, authorization_details=api.grant_detail(grant_id))

    def reader(self, url):
        """The API as the holder's client sees it with a token for the grant."""
        answer = self.ask(url, self.grant["id"])
        assert answer.status_code == 200, answer.text
        detail = {"type": "qingdan_grant", "grant": self.grant["id"], "dataset": api.CONDITIONAL}
        assert answer.json()["authorization_details"] == [detail]
        return api.Api(url, answer.json()["access_token"])


def hold(firm, algorithm, reviewer):
    """Takes a firm all the way to a grant."""
    client = firm.add_client(algorithm)
    return Holder(firm, client, firm.obtain_grant(reviewer, client, RELEASED))


@pytest.fixture(scope="module")
def holder(firm, reviewer):
    """A firm with a grant."""
    return hold(firm, "EdDSA", reviewer)


@pytest.fixture(scope="module")
def other_holder(other_firm, reviewer):
    """Another firm with another grant for the same data."""
    return hold(other_firm, "ES256", reviewer)


@pytest.fixture(scope="module")
def source():
    """The dataset before anything is taken out of it."""
    header, rows = tables.shipped_sources("conditional")[api.CONDITIONAL].table
    return pandas.DataFrame(rows, columns=header)


def read_frame(reader):
    """A grant's release as a data frame of text."""
    content = reader.download(api.CONDITIONAL, format="csv").content
    return pandas.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def frame(service, holder):
    """The release of the grant."""
    return read_frame(holder.reader(service.url))


@pytest.fixture(scope="module")
def other_frame(service, other_holder):
    """The release of the other grant."""
    return read_frame(other_holder.reader(service.url))


def test_nobody_reads_without_a_grant(service, anyone, holder):
    assertion = holder.client.key.sign(oauth.claims(holder.client.id, service.url))
    token = oauth.ask(f"{service.url}/oauth2/token", assertion).json()["access_token"]
    for path in ["download", "rows"]:
        anyone.get(f"/api/v1/datasets/{api.CONDITIONAL}/{path}", 401)
        # A token that speaks for the firm, but for no grant, and the session of the firm's own person.
        api.Api(service.url, token).get(f"/api/v1/datasets/{api.CONDITIONAL}/{path}", 403)
        holder.firm.person.get(f"/api/v1/datasets/{api.CONDITIONAL}/{path}", 403)


def test_direct_identifiers_cannot_be_applied_for(firm):
    problem = firm.apply(["visit_id", "resident_name", "mobile"], expect=400)
    assert [error["pointer"] for error in problem["errors"]] == ["/fields/1", "/fields/2"]


def test_the_release_has_no_direct_identifiers(frame, source):
    assert list(frame.columns) == RELEASED
    direct = set(source[DIRECT].to_numpy().ravel())
    released = set(frame.to_numpy().ravel())
    assert not direct & released
    # Nor inside of a longer text.
    text = "\n".join(released)
    assert not re.search(r"310199\d{11}[0-9X]|合成居民|\b100\d{8}\b", text)


def banded(source, frame):
    """The source with the bands of years that the release has."""
    first, last = (int(year) for year in frame["birth_date"].iloc[0].split("-"))
    years = last - first + 1
    begin = source["birth_date"].str[:4].astype(int) // years * years
    return source.assign(birth_date=begin.astype(str) + "-" + (begin + years - 1).astype(str))


def test_what_is_kept_is_kept_exactly(frame, source):
    counts = banded(source, frame)[[*KEPT, "birth_date"]].value_counts(dropna=False)
    released = frame[[*KEPT, "birth_date"]].value_counts(dropna=False)
    # Each row of the release is one of the source; half a percent is left out by chance, and small groups are.
    assert (released <= counts.reindex(released.index, fill_value=0)).all()
    assert 0.97 < len(frame) / len(source) < 0.999
    assert not frame[KEPT].equals(source[KEPT].head(len(frame)))


def test_of_a_birth_date_only_a_band_of_years_is_left(frame):
    assert frame["birth_date"].str.fullmatch(r"\d{4}-\d{4}").all()


def test_nobody_stands_in_a_group_below_k(frame, source):
    groups = frame.groupby(GROUPED)
    assert groups["resident_id"].nunique().min() >= 5
    assert groups["diagnosis_group"].nunique().min() >= 2
    # Whoever knows all residents looks for each of them by what release and register have in common.
    population = banded(source, frame).drop_duplicates("resident_id")
    found = population.merge(groups["resident_id"].nunique().rename("alike").reset_index(), on=GROUPED)
    assert len(found) > 6000
    assert found["alike"].min() >= 5
    raw = source.groupby(GROUPED)["resident_id"].nunique()
    print(
        f"\n{source['resident_id'].nunique()} residents looked for, {len(found)} in a group; smallest group {found['alike'].min()};"
        f" as they were, {(raw == 1).sum()} would have been found"
    )


def test_dates_move_together_for_each_resident(frame, other_frame):
    for table in (frame, other_frame):
        assert table["visit_date"].between("2024-12-18", "2026-01-14").all()
        assert (table["visit_date"] < "2025-01-01").any()
        alike = table.groupby("resident_id")[GROUPED].nunique()
        assert (alike == 1).all().all()
    assert frame.groupby("resident_id").size().max() > 3


def test_pseudonyms_of_two_grants_share_no_value(frame, other_frame):
    for name in ["resident_id", "visit_id"]:
        assert frame[name].str.fullmatch(r"[0-9a-f]{32}").all()
        assert not set(frame[name]) & set(other_frame[name])
    # Nor do the two releases stand in the same order.
    assert not frame[KEPT].head(1000).equals(other_frame[KEPT].head(1000))


def test_a_second_grant_of_the_same_firm_has_pseudonyms_of_its_own(service, holder, reviewer, frame):
    again = Holder(holder.firm, holder.client, holder.firm.obtain_grant(reviewer, holder.client, ["resident_id", "sex"]))
    second = read_frame(again.reader(service.url))
    assert list(second.columns) == ["resident_id", "sex"]
    assert not set(second["resident_id"]) & set(frame["resident_id"])


def test_every_format_of_a_release_agrees(service, holder, frame):
    reader = holder.reader(service.url)
    expected = frame.to_numpy().tolist()
    parquet = pyarrow.parquet.read_table(io.BytesIO(reader.download(api.CONDITIONAL).content))
    assert pyarrow.types.is_date(parquet.schema.field("visit_date").type)
    tables.assert_same_rows(tables.texts(zip(*parquet.to_pydict().values())), expected)
    lines = reader.download(api.CONDITIONAL, format="ndjson").content.decode("utf-8").removesuffix("\n").split("\n")
    tables.assert_same_rows(tables.texts(tables.parse_json(line).values() for line in lines), expected)


def test_duckdb_reads_a_release_from_its_address(service, holder, frame):
    connection = duck.connect()
    token = holder.reader(service.url).session.headers["Authorization"].removeprefix("Bearer ")
    connection.execute(f"create secret (type http, bearer_token '{token}', scope '{service.url}')")
    query = "select sex, count(*), count(distinct resident_id) from read_parquet(?) group by sex order by sex"
    found = connection.execute(query, [f"{service.url}/api/v1/datasets/{api.CONDITIONAL}/download"]).fetchall()
    groups = frame.groupby("sex")["resident_id"]
    assert found == [(sex, len(group), group.nunique()) for sex, group in groups]


@pytest.fixture
def signed(service, holder):
    """A URL that opens the release without any header."""
    wish = {"format": "parquet", "expires_in": 600}
    return holder.reader(service.url).post(f"/api/v1/datasets/{api.CONDITIONAL}/signed-urls", wish, 201)["url"]


def test_duckdb_and_pandas_and_polars_read_a_signed_url(signed, frame):
    assert duck.connect().execute(f"select count(*), count(distinct resident_id) from '{signed}'").fetchone() == (
        len(frame),
        frame["resident_id"].nunique(),
    )
    expected = frame["resident_id"].tolist()
    assert pandas.read_parquet(signed)["resident_id"].tolist() == expected
    assert polars.read_parquet(signed)["resident_id"].to_list() == expected


def test_a_signed_url_opens_as_a_file_of_one_column(signed, frame):
    # As the client of Delta Sharing does: HEAD, and ranges of what is read.
    with fsspec.filesystem("http").open(signed) as file:
        table = pyarrow.parquet.read_table(file, columns=["sex"])
    assert table["sex"].to_pylist() == frame["sex"].tolist()


def test_curl_saves_a_signed_url_and_goes_on(signed, tmp_path):
    def curl(*arguments):
        subprocess.run(["curl", "--fail", "--silent", "--show-error", "-O", *arguments, signed], cwd=tmp_path, check=True)

    curl()
    (saved,) = tmp_path.iterdir()
    assert saved.name == f"{api.CONDITIONAL}-v1.parquet"
    whole = saved.read_bytes()
    saved.write_bytes(whole[:1000])
    curl("-C", "-")
    assert saved.read_bytes() == whole


def test_a_signed_url_ends_with_its_grant(service, firm, reviewer):
    doomed = hold(firm, "EdDSA", reviewer)
    reader = doomed.reader(service.url)
    url = reader.post(f"/api/v1/datasets/{api.CONDITIONAL}/signed-urls", {}, 201)["url"]
    assert requests.get(url, timeout=60).status_code == 200
    reviewer.post(f"/api/v1/grants/{doomed.grant['id']}/suspension", {"reason": "The test rests it."}, 200)
    assert requests.get(url, timeout=60).status_code == 403
    reviewer.post(f"/api/v1/grants/{doomed.grant['id']}/resumption", {"reason": "The test goes on."}, 200)
    assert requests.get(url, timeout=60).status_code == 200
    reviewer.post(f"/api/v1/grants/{doomed.grant['id']}/revocation", {"reason": "The test ends it."}, 200)
    assert requests.get(url, timeout=60).status_code == 403
    # Also for a tool that asks again and again.
    with pytest.raises(duckdb.HTTPException):
        duck.connect().execute(f"select count(*) from '{url}'")


def test_rows_by_query_are_those_of_the_release(service, holder, frame):
    pseudonym = frame["resident_id"].value_counts().index[0]
    query = {"where": f"resident_id = '{pseudonym}'", "order_by": "visit_id", "limit": 1000}
    page = holder.reader(service.url).get(f"/api/v1/datasets/{api.CONDITIONAL}/rows", params=query).text
    expected = frame[frame["resident_id"] == pseudonym].sort_values("visit_id").to_numpy().tolist()
    tables.assert_same_rows(tables.texts(row.values() for row in tables.parse_json(page)["rows"]), expected)
    # What was left out is unknown there, too.
    hidden = {"where": "resident_name is not null"}
    holder.reader(service.url).get(f"/api/v1/datasets/{api.CONDITIONAL}/rows", 400, params=hidden)


def test_a_release_is_kept_by_no_cache(service, holder):
    answer = holder.reader(service.url).download(api.CONDITIONAL)
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].replace(" ", "").split(","))


def test_a_token_for_another_firms_grant_is_refused(service, holder, other_holder):
    answer = other_holder.ask(service.url, holder.grant["id"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


def test_a_revoked_grant_ends_at_once(service, firm, reviewer):
    doomed = hold(firm, "EdDSA", reviewer)
    reader = doomed.reader(service.url)
    reader.download(api.CONDITIONAL)
    reviewer.post(f"/api/v1/grants/{doomed.grant['id']}/revocation", {"reason": "The test ends it."}, 200)
    reader.get(f"/api/v1/datasets/{api.CONDITIONAL}/download", 403)
    assert doomed.ask(service.url, doomed.grant["id"]).status_code == 400


def test_the_ledger_holds_after_all_this(service, frame, other_frame):
    assert service.run("ledger", "verify").startswith("the ledger holds: ")
