"""Stores a calibration in the card of a model, or in a separate file.

The card is the file `model.json`, which describes the model.

Earlier calibrations are kept in a folder beside the card or the file, such as `gate.history` for
`gate.json`. So each change can be undone exactly.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmad.calibration.calibration import Calibration
from dmad.calibration.held_out import HeldOut
from dmad.calibration.synthetic import SyntheticTerms
from dmad.checked_files import read_mapping
from dmad.errors import DmadError, require
from dmad.files import write_atomically
from dmad.runs import ModelFiles, update_card

KEPT = 20  # number of earlier calibrations that are kept


@dataclass(frozen=True)
class CalibrationStore:
    """The files of a calibration.

    Args:
        files: The files of the model.
        out: File of the calibration. None: the calibration is in the card (`model.json`).
    """

    files: ModelFiles
    out: Path | None = None

    @property
    def path(self) -> Path:
        """The file that contains the calibration."""
        return self.out or self.files.card

    @property
    def terms(self) -> Path:
        """The file with the score terms of the footage. It may not exist."""
        return terms_file(self.path)

    @property
    def history(self) -> Path:
        """The folder of the earlier calibrations. It may not exist."""
        return self.path.with_name(f"{_stem(self.path)}.history")

    def read_terms(self) -> tuple[HeldOut, SyntheticTerms | None]:
        """Return the score terms of the footage, and of the synthetic anomalies made from it.

        The second value is None if the file has no terms of synthetic anomalies.
        """
        return HeldOut.read(self.terms), SyntheticTerms.read(self.terms)

    def write_terms(self, held: HeldOut, synthetic: SyntheticTerms | None) -> None:
        """Write the score terms of footage and of synthetic anomalies."""
        held.write(self.terms, synthetic.to_dict() if synthetic else {})

    def write(self, calibration: Calibration, **entries: Any) -> None:
        """Write the calibration.

        Args:
            calibration: The calibration.
            **entries: Other values to write into the card. If `out` is given, they are not written.
        """
        self._write({"calibration": calibration.to_dict(), **entries})

    def remember(self, calibration: Calibration | None, **entries: Any) -> None:
        """Keep the calibration that is about to be replaced, so that `undo` can restore it.

        The score terms of its footage are kept too.

        Args:
            calibration: The calibration. None: nothing is kept.
            **entries: Other values to keep. `undo` writes them into the card again.
        """
        if calibration is None:
            return
        self.history.mkdir(parents=True, exist_ok=True)
        kept = self.earlier()
        number = int(kept[-1].stem) + 1 if kept else 1
        path = self.history / f"{number:04d}.json"
        if self.terms.is_file():
            shutil.copyfile(self.terms, path.with_suffix(".npz"))
        write_atomically(path, json.dumps({"calibration": calibration.to_dict(), **entries}))
        for old in self.earlier()[:-KEPT]:
            _remove(old)

    def undo(self) -> Calibration:
        """Restore the calibration that was replaced last, and return it.

        Raises:
            DmadError: No earlier calibration is kept, or its file is damaged.
        """
        kept = self.earlier()
        require(bool(kept), f"no earlier threshold is kept beside {self.path}")
        last, advice = kept[-1], "calibrate again on normal footage"
        try:
            entries = read_mapping(last, advice)
            calibration = Calibration.from_dict(entries["calibration"])
        except (DmadError, AttributeError, KeyError) as error:
            raise DmadError(f"{last} is damaged; {advice}") from error
        if last.with_suffix(".npz").is_file():
            write_atomically(self.terms, last.with_suffix(".npz").read_bytes())
        else:
            self.terms.unlink(missing_ok=True)
        self._write(entries)
        _remove(last)
        return calibration

    def _write(self, entries: Mapping[str, Any]) -> None:
        if self.out:
            write_atomically(self.out, json.dumps(entries["calibration"], indent=1))
        else:
            update_card(self.files, entries)

    def earlier(self) -> list[Path]:
        """Return the files of the earlier calibrations, the oldest first."""
        return sorted(path for path in self.history.glob("*.json") if path.stem.isdigit())


def terms_file(path: Path) -> Path:
    """Return the path of the score terms that belong to `model.json` or a calibration file."""
    return path.with_name(f"{_stem(path)}.npz")


def _stem(path: Path) -> str:
    return path.name.removesuffix(".json")


def _remove(kept: Path) -> None:
    kept.unlink(missing_ok=True)
    kept.with_suffix(".npz").unlink(missing_ok=True)
