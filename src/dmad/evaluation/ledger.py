"""The ledger: the table of all results of an evaluation.

Its rows are in blocks. Compare only values of the same block.

- `paper`: the published post-processing, for comparison with the literature.
- `deployable`: scores that can be computed for new data.
- `given`: scores of another detector, unchanged.
- `blind`: baselines that use no pixel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

BlockName = Literal["paper", "deployable", "given", "blind"]


@dataclass(frozen=True)
class Row:
    """One value of a ledger."""

    block: BlockName
    signal: str  # name of the scores
    metric: str
    value: float  # in [0, 1], except for rates per hour and delays in seconds
    note: str = ""  # from how many clips, events or images the value was computed


@dataclass(frozen=True)
class LabelSet:
    """Name and hash of the labels. Only results on the same labels can be compared."""

    name: str
    sha256: str

    @classmethod
    def from_labels(cls, name: str, labels: np.ndarray) -> LabelSet:
        """Return name and hash of labels (N,), 1 = abnormal."""
        content = np.ascontiguousarray(labels, np.uint8).tobytes()
        return cls(name, sha256(content).hexdigest())


@dataclass(frozen=True)
class Ledger:
    """All results on a test split."""

    rows: list[Row]
    labels: LabelSet
    frames_without_score: int  # left out of all results

    def value(self, signal: str, metric: str = "micro_AUROC") -> float:
        """Return the value of a metric for a signal. Of several blocks, the first is used."""
        return next(row.value for row in self.rows if (row.signal, row.metric) == (signal, metric))

    def to_dict(self) -> dict[str, object]:
        """Return the ledger as a dictionary for `ledger.json`."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "labels": asdict(self.labels),
            "frames_without_score": self.frames_without_score,
        }
