"""The runtimes of exported models connect to no server, and leave no files in the home folder."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

IMPORTED = """
import sys
from dmad.inference.runtimes import import_runtime
assert import_runtime(sys.argv[1]).__name__ == sys.argv[1]
"""


class Proxy:
    """A proxy server that counts connections and answers none of them."""

    def __init__(self) -> None:
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # the server is closed
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("package", ["openvino", "onnxruntime"])
def test_an_import_sends_nothing_and_leaves_no_file(package: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino" if package == "openvino" else "onnxruntime")
    proxy = Proxy()
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = kept | dict.fromkeys(names, proxy.address) | {"HOME": str(tmp_path)}
    command = [sys.executable, "-c", IMPORTED, package]
    subprocess.run(command, env=environment, check=True, timeout=100)
    proxy.close()
    assert proxy.connections == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_package_that_reports_can_be_imported_again_afterwards() -> None:
    code = (
        "from dmad.inference.runtimes import import_runtime\n"
        "import_runtime('openvino')\n"
        "import openvino_telemetry\n"
    )
    pytest.importorskip("openvino_telemetry")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_a_missing_package_is_an_import_error() -> None:
    from dmad.inference.runtimes import import_runtime

    with pytest.raises(ImportError, match="no_such_runtime"):
        import_runtime("no_such_runtime")
