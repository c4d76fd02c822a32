import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from dmad.errors import DmadError
from dmad.watch.outbox import Outbox, Retries
from dmad.watch.spool import Spool

FAST = Retries(first=0.05, longest=0.2, closing=0.3)


class Receiver:
    """Takes messages, unless the test lets it fail."""

    def __init__(self):
        self.messages, self.failing = [], False

    def deliver(self, message):
        if self.failing:
            raise OSError("refused")
        self.messages.append(message)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool.db"


def open_outbox(spool, receiver) -> Outbox:
    return Outbox(spool, receiver.deliver, "the webhook", FAST)


def until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def messages(start, stop):
    return [json.dumps({"n": n}) for n in range(start, stop)]


def stored(path):
    """The messages in a spool that no process uses."""
    spool = Spool(path)
    found = spool.read(0, 1000)
    spool.close()
    return [message for _, message in found]


def test_messages_are_sent_in_order_and_leave_the_spool(spool, receiver):
    outbox = open_outbox(spool, receiver)
    for message in messages(0, 3):
        outbox.send(message)
    assert until(lambda: receiver.messages == messages(0, 3))
    outbox.close()
    assert stored(spool) == []


def test_a_receiver_that_is_back_gets_each_message_once_in_order(spool, receiver, logged):
    outbox = open_outbox(spool, receiver)
    for message in messages(0, 3):
        outbox.send(message)
    assert until(lambda: len(receiver.messages) == 3)
    receiver.failing = True
    for message in messages(3, 8):
        outbox.send(message)
    time.sleep(0.3)  # several attempts
    receiver.failing = False
    assert until(lambda: len(receiver.messages) == 8)
    outbox.close()
    assert receiver.messages == messages(0, 8)
    assert stored(spool) == []
    assert logged().count("the webhook cannot be reached") == 1


def test_what_was_not_sent_is_sent_by_the_next_process(spool, receiver, logged):
    receiver.failing = True
    outbox = open_outbox(spool, receiver)
    for message in messages(0, 4):
        outbox.send(message)
    outbox.close()
    assert f"unsent messages are kept in {spool}" in logged()
    receiver.failing = False
    outbox = open_outbox(spool, receiver)
    outbox.send(*messages(4, 5))
    assert until(lambda: len(receiver.messages) == 5)
    outbox.close()
    assert receiver.messages == messages(0, 5)


def test_a_message_is_sent_though_the_disk_is_full(spool, receiver, logged, at_most):
    outbox = open_outbox(spool, receiver)
    with at_most(0):
        for message in messages(0, 50):
            outbox.send(message)
        assert until(lambda: len(receiver.messages) == 50)
    for message in messages(50, 60):
        outbox.send(message)
    assert until(lambda: len(receiver.messages) == 60)
    outbox.close()
    assert receiver.messages == messages(0, 60)
    assert stored(spool) == []
    assert logged().count("are sent, but cannot be stored") == 1


def test_a_message_is_sent_though_no_spool_can_be_made(spool, receiver, logged, at_most):
    with at_most(0):
        outbox = open_outbox(spool, receiver)
        outbox.send("a")
        assert until(lambda: receiver.messages == ["a"])
    outbox.send("b")
    assert until(lambda: receiver.messages == ["a", "b"])
    outbox.close()
    assert "cannot be stored" in logged()
    assert stored(spool) == []


def test_messages_of_a_full_disk_are_stored_when_there_is_space(spool, receiver, at_most):
    outbox = open_outbox(spool, receiver)
    receiver.failing = True
    with at_most(0):
        for message in messages(0, 50):
            outbox.send(message)
    outbox.close()
    assert stored(spool) == messages(0, 50)


def test_messages_that_could_neither_be_sent_nor_stored_are_counted(
    spool, receiver, logged, at_most
):
    outbox = open_outbox(spool, receiver)
    receiver.failing = True
    with at_most(0):
        for message in messages(0, 50):
            outbox.send(message)
        outbox.close()
    left = stored(spool)
    assert left == messages(0, len(left))
    assert f"{50 - len(left)} messages to the webhook are lost" in logged()


def test_a_sent_message_that_cannot_be_removed_is_not_sent_again(spool, receiver):
    outbox = open_outbox(spool, receiver)
    receiver.failing = True
    for message in messages(0, 3):
        outbox.send(message)
    spool.chmod(0o400)
    other = Spool(spool)  # locks the file, so that nothing can be removed
    other._database.execute("BEGIN EXCLUSIVE")
    receiver.failing = False
    time.sleep(0.3)
    other._database.execute("ROLLBACK")
    other.close()
    assert until(lambda: len(receiver.messages) == 3)
    outbox.close()
    assert receiver.messages == messages(0, 3)


@pytest.mark.parametrize("where", [0, 20, 100, 4096, 6000])
def test_messages_after_a_damage_are_sent(spool, receiver, where, logged):
    receiver.failing = True
    outbox = open_outbox(spool, receiver)
    for message in messages(0, 200):
        outbox.send(message)
    outbox.close()
    content = bytearray(spool.read_bytes())
    content[where : where + 50] = b"x" * 50
    spool.write_bytes(content)
    receiver.failing = False
    logged()
    outbox = open_outbox(spool, receiver)
    for message in messages(200, 210):
        outbox.send(message)
    assert until(lambda: receiver.messages[-10:] == messages(200, 210))
    outbox.close()
    assert receiver.messages == sorted(receiver.messages, key=lambda line: json.loads(line)["n"])
    everything = len(receiver.messages) == 210
    assert everything or "damaged" in logged()
    assert stored(spool) == []


KILLED = """
import os, sys, time
from pathlib import Path
from dmad.watch.outbox import Outbox
def deliver(message):
    if "never" in message:
        raise OSError
    print(message, flush=True)
outbox = Outbox(Path(sys.argv[1]), deliver, "the receiver")
for message in sys.stdin.read().splitlines():
    outbox.send(message)
time.sleep(0.5)
os.kill(os.getpid(), 9)
"""


def test_after_a_kill_the_rest_is_sent_and_open_events_end(spool, receiver):
    def event(name, state, **more):
        entries = {"kind": "event", "id": name, "state": state, "peak": 2.5, "end": None}
        return json.dumps({**entries, "clip": f"{name}.mp4", **more})

    first = [event("a", "new"), event("b", "new"), event("a", "end", end=3), event("b", "update")]
    rest = ["never sent by this process"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, spool],
        input="\n".join([*first, *rest]),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout.splitlines()) == (-signal.SIGKILL, first)
    ended = event("b", "end", end=2.5, clip="")
    outbox = open_outbox(spool, receiver)
    assert until(lambda: receiver.messages == [*rest, ended])
    outbox.close()
    open_outbox(spool, receiver).close()
    assert receiver.messages == [*rest, ended]


def test_a_spool_belongs_to_one_process(spool, receiver):
    first = open_outbox(spool, receiver)
    with pytest.raises(DmadError, match="is in use by process"):
        open_outbox(spool, receiver)
    first.close()
    open_outbox(spool, receiver).close()


def test_a_closed_outbox_leaves_no_thread_behind(spool, receiver):
    before = threading.active_count()
    open_outbox(spool, receiver).close()
    assert threading.active_count() == before
