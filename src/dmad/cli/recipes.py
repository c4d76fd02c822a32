"""`dmad recipes`."""

from __future__ import annotations


def recipes_command() -> None:
    """List the recipes: the sets of default settings for a training.

    Each line shows the name of a recipe, the size of the frames or images, the length of
    the training, and a description. The recipe patches needs no training. Its line shows
    the number of patches instead.

    `dmad train ped2` uses the recipe ped2. `dmad train ped2 --help-all` lists all settings
    of this recipe.

    Example: dmad recipes
    """
    from dmad import recipes

    for name, description in recipes.describe():
        config = recipes.get(name)
        print(f"{name:13} {config.data.size:3} px  {config.training:>13}  {description}")
