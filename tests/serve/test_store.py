import sqlite3
import threading

import pytest

from dmad.errors import DmadError
from dmad.serve.store import NAME, Store, back_up


def test_settings_are_kept_after_a_restart(tmp_path):
    store = Store(tmp_path)
    store.set_setting("theme", "dark")
    store.set_setting("theme", "light")
    store.close()
    store = Store(tmp_path)
    assert (store.setting("theme"), store.setting("other", "none")) == ("light", "none")
    store.close()


def test_only_the_owner_can_read_the_files(tmp_path):
    (tmp_path / NAME).touch(0o644)
    store = Store(tmp_path)
    store.set_setting("theme", "dark")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    store.close()
    assert modes == dict.fromkeys((NAME, f"{NAME}-wal", f"{NAME}-shm"), 0o600)


def test_a_transaction_that_fails_changes_nothing(store):
    def write_and_fail():
        with store.writing() as connection:
            connection.execute("INSERT INTO settings VALUES ('a', '1')")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert store.setting("a") == ""
    store.set_setting("a", "2")  # the next transaction works
    assert store.setting("a") == "2"


def test_threads_read_and_write_at_the_same_time(store):
    def work(number):
        for index in range(20):
            store.set_setting(f"{number}", f"{index}")
            assert store.setting(f"{number}") == f"{index}"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.setting(f"{number}") for number in range(6)] == ["19"] * 6


def test_threads_that_have_ended_leave_no_connection_open(store):
    for _ in range(20):
        thread = threading.Thread(target=store.setting, args=("theme",))
        thread.start()
        thread.join()
    assert len(store._open) == 2  # one to write, one to read


def test_write_ahead_logging_is_on_and_the_file_is_private(store):
    assert store.read("PRAGMA journal_mode")[0][0] == "wal"
    assert store.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_damaged_file_is_refused_and_an_empty_one_is_used(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    if not content:
        Store(tmp_path).close()
        return
    with pytest.raises(DmadError, match="put a backup in its place"):
        Store(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_page_that_was_overwritten_is_found_at_the_start(tmp_path):
    store = Store(tmp_path)
    for index in range(2000):
        store.set_setting(f"name-{index}", "x" * 50)
    store.close()
    with (tmp_path / NAME).open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096)
    with pytest.raises(DmadError, match="damaged"):
        Store(tmp_path)


def test_a_newer_format_is_refused(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DmadError, match="newer version"):
        Store(tmp_path)


def test_a_backup_is_whole_while_the_store_is_in_use(store, tmp_path):
    store.set_setting("name", "value")
    back_up(store.path.parent, tmp_path / "copies" / NAME)
    store.set_setting("name", "later")
    copy = Store(tmp_path / "copies")
    assert copy.setting("name") == "value"
    copy.close()


def test_a_backup_needs_a_database_and_a_new_name(store, tmp_path):
    with pytest.raises(DmadError, match=r"holds no console\.db"):
        back_up(tmp_path / "none", tmp_path / "copy")
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(DmadError, match="exists"):
        back_up(store.path.parent, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "mine"
