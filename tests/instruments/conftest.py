import pytest

from proapp.instruments.load import BUILT_IN, load_packs


@pytest.fixture(scope="session")
def packs():
    return load_packs(BUILT_IN)


@pytest.fixture
def c30(packs):
    return packs["c30"]


@pytest.fixture
def br23(packs):
    return packs["br23"]
