"""One service for all tests, with the shipped datasets and the generated one, and the callers who use it."""

import pytest

import api
import samples
import tables
from service import Service, binary


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """The generated dataset."""
    return tables.read_source(samples.write_folder(tmp_path_factory.mktemp("samples")))


@pytest.fixture(scope="session")
def service(tmp_path_factory, generated):
    """The running service."""
    running = Service(binary(), tmp_path_factory.mktemp("service"))
    # Both by hand: the import of the first start is for an empty list only.
    for folder in [tables.DATASETS, generated.path.parents[1]]:
        running.run("import", folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def sources(generated):
    """What the service was given as open data, by slug."""
    return {**tables.shipped_sources("unconditional"), generated.slug: generated}


@pytest.fixture(scope="session")
def anyone(service):
    """The API as the public sees it."""
    return api.Api(service.url)


@pytest.fixture(scope="session")
def operator(service):
    """The API as the operator sees it."""
    return api.log_in_operator(service.url)


@pytest.fixture(scope="session")
def reviewer(operator):
    """The API as a reviewer sees it."""
    return api.add_reviewer(operator, "reviewer-of-tests")


@pytest.fixture(scope="session")
def firm(operator):
    """An approved firm."""
    return api.add_firm(operator, 1)


@pytest.fixture(scope="session")
def other_firm(operator):
    """Another approved firm."""
    return api.add_firm(operator, 2)


@pytest.fixture(scope="session")
def open_file(anyone):
    """Downloads an open dataset in one format; each file once, since several clients read the same one."""
    files = {}

    def download(slug, file_format):
        key = (slug, file_format)
        if key not in files:
            files[key] = anyone.download(slug, format=file_format).content
        return files[key]

    return download


def pytest_generate_tests(metafunc):
    """Runs a test that takes `slug` once for each open dataset."""
    if "slug" in metafunc.fixturenames:
        metafunc.parametrize("slug", [*tables.shipped_sources("unconditional"), samples.SLUG])
