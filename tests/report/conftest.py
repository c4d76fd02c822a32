"""A report with all parts, and one without any."""

from pathlib import Path

import numpy as np
import pytest

from dmad.evaluation.summary import Panel, Report, Series
from dmad.evaluation.table import Table
from dmad.report.page import render

NAUGHTY = "<script>alert('1')</script> & \"co\" </title>{{ 7*7 }}"


def series(name: str, seed: int, frames: int = 171) -> Series:
    rng = np.random.default_rng(seed)
    labels = np.zeros(frames, np.uint8)
    labels[60:90] = 1
    terms = rng.normal(0, 0.4, (2, frames)) + 4 * labels
    terms[:, :4] = np.nan
    return Series(name, terms.sum(0), terms[0], terms[1], labels, [(60, 75), (78, 90)])


def panel(title: str = "Clip 1, frame 70") -> Panel:
    image = np.random.default_rng(0).integers(0, 256, (64, 256, 3), np.uint8)
    return Panel(title, "Score 8.1", image)


@pytest.fixture(scope="session")
def report() -> Report:
    rate = np.linspace(0, 1, 50)
    epochs = [{"epoch": e, "total": 1 / e, "own_term": 2.0, "items_used": 9.0} for e in (1, 2, 3)]
    return Report(
        title="ped2 / 20260101",
        subtitle="2 clips",
        headline=[("0.941", "micro AUROC", "one seed"), ("3.1", "false alarms an hour", "")],
        tables=[
            Table(
                "paper", ["signal", "AUROC", "note"], [["Eq. 14", "0.96", "ok"]], ["To compare."]
            ),
            Table("deployable", ["signal", "AUROC"], [["Eq. 14", "0.94 ± 0.01"]], ["To expect."]),
            Table("blind", ["signal", "AUROC"], [["constant", "0.5"]], ["To beat."]),
        ],
        series=[series("Test001", 1), series(NAUGHTY, 2), series("Test003", 3)],
        threshold=2.5,
        fps=10.0,
        panels=[panel(), panel("Clip 2, frame 80")],
        roc=[("score", rate, rate**0.2), ("reconstruction", rate, rate**0.4)],
        alarms=(np.array([0.0, 20.0, 90.0]), np.array([0.4, 0.8, 1.0])),
        history=epochs,
        settings={"seed": 0, "data": {"root": Path("/d"), "normal": (1, 3), "deep": {"x": None}}},
        fingerprint={"data": "sha256 " + "a1" * 32},
        notes=["One seed only."],
    )


@pytest.fixture(scope="session")
def html(report: Report) -> str:
    return render(report)


@pytest.fixture(scope="session")
def empty() -> Report:
    return Report("run", "", [], [], [], None, None, [], [], None, [], {}, {})


@pytest.fixture(scope="session")
def naughty() -> str:
    return NAUGHTY
