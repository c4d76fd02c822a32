"""One self-contained HTML page a run: what was found, how far to trust it, and why.

Data in, string out: the page needs no network, and this package knows no model, disk or argv.
"""

from dmad.evaluation.summary import Block, Panel, Report, Series
from dmad.report.page import render

__all__ = ["Block", "Panel", "Report", "Series", "render"]
