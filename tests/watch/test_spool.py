import sqlite3

import pytest

from dmad.watch.spool import Spool


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.db"


def test_messages_come_in_the_order_of_their_numbers(path):
    spool = Spool(path)
    for number, message in ((5, "b"), (3, "a"), (9, "c")):
        spool.add(number, message)
    assert (spool.read(0, 2), spool.last) == ([(3, "a"), (5, "b")], 9)
    assert spool.read(5, 2) == [(9, "c")]
    spool.remove([3, 5])
    spool.close()
    again = Spool(path)
    assert again.read(0, 9) == [(9, "c")]
    again.remove([9])
    assert (again.read(0, 9), again.last) == ([], 0)
    again.close()


def test_only_the_user_can_read_the_file(path):
    spool = Spool(path)
    spool.add(1, "a")
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    spool.close()


@pytest.mark.parametrize(
    "change",
    [
        "content = x'00'",
        "content = 'text'",
        "content = content || 'x'",
        "content = (SELECT content FROM messages WHERE number = 1)",
        "number = 7",
    ],
)
def test_a_damaged_message_is_left_out_and_the_others_are_kept(path, change, logged):
    spool = Spool(path)
    for number in (1, 2, 3):
        spool.add(number, str(number))
    spool.close()
    database = sqlite3.connect(path)
    database.execute(f"UPDATE messages SET {change} WHERE number = 2")
    database.commit()
    database.close()
    spool = Spool(path)
    assert spool.read(0, 9) == [(1, "1"), (3, "3")]
    spool.close()
    assert "1 damaged rows of messages are left out" in logged()


@pytest.mark.parametrize("content", [b"no database", b"x" * 10_000])
def test_a_file_of_other_content_is_renamed(path, content, logged):
    path.write_bytes(content)
    spool = Spool(path)
    spool.add(1, "a")
    assert spool.read(0, 9) == [(1, "a")]
    spool.close()
    assert path.with_name("spool.db.damaged").read_bytes() == content
    assert "is damaged" in logged()


def test_a_database_of_another_program_is_renamed(path, logged):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE messages (text)")
    database.close()
    spool = Spool(path)
    spool.add(1, "a")
    spool.close()
    assert "was renamed to spool.db.damaged" in logged()


def test_messages_of_a_damaged_file_are_found(path, logged):
    spool = Spool(path)
    for number in range(1, 200):
        spool.add(number, f"message {number}")
    spool.remove(range(1, 50))
    spool.close()
    content = bytearray(path.read_bytes())
    content[100:120] = bytes(20)  # the root of the tables
    path.write_bytes(content)
    spool = Spool(path)
    found = [number for number, _ in spool.read(0, 1000)]
    spool.close()
    assert set(range(50, 200)) <= set(found)
    assert "unsent messages could still be read" in logged()
