"""`dmad recipes`."""

from __future__ import annotations


def recipes_command() -> None:
    """List the recipes, with their image size, length of training and data.

    A recipe is a set of settings for training: `dmad train ped2` uses the recipe ped2.
    `dmad train RECIPE --help-all` lists its settings.

    Example: dmad recipes
    """
    from dmad import recipes

    for name, description in recipes.describe():
        config = recipes.get(name)
        print(f"{name:13} {config.data.size:3} px  {config.training:>13}  {description}")
