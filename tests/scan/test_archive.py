"""What an archive contains."""

import os

import pytest

from dmad.errors import DmadError
from dmad.scan.archive import find_sources, identity_of, read_list, view_of_file


@pytest.fixture
def archive(tmp_path):
    for name in (
        "gate/2026-03-01/10.mp4",
        "gate/2026-03-01/9.mp4",
        "yard/clip/0.png",
        "yard/clip/1.png",
        "yard/mixed/film.mp4",
        "yard/mixed/snapshot.jpg",
        "masks/0.png",
        "notes.pdf",
    ):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    return tmp_path / "archive"


def found(archive, judges="frames", skipped=""):
    names = {}
    for source in find_sources([str(archive)], judges, skipped):
        names[os.path.relpath(source.path, archive)] = source
    return names


def test_films_and_folders_of_frames_are_found_with_their_views(archive):
    sources = found(archive)
    judged = {name: source.view for name, source in sources.items() if not source.reason}
    assert judged == {
        "gate/2026-03-01/9.mp4": "gate",
        "gate/2026-03-01/10.mp4": "gate",
        "yard/clip": "yard",
        "yard/mixed/film.mp4": "yard/mixed",
    }
    assert list(judged)[:2] == ["gate/2026-03-01/9.mp4", "gate/2026-03-01/10.mp4"]
    assert sources["yard/mixed/snapshot.jpg"].reason.startswith("it is an image; a model of video")
    assert "ends with .pdf" in sources["notes.pdf"].reason
    assert "masks/0.png" not in sources


def test_a_model_of_images_takes_images(archive):
    sources = found(archive, "images")
    judged = [name for name, source in sources.items() if not source.reason]
    assert judged == ["yard/clip/0.png", "yard/clip/1.png", "yard/mixed/snapshot.jpg"]
    assert sources["yard/mixed/film.mp4"].reason.startswith("it is a film")


def test_the_folder_of_the_results_is_skipped(archive):
    assert "yard/clip" not in found(archive, skipped=str(archive / "yard"))


def test_a_link_to_a_folder_around_it_is_not_followed(archive):
    (archive / "gate" / "again").symlink_to(archive)
    assert len(found(archive)) == len({*found(archive)}) == 6


def test_a_changed_frame_changes_the_identity_of_its_folder(archive):
    before = found(archive)["yard/clip"]
    assert identity_of(before.path) == (before.size, before.stamp)
    (archive / "yard/clip/2.png").write_text("content")
    assert identity_of(before.path) != (before.size, before.stamp)
    assert identity_of(str(archive / "nothing")) is None


def test_lists_name_paths_and_views(archive, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "list.txt").write_text("archive/gate/2026-03-01/9.mp4\n\narchive/nothing.mp4\n")
    (tmp_path / "list.csv").write_text("view,path\nnorth,archive/gate/2026-03-01/9.mp4\n")
    table = pa.table({"path": [str(archive / "yard" / "clip")], "view": ["south"]})
    pq.write_table(table, tmp_path / "list.parquet")
    lists = [str(tmp_path / f"list.{kind}") for kind in ("txt", "csv", "parquet")]
    sources = list(find_sources(lists, "frames"))
    assert [source.view for source in sources] == ["gate", "archive", "north", "south"]
    assert [source.reason for source in sources] == ["", "it does not exist", "", ""]
    assert next(iter(read_list(lists[0]))) == (str(archive / "gate/2026-03-01/9.mp4"), "")


def test_a_list_without_paths_is_refused(tmp_path):
    (tmp_path / "list.csv").write_text("name\nx\n")
    with pytest.raises(DmadError, match="no column path; it has name"):
        list(read_list(str(tmp_path / "list.csv")))
    (tmp_path / "list.parquet").write_text("nonsense")
    with pytest.raises(DmadError, match="no readable list"):
        list(read_list(str(tmp_path / "list.parquet")))


def test_a_missing_archive_is_refused(tmp_path):
    with pytest.raises(DmadError, match="does not exist"):
        list(find_sources([str(tmp_path / "nothing")], "frames"))


def test_the_view_of_a_file_is_its_nearest_folder_that_is_no_date():
    assert view_of_file("/data/gate/2026-03-01/07/a.mp4") == "gate"
    assert view_of_file("s3://bucket/a.mp4") == "bucket"
