"""Dice, in the words that a drawing of a world needs."""

import math
import random


def happens(dice: random.Random, share: float) -> bool:
    """Whether something happens that happens in this share of cases."""
    return dice.random() < share


def between(dice: random.Random, least: float, most: float) -> float:
    """A number whose logarithm is even between those of two bounds."""
    return math.exp(dice.uniform(math.log(least), math.log(most)))
