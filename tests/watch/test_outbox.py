import json
import threading
import time

import pytest

from dmad.errors import DmadError
from dmad.watch.outbox import Outbox, Retries, cut_partial_line

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
    return tmp_path / "spool.jsonl"


def open_outbox(spool, receiver) -> Outbox:
    return Outbox(spool, receiver.deliver, "the webhook", FAST)


def until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def messages(start, stop):
    return [json.dumps({"n": n}) for n in range(start, stop)]


def test_messages_are_sent_in_order_and_leave_the_spool(spool, receiver):
    outbox = open_outbox(spool, receiver)
    for message in messages(0, 3):
        outbox.send(message)
    assert until(lambda: receiver.messages == messages(0, 3))
    assert until(lambda: spool.read_bytes() == b"")
    outbox.close()


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
    assert spool.read_bytes() == b""
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


def test_what_was_sent_is_not_sent_again_by_the_next_process(spool, receiver):
    spool.write_text('{"n": 0}\n{"n": 1}\n')
    spool.with_suffix(".sent").write_text("9")  # bytes: the first message
    outbox = open_outbox(spool, receiver)
    assert until(lambda: len(receiver.messages) == 1)
    outbox.close()
    assert receiver.messages == messages(1, 2)


def test_half_a_message_of_a_process_that_was_killed_is_left_out(spool, receiver):
    spool.write_text('{"n": 0}\n{"n"')
    spool.with_suffix(".sent").write_text("")
    outbox = open_outbox(spool, receiver)
    assert until(lambda: len(receiver.messages) == 1)
    outbox.send(*messages(1, 2))
    assert until(lambda: len(receiver.messages) == 2)
    outbox.close()
    assert receiver.messages == messages(0, 2)


def test_no_message_is_lost_while_the_position_cannot_be_stored(spool, receiver):
    """As on a full disk: the messages stay in the spool until that works again."""
    outbox = open_outbox(spool, receiver)
    position = spool.with_suffix(".sent")
    assert until(position.exists)
    position.unlink()
    position.mkdir()  # so that no file can get this name
    for message in messages(0, 2):
        outbox.send(message)
    assert until(lambda: len(receiver.messages) == 2)
    time.sleep(0.3)  # several attempts
    assert spool.read_text().splitlines() == messages(0, 2)
    position.rmdir()
    assert until(lambda: spool.read_bytes() == b"")
    outbox.close()
    assert receiver.messages == messages(0, 2)


def test_a_spool_belongs_to_one_process(spool, receiver):
    first = open_outbox(spool, receiver)
    with pytest.raises(DmadError, match="is used by another `dmad watch`; give each its own"):
        open_outbox(spool, receiver)
    first.close()
    open_outbox(spool, receiver).close()


def test_a_closed_outbox_leaves_no_thread_behind(spool, receiver):
    before = threading.active_count()
    open_outbox(spool, receiver).close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"whole\n", b"whole\n"),
        (b"whole\npart", b"whole\n"),
        (b"part", b""),
        (b"whole\n" + b"x" * 200_000, b"whole\n"),
    ],
)
def test_a_partial_last_line_is_cut_off(tmp_path, content, expected):
    path = tmp_path / "lines"
    path.write_bytes(content)
    cut_partial_line(path)
    assert path.read_bytes() == expected


def test_a_missing_file_has_no_partial_line(tmp_path):
    cut_partial_line(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
