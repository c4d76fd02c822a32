"""How many false alarms are acceptable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dmad.errors import require

PER_HOUR = {"hour": 1.0, "day": 1 / 24}

Unit = Literal["hour", "day", "frame", "image"]


@dataclass(frozen=True)
class Budget:
    """How many false alarms are acceptable: events per hour or day, or a share of frames or images.

    Args:
        amount: Events, or a share below 1; above 0.
        unit: Of what.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        most = np.inf if self.unit in PER_HOUR else 1.0
        require(
            0 < self.amount < most,
            f"the budget is {self}; give a number above 0"
            + ("" if self.unit in PER_HOUR else " and below 1"),
        )

    @classmethod
    def parse(cls, text: str | Budget) -> Budget:
        """From "1/day", "2/hour", "0.001/frame" or "0.01/image"; `DmadError` for all else."""
        if isinstance(text, Budget):
            return text
        amount, _, unit = (part.strip() for part in text.partition("/"))
        try:
            number = float(amount)
        except ValueError:
            number = np.nan
        require(
            unit in (*PER_HOUR, "frame", "image") and np.isfinite(number),
            f"cannot read the budget {text!r}; write 1/day, 2/hour, 0.001/frame or 0.01/image",
        )
        return cls(number, unit)  # type: ignore[arg-type]

    @property
    def counts_events(self) -> bool:
        """Whether events are counted, not frames or images."""
        return self.unit in PER_HOUR

    @property
    def rate(self) -> float:
        """Events an hour, or the share of frames or images."""
        return self.amount * PER_HOUR.get(self.unit, 1.0)

    def __str__(self) -> str:
        return f"{self.amount:g}/{self.unit}"
