import pytest

from dmad.calibration.budget import Budget
from dmad.errors import DmadError


@pytest.mark.parametrize(
    ("text", "amount", "unit", "rate"),
    [
        ("1/day", 1, "day", 1 / 24),
        ("2/hour", 2, "hour", 2),
        (" 0.5 / hour ", 0.5, "hour", 0.5),
        ("0.001/frame", 0.001, "frame", 0.001),
        ("1e-2/image", 0.01, "image", 0.01),
    ],
)
def test_a_budget_is_read_from_text(text, amount, unit, rate):
    budget = Budget.parse(text)
    assert budget == Budget(amount, unit)
    assert budget.rate == pytest.approx(rate)
    assert Budget.parse(str(budget)) == budget
    assert Budget.parse(budget) is budget


@pytest.mark.parametrize(("unit", "expected"), [("day", True), ("hour", True), ("frame", False)])
def test_budgets_per_time_count_events(unit, expected):
    assert Budget(0.5, unit).counts_events is expected


@pytest.mark.parametrize("text", ["", "1", "/day", "1/week", "one/day", "nan/hour", "1/day/2"])
def test_unreadable_budgets_are_refused(text):
    with pytest.raises(DmadError, match=r"cannot read the budget .*write 1/day, 2/hour"):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["0/day", "-1/hour", "1/frame", "2/image"])
def test_budgets_out_of_range_are_refused(text):
    with pytest.raises(DmadError, match=r"the budget is .*give a number above 0"):
        Budget.parse(text)


def test_a_percentage_is_a_share_of_images_or_frames():
    assert Budget.parse("5%") == Budget(0.05, "image")
    assert Budget.parse("0.1 %", share_of="frame") == Budget(0.001, "frame")
    with pytest.raises(DmadError, match=r"the budget is 1\.5/image"):
        Budget.parse("150%")
    with pytest.raises(DmadError, match="cannot read the budget"):
        Budget.parse("5%/day")
