"""CKAN's own client, `ckanapi`, as a library and as a command: every dataset of the list, by list, by search and by dump."""

import json
import os
import pathlib
import subprocess
import sys

import ckanapi
import pytest
import requests

import api
import tables

PATH = "/ckan"


@pytest.fixture(scope="module")
def listed(service):
    """The datasets of the list by slug, as our own API tells them."""
    found = {item["slug"]: item for item in api.Api(service.url).items("/api/v1/datasets")}
    assert set(found) > set(tables.shipped_sources("unconditional"))
    return found


@pytest.fixture(scope="module")
def ckan(service):
    with ckanapi.RemoteCKAN(service.url + PATH) as remote:
        yield remote


def command(service, *arguments):
    """What the command answers; it starts itself again by its name."""
    folder = pathlib.Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    line = [folder / "ckanapi", *arguments, "-r", service.url + PATH]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_dump_has_every_dataset(service, listed):
    dumped = [json.loads(line) for line in command(service, "dump", "datasets", "--all").splitlines()]
    assert sorted(package["name"] for package in dumped) == sorted(listed)
    for package in dumped:
        assert package["title_translated"] == listed[package["name"]]["title"]
        assert package["owner_org"] == listed[package["name"]]["publisher"]


def test_search_has_every_dataset(service, listed):
    found = [json.loads(line) for line in command(service, "search", "datasets").splitlines()]
    assert sorted(package["name"] for package in found) == sorted(listed)


def test_dump_has_every_body_and_every_theme(service):
    ours = api.Api(service.url)
    for things, path in (("organizations", "publishers"), ("groups", "themes")):
        dumped = {json.loads(line)["name"] for line in command(service, "dump", things, "--all").splitlines()}
        assert dumped == {item["slug"] for item in ours.get(f"/api/v1/{path}").json()["items"]}


def test_pages_of_a_search_have_every_dataset_once(ckan, listed):
    names = []
    while page := ckan.action.package_search(q="*:*", sort="id asc", rows=2, start=len(names))["results"]:
        names += [package["name"] for package in page]
    assert sorted(names) == sorted(listed)


def test_filters_and_counts_agree_with_the_list(ckan, listed):
    found = ckan.action.package_search(rows=0, **{"facet.field": ["organization", "groups"]})
    assert found["count"] == len(listed)
    for name, field in (("organization", "publisher"), ("groups", "theme")):
        for value, count in found["facets"][name].items():
            expected = sorted(slug for slug, item in listed.items() if item[field] == value)
            assert len(expected) == count
            inside = ckan.action.package_search(fq=f"{name}:{value}", rows=1000)["results"]
            assert sorted(package["name"] for package in inside) == expected
            outside = ckan.action.package_search(fq=f"-{name}:{value}", rows=0)["count"]
            assert outside == len(listed) - count


def test_what_there_is_not_is_told_as_ckan_does(ckan):
    with pytest.raises(ckanapi.NotFound):
        ckan.action.package_show(id="none-of-that-name")
    with pytest.raises(ckanapi.SearchQueryError):
        ckan.action.package_search(fq="colour:red")
    with pytest.raises(ckanapi.ValidationError):
        ckan.action.package_show()
    with pytest.raises(ckanapi.CKANAPIError):
        ckan.action.package_delete(id="working-calendar")


def test_resources_lead_to_the_data(ckan):
    for slug in tables.shipped_sources("unconditional"):
        for resource in ckan.action.package_show(id=slug)["resources"]:
            assert ckan.action.resource_show(id=resource["id"]) == resource
            assert requests.head(resource["url"], timeout=api.SECONDS).status_code == 200
