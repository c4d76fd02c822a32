"""The page of an evaluation: one HTML file that needs no internet connection.

`render` takes a `dmad.evaluation.summary.Report` and returns the text of the page.
"""
