"""The budget: how many false alarms a user accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dmad.errors import require

PER_HOUR = {"hour": 1.0, "day": 1 / 24}

Unit = Literal["hour", "day", "frame", "image"]


@dataclass(frozen=True)
class Budget:
    """A number of false alarms per hour or day, or a share of normal frames or images.

    Args:
        amount: Number of false alarms, above 0; or a share, above 0 and below 1.
        unit: `hour` or `day` for a number, `frame` or `image` for a share.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        limit = np.inf if self.counts_events else 1.0
        expected = "above 0" if self.counts_events else "above 0 and below 1"
        require(0 < self.amount < limit, f"the budget is {self}; give a number {expected}")

    @classmethod
    def parse(cls, text: str | Budget, share_of: Unit = "image") -> Budget:
        """Read a budget from a text such as "1/day".

        Args:
            text: "1/day", "2/hour", "0.001/frame", "0.01/image", or "1%" of the frames or images.
                A `Budget` is returned unchanged.
            share_of: What a percentage is a share of: "frame" or "image".

        Raises:
            DmadError: The text has another form.
        """
        if isinstance(text, Budget):
            return text
        amount, _, unit = (part.strip() for part in text.partition("/"))
        is_percentage = amount.endswith("%") and not unit
        if is_percentage:
            amount, unit = amount.removesuffix("%"), share_of
        try:
            number = float(amount) / (100 if is_percentage else 1)
        except ValueError:
            number = np.nan
        require(
            unit in (*PER_HOUR, "frame", "image") and np.isfinite(number),
            f"cannot read the budget {text!r}; write 1/day, 2/hour, 0.001/frame, 0.01/image or 1%",
        )
        return cls(number, unit)  # type: ignore[arg-type]

    @property
    def counts_events(self) -> bool:
        """True if the budget counts events; False if it is a share of frames or images."""
        return self.unit in PER_HOUR

    @property
    def rate(self) -> float:
        """Events per hour, or the share of frames or images."""
        return self.amount * PER_HOUR.get(self.unit, 1.0)

    def __str__(self) -> str:
        return f"{self.amount:g}/{self.unit}"
