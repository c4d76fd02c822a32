import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.watch import sinks
from dmad.watch.sinks import Appended, Outbox, mqtt, webhook


class Receiver:
    """A webhook that can go away and come back at the same port."""

    def __init__(self):
        self.lines, self.keys, self.failures, self.port = [], [], 0, 0
        self.users, self.elsewhere = [], False
        self.start()

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if receiver.failures:
                    receiver.failures -= 1
                    self.send_error(503)
                    return
                if receiver.elsewhere:
                    self.send_response(302)
                    self.send_header("Location", f"{receiver.url}/login")
                    self.end_headers()
                    return
                receiver.users.append(self.headers["Authorization"])
                receiver.lines.append(body)
                receiver.keys.append(self.headers["Idempotency-Key"])
                self.send_response(204)
                self.end_headers()

            def do_GET(self):
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/in"


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setattr(sinks, "FIRST", 0.05)
    monkeypatch.setattr(sinks, "LONGEST", 0.2)
    monkeypatch.setattr(sinks, "PARTING", 0.3)
    here = Receiver()
    yield here
    here.stop()


def until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def lines(start, stop):
    return [json.dumps({"n": n}) for n in range(start, stop)]


def test_what_a_crash_left_of_a_line_is_cut_off(receiver, tmp_path):
    for name in ("events.jsonl", "spool.jsonl"):
        (tmp_path / name).write_text('{"n": 0}\n{"n": 1')
    (tmp_path / "spool.sent").write_text("")
    kept = Appended(tmp_path / "events.jsonl")
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    for sink in (kept, box):
        sink.put('{"n": 2}')
    assert until(lambda: len(receiver.lines) == 2)
    for sink in (kept, box):
        sink.close()
    assert receiver.lines == ['{"n": 0}', '{"n": 2}']
    assert (tmp_path / "events.jsonl").read_text() == '{"n": 0}\n{"n": 2}\n'


def test_a_spool_is_of_one_process(receiver, tmp_path):
    first = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    with pytest.raises(DmadError, match=r"that of another `dmad watch`; give each its own"):
        Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    first.close()
    Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook").close()


def test_a_receiver_that_was_away_gets_each_line_once_in_order(receiver, tmp_path, logged):
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    for line in lines(0, 3):
        box.put(line)
    assert until(lambda: len(receiver.lines) == 3)
    receiver.stop()
    for line in lines(3, 8):
        box.put(line)
    time.sleep(0.5)
    receiver.failures = 2
    receiver.start()
    assert until(lambda: len(receiver.lines) == 8)
    box.close()
    assert receiver.lines == lines(0, 8)
    assert len(set(receiver.keys)) == 8
    assert (tmp_path / "spool.jsonl").read_bytes() == b""
    assert logged().count("the webhook is away") == 1


def test_a_redirection_takes_no_line(receiver, tmp_path):
    receiver.elsewhere = True
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    box.put(*lines(0, 1))
    assert until(lambda: box._away)
    receiver.elsewhere = False
    assert until(lambda: receiver.lines == lines(0, 1))
    box.close()


def test_a_full_disk_stops_no_sending(receiver, tmp_path, monkeypatch):
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    assert until(box._idle.is_set)
    write, errors = sinks.write_whole, [OSError(28, "No space left on device")] * 2

    def full(path, content):
        if errors:
            raise errors.pop()
        write(path, content)

    monkeypatch.setattr(sinks, "write_whole", full)
    for line in lines(0, 2):
        box.put(line)
        assert until(lambda: box._idle.is_set() and not errors)
    box.close()
    assert list(dict.fromkeys(receiver.lines)) == lines(0, 2)  # one may come twice, none is lost


def test_user_and_password_go_in_a_header(receiver):
    url = receiver.url.replace("://", "://me:s3%40cret@")
    webhook(f"{url}?to=@channel")(*lines(0, 1))
    webhook(f"{receiver.url}/ops@example.com?to=@channel")(*lines(1, 2))
    assert receiver.users == ["Basic bWU6czNAY3JldA==", None]


def test_a_file_on_a_full_disk_closes():
    file = Appended(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        file.put("line")
    file.close()


def test_what_was_not_sent_is_sent_by_the_next_process(receiver, tmp_path, logged):
    receiver.failures = 10**6
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    for line in lines(0, 4):
        box.put(line)
    box.close()
    assert "wait in" in logged()
    receiver.failures = 0
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    box.put(*lines(4, 5))
    assert until(lambda: len(receiver.lines) == 5)
    box.close()
    assert receiver.lines == lines(0, 5)


def test_half_a_line_of_a_process_that_was_killed_is_left_out(receiver, tmp_path):
    (tmp_path / "spool.jsonl").write_text('{"n": 0}\n{"n"')
    box = Outbox(tmp_path / "spool.jsonl", webhook(receiver.url), "the webhook")
    assert until(lambda: len(receiver.lines) == 1)
    assert until(box._idle.is_set)
    box.put(*lines(1, 2))
    assert until(lambda: len(receiver.lines) == 2)
    box.close()
    assert receiver.lines == lines(0, 2)


def test_a_file_is_appended_to(tmp_path):
    for n in range(2):
        file = Appended(tmp_path / "out" / "events.jsonl")
        file.put(*lines(n, n + 1))
        file.close()
    assert (tmp_path / "out" / "events.jsonl").read_text().splitlines() == lines(0, 2)


def test_addresses_that_are_none_are_refused():
    with pytest.raises(DmadError, match="is no webhook"):
        webhook("host/in")
    with pytest.raises(DmadError, match="give mqtt://host/topic"):
        mqtt("mqtt://host")


def test_mqtt_publishes_and_waits_for_the_answer(monkeypatch):
    paho = pytest.importorskip("paho.mqtt.client")
    heard = []

    class Message:
        def __init__(self, arrives):
            self.arrives = arrives

        def wait_for_publish(self, timeout):
            assert timeout

        def is_published(self):
            return self.arrives

    class Client:
        arrives = True

        def __init__(self, version):
            pass

        def username_pw_set(self, *given):
            heard.append(given)

        def connect(self, *given):
            heard.append(given)

        def publish(self, topic, line, qos):
            heard.append((topic, line, qos))
            return Message(self.arrives)

        def loop_start(self):
            pass

        disconnect = loop_stop = loop_start

    monkeypatch.setattr(paho, "Client", Client)
    deliver = mqtt("mqtt://me:s%2Fcret@host:1884/site/gate")
    deliver("{}")
    assert heard == [("me", "s/cret"), ("host", 1884), ("site/gate", "{}", 1)]
    Client.arrives = False
    with pytest.raises(TimeoutError):
        deliver("{}")
