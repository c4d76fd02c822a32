"""Connects to a Ray cluster, for `dmad scan` and for experiments with many trainings."""

from __future__ import annotations

import logging
import socket
from typing import Any
from urllib.parse import urlsplit

from dmad.errors import DmadError, one_line, require

AUTO = "auto"  # the address for the cluster that this machine belongs to
LOCAL = "local"  # the address for a new cluster on this machine
REACHED_IN = 10.0  # seconds


class Cluster:
    """A connection to a Ray cluster. Call `close` at the end.

    If this process is already connected to a cluster, the existing connection is used, and `close`
    does not end it.

    Args:
        address: Address of a cluster, such as HOST:PORT. `local`: a new cluster on this machine.
            `auto`: the cluster that this machine belongs to, or else a new cluster.
        cores: Number of processor cores that each worker needs.
        gpus: Number of GPUs that each worker needs.

    Raises:
        DmadError: Ray is not installed, the cluster cannot be reached, or no machine in the cluster
            has the cores and GPUs that a worker needs.
    """

    def __init__(self, address: str, cores: int = 1, gpus: float = 0.0) -> None:
        try:
            import ray
        except ImportError as error:
            raise DmadError("--ray needs Ray; install it with: pip install 'dmad[ray]'") from error
        self._was_connected = ray.is_initialized()
        if not self._was_connected:
            _connect(address)
        try:
            _check_size(cores, gpus)
        except BaseException:
            self.close()
            raise

    @property
    def cores(self) -> int:
        """The number of processor cores of all machines."""
        import ray

        return int(ray.cluster_resources().get("CPU", 1))

    def close(self) -> None:
        """Close the connection. A cluster that this object started ends too.

        A connection that existed before this object stays open.
        """
        import ray

        if not self._was_connected:
            ray.shutdown()


def _connect(address: str) -> None:
    import ray

    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == AUTO:
            try:
                ray.init(address=AUTO, **options)
            except ConnectionError:
                ray.init(address=LOCAL, include_dashboard=False, **options)
        else:
            _check_reachable(address)
            ray.init(address=address, **options)
    except Exception as error:  # Ray raises many kinds
        raise DmadError(f"no Ray cluster at {address} ({one_line(error)})") from error


def _check_size(cores: int, gpus: float) -> None:
    """Raise an error if no machine has the cores and GPUs that a worker needs.

    Without this check, Ray would wait forever.
    """
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = (("CPU", "cores", cores, "--threads-per-worker"),
              ("GPU", "GPUs", gpus, "--gpus-per-worker"))  # fmt: skip
    for kind, name, needed, option in wanted:
        most = max((machine.get(kind, 0) for machine in machines), default=0)
        require(
            needed <= most,
            f"a worker needs {needed:g} {name}, and the largest machine of the cluster has "
            f"{most:g}; give a smaller {option}",
        )


def _check_reachable(address: str) -> None:
    """Raise an error if nothing answers at HOST:PORT or ray://HOST:PORT.

    Without this check, Ray would wait for minutes before it reports the error.
    """
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname, place.port), timeout=REACHED_IN).close()
