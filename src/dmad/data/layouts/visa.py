"""The published split of VisA: which normal images are trained on and which are tested."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dmad.data.layouts.image_folders import SPLITS, ImageFile
from dmad.errors import DmadError, one_line

VISA_IMAGES = Path("Data", "Images")  # in the folder of a category; it holds Normal and Anomaly
SPLIT_FILE = Path("split_csv", "1cls.csv")  # beside the categories


def with_published_split(files: Sequence[ImageFile], root: Path) -> list[ImageFile]:
    """Set the split of each image of VisA to the split in the authors' table.

    Args:
        files: The images of a category.
        root: The folder of the category. If the table `split_csv/1cls.csv` is not in the folder
            above it, nothing is changed.

    Raises:
        DmadError: The table is damaged.
    """
    table = root.resolve().parent / SPLIT_FILE
    if not (root / VISA_IMAGES).is_dir() or not table.is_file():
        return list(files)
    try:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        split_of = {row["image"]: SPLITS[row["split"].lower()] for row in rows}
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise DmadError(
            f"{table} is not the table of splits of VisA ({one_line(error)}); expected the "
            "columns image and split, which is train or test"
        ) from error
    category = root.resolve().name
    return [
        replace(file, split=split_of.get(f"{category}/{file.name}", file.split)) for file in files
    ]
