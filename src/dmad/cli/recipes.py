"""`dmad recipes`."""

from __future__ import annotations


def recipes_command() -> None:
    """List the recipes: image size, epochs, and the data that each is for.

    A recipe is a set of settings to train with, such as `dmad train ped2`.
    `dmad train RECIPE --help` lists its settings.

    Example: dmad recipes
    """
    from dmad import recipes

    for name, description in recipes.describe():
        config = recipes.get(name)
        size, epochs = config.data.size, config.train.epochs
        print(f"{name:13} {size:3} px  {epochs:3} epochs  {description}")
