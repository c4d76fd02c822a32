"""Options made from signatures and docstrings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from dmad.cli.parsing import call, expected, parser_of, written
from dmad.errors import DmadError


@dataclass(frozen=True)
class Place:
    """Where things are.

    Args:
        root: A folder.
    """

    root: Path | None = None


@dataclass(frozen=True)
class Order:
    """What is ordered.

    Args:
        taste: How it tastes.
        gift_cards: Pictures for it.
        price: What it costs.
        root: Given by another parameter.
    """

    taste: Literal["sweet", "sour"] = "sweet"
    gift_cards: Sequence[str | Path] = ()
    price: str = ""
    root: Path | None = None


HERE = Place()
received = []


def bake(
    cake: str, *guests: str, order: Order, eggs: int = 3, hot: bool = True, data: Place = HERE
) -> None:
    """Bake a cake.

    It takes an hour.

    Example: dmad bake lemon

    Args:
        cake: Which cake.
        guests: Who comes.
        order: What is ordered.
        eggs: How many eggs.
        hot: Serve it hot.
        data: Where things are.
    """
    received.append((cake, guests, order, eggs, hot, data))


def pack(
    boxes: list[str],
    *,
    format: Literal["zip", "tar"],
    sizes: list[int] | None = None,
    colours: tuple[Literal["red", "blue", "green"], ...] = ("red",),
) -> None:
    """Pack boxes.

    Args:
        boxes: The boxes.
        format: How.
        sizes: Their sizes.
        colours: Their colours.
    """
    received.append((boxes, format, sizes, colours))


def run(verb, *arguments: str):
    parser = parser_of(verb.__name__, verb)
    call(verb, parser.instantiate(parser.parse_args(list(arguments))))
    return received.pop()


def refusal(verb, *arguments: str) -> str:
    with pytest.raises(DmadError) as refused:
        run(verb, *arguments)
    return str(refused.value)


def test_defaults_are_those_of_the_signature():
    assert run(bake, "lemon") == ("lemon", (), Order(), 3, True, Place())


def test_arguments_reach_the_parameters_in_their_types():
    result = run(bake, "lemon", "Ann", "Bob", "--eggs", "4", "--hot", "false", "--data.root", "x")
    assert result == ("lemon", ("Ann", "Bob"), Order(), 4, False, Place(Path("x")))


def test_fields_of_a_dataclass_without_default_are_options_without_prefix():
    _, _, order, *_ = run(bake, "lemon", "--taste", "sour", "--price", "3/day")
    assert order == Order(taste="sour", price="3/day")


def test_a_list_of_paths_is_several_words_and_its_option_has_a_dash_or_an_underscore():
    for option in ("--gift-cards", "--gift_cards"):
        _, _, order, *_ = run(bake, "lemon", option, "a.png", "b.png")
        assert list(order.gift_cards) == [Path("a.png"), Path("b.png")]


def test_a_positional_list_is_several_words_and_a_list_option_is_one():
    assert run(pack, "a", "b", "--format", "zip", "--sizes", "[1,2]") == (
        ["a", "b"],
        "zip",
        [1, 2],
        ("red",),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing: CAKE; see `dmad bake --help`"),
        (["lemon", "--egs", "3"], "unknown argument --egs; did you mean --eggs?"),
        (["lemon", "--root", "x"], "unknown argument --root; did you mean --data.root?"),
        (["lemon", "--data.rot=x"], "unknown argument --data.rot; did you mean --data.root?"),
        (["lemon", "--xyzzy"], "unknown argument --xyzzy; see `dmad bake --help`"),
        (["lemon", "--eggs", "many"], "--eggs is 'many'; give a whole number"),
        (["lemon", "--hot", "warm"], "--hot is 'warm'; give true or false"),
        (["lemon", "--taste", "salty"], "--taste is 'salty'; give one of sweet, sour"),
        (["lemon", "--eggs"], "argument --eggs: expected one argument; see `dmad bake --help`"),
    ],
)
def test_a_wrong_argument_is_one_line_that_says_what_to_do(arguments, message):
    assert refusal(bake, *arguments) == message


def test_what_must_be_given_is_named_as_it_is_written():
    assert refusal(pack).startswith("missing: BOXES, --format;")
    assert refusal(pack, "a", "--format", "zip", "--sizes", "x").endswith("such as [4,1]")


def test_a_wrong_item_of_a_list_names_the_choices():
    message = "--colours is 'pink'; give a list of red, blue, green, such as [red,blue]"
    assert refusal(pack, "a", "--format", "zip", "--colours", "[pink]") == message
    assert run(pack, "a", "--format", "zip", "--colours", "[blue,red]")[3] == ("blue", "red")


def test_help_shows_text_and_defaults_and_nothing_of_python():
    text = " ".join(parser_of("bake", bake).format_help().split())
    assert text.startswith("usage: dmad bake CAKE [GUESTS ...] [options] Bake a cake. It takes an")
    assert "Example: dmad bake lemon positional arguments: CAKE Which cake." in text
    assert "--eggs EGGS How many eggs. (default: 3)" in text
    assert "--hot {true,false} Serve it hot. (default: true)" in text
    assert "--gift-cards GIFT_CARDS [GIFT_CARDS ...] Pictures for it. --price" in text
    assert "Where things are: --data.root ROOT A folder." in text
    for unwanted in ("null", "class", "type:", "CONFIG", "Given by another parameter"):
        assert unwanted not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("", ""), ((), ""), (0.8, "0.8"), (3.0, "3"), (True, "true"), ((4, 1), "[4,1]")],
)
def test_a_default_is_shown_as_a_user_writes_it(value, text):
    assert written(value) == text


def test_what_is_expected_is_said_in_words():
    assert expected(float | None) == "a number"
    assert expected(tuple[int, ...]) == "a list, such as [4,1]"
