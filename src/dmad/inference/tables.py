"""Tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def as_csv(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as text."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows(lines)
    return text.getvalue()
