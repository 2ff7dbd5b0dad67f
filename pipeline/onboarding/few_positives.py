"""Few positive rows in `test`: the warning about the verdict, and the proposal to cross-fit."""

from measuring.intervals import proportion_interval
from pipeline.config import Evaluation
from pipeline.counting import count

# Below the first, chance decides over the verdict; below the second, cross-fitting pays.
_FEW, _ENOUGH = 10, 50
_NUM_FOLDS = 5
CROSS_FIT_KEY = "evaluation.cross_fit"


def shown_recall(num_positives: int) -> float:
    """Returns the recall that is shown with confidence if all positives are found.

    >>> round(shown_recall(6), 2)  # 0.025^(1/6)
    0.54
    """
    return proportion_interval(num_positives, num_positives, Evaluation().confidence)[0]


def verdict_warning(num_positives: int) -> str:
    """Returns what few positive rows in `test` do to the verdict, or an empty text."""
    if num_positives >= _FEW:
        return ""
    rows = count(num_positives, "positive row")
    return (
        f"`test` will have about {rows}. Even if the model finds all of them, only a recall above "
        f"{shown_recall(max(1, num_positives)):.2f} is shown. One row more or less changes the "
        "metrics and may change the verdict, which will often be INCONCLUSIVE."
    )


def cross_fit_words(num_positives: int) -> str:
    """Returns the proposal to cross-fit, or an empty text where `test` has enough positives."""
    if num_positives >= _ENOUGH:
        return ""
    return (
        f"With about {count(num_positives, 'positive row')} in `test`, cross-fitting makes the "
        f"verdict more certain: it trains {_NUM_FOLDS} times and judges every row of train and "
        "eval by a model that did not see it."
    )


def cross_fit_yaml() -> list[str]:
    """Returns the lines that turn cross-fitting on."""
    block, key = CROSS_FIT_KEY.split(".")
    return [f"{block}:", f"  {key}: {_NUM_FOLDS}"]
