import re

from dmad.serve.part_report import part_report
from dmad.serve.rest import inspect_body, today


def test_the_report_is_one_file_that_needs_no_network(make_console, image_model, spot, good):
    console = make_console(image_model)
    station = console.stations["discs"]
    for name, path in (("<b>bad</b>", spot), ("fine.png", good)):
        inspect_body(console, station, path.read_bytes(), name, keep=True)
    inspect_body(console, station, good.read_bytes(), "bare.png")
    page = part_report(console, station, today())
    assert page.count("data:image/webp;base64,") == 2
    assert "no picture was kept" in page
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    assert "3 parts, 1 of them anomalous" in page
    assert page.index("bad") < page.index("fine.png")  # the highest score first
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)


def test_a_day_without_parts_has_a_report_too(make_console, image_model):
    console = make_console(image_model)
    page = part_report(console, console.stations["discs"], "2001-01-01")
    assert "0 parts" in page
