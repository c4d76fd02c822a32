"""The published split of VisA is used if its table is beside the categories."""

from pathlib import Path

from dmad.data.layouts.image_folders import ImageFile
from dmad.data.layouts.visa import with_published_split


def test_without_the_table_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "candle/Data/Images").mkdir(parents=True)
    path = tmp_path / "candle/Data/Images/Normal/0.JPG"
    file = ImageFile(path, "Data/Images/Normal/0.JPG", "normal", None)
    assert with_published_split([file], tmp_path / "candle") == [file]
    (tmp_path / "split_csv").mkdir()
    table = "object,split,label,image,mask\ncandle,test,normal,candle/Data/Images/Normal/0.JPG,\n"
    (tmp_path / "split_csv/1cls.csv").write_text(table)
    assert with_published_split([file], tmp_path / "candle")[0].split == "test"
