"""`dmad serve`."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from dmad.cli.serve import ConsoleSinkSettings, with_spool
from dmad.serve.settings import ServeSettings

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "no model is given"),
        (["nowhere"], "no model at nowhere"),
        (["ped2", "--host", "0.0.0.0"], "--token-file"),
        (["ped2", "--port", "99999"], "port is 99999"),
        (["ped2", "--cameras", "none.yaml"], "none.yaml"),
        (["ped2", "--backup", "copy.db"], "leave out the models"),
        (["ped2", "--token-file", "none.txt"], "none.txt is not a file"),
        (["ped2", "--data", __file__], "name a folder with --data"),
    ],
)
def test_wrong_arguments_are_one_line(refused, arguments, hint):
    assert hint in refused("serve", *arguments)


def test_a_port_in_use_is_found_before_a_model_is_loaded(refused, monkeypatch):
    monkeypatch.setattr("dmad.serve.models.load_models", None)  # would raise a TypeError
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port}" in refused("serve", "ped2", "--port", port)


def test_the_help_teaches(dmad):
    code, out, _ = dmad("serve", "--help")
    assert code == 0
    for word in ("Examples:", "curl --data-binary", "--token-file", "--keep-gigabytes"):
        assert word in out


def test_undelivered_messages_are_in_the_folder_of_the_console(dmad):
    _, out, _ = dmad("serve", "--help")
    assert "the folder `spool` in the folder --data" in " ".join(out.split())
    settings = ServeSettings(data=Path("console"))
    assert with_spool(ConsoleSinkSettings(), settings).spool == Path("console/spool")
    assert with_spool(ConsoleSinkSettings(spool=Path("x")), settings).spool == Path("x")


def test_a_console_starts_answers_and_stops_and_can_be_backed_up(dmad, trained_images, tmp_path):
    command = [sys.executable, "-m", "dmad.cli", "serve", str(trained_images), "--port", "0"]
    data = tmp_path / "console"
    process = subprocess.Popen(
        [*command, "--data", str(data)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        address = ""
        while "http" not in address:  # other messages come first
            address = process.stderr.readline()
            assert process.poll() is None, address
        url = next(word for word in address.split() if word.startswith("http"))
        assert httpx.get(f"{url}/api/health", timeout=30).json()["status"] == "ok"
        code, out, err = dmad("serve", "--data", data, "--backup", tmp_path / "copy.db")
        assert (code, out.strip()) == (0, str(tmp_path / "copy.db")), err
        copy = sqlite3.connect(tmp_path / "copy.db")
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copy.close()
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.stderr.read()
        assert time.monotonic() - start < 15
    finally:
        process.kill()
        process.stderr.close()
        process.wait()
