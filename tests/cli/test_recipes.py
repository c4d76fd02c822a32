"""`dmad recipes`."""

from dmad import recipes


def test_every_recipe_is_listed_with_its_size_and_epochs(dmad):
    code, out, err = dmad("recipes")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == recipes.names()
    assert out.splitlines()[0].startswith("ped2          256 px      60 epochs  UCSD Ped2")
    assert "patches       320 px  10000 patches  " in out
