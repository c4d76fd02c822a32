"""Connecting to a Ray cluster. Without Ray, the tests that need it are skipped."""

import sys
from contextlib import closing

import pytest

from dmad.cluster import Cluster
from dmad.errors import DmadError


@pytest.fixture
def ray():
    return pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")


def test_without_ray_a_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DmadError, match=r"pip install 'dmad\[ray\]'"):
        Cluster("local")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_where_nothing_answers_is_refused_at_once(ray, address):
    with pytest.raises(DmadError, match="no Ray cluster at"):
        Cluster(address)
    assert not ray.is_initialized()


@pytest.mark.filterwarnings("ignore")  # warnings of Ray
def test_a_cluster_on_this_machine_ends_with_its_connection(ray):
    with closing(Cluster("local")) as cluster:
        assert cluster.cores >= 1
        Cluster("auto").close()  # does not end the cluster
        assert ray.is_initialized()
    assert not ray.is_initialized()


@pytest.mark.filterwarnings("ignore")  # warnings of Ray
def test_a_worker_that_fits_on_no_machine_is_refused(ray):
    with closing(Cluster("local")):
        with pytest.raises(DmadError, match="9999 cores, and the largest machine"):
            Cluster("local", cores=9999)
        with pytest.raises(DmadError, match="give a smaller --gpus-per-worker"):
            Cluster("local", gpus=999)
    assert not ray.is_initialized()
