"""Predictions of two models for the same examples, computed as in the Evaluator."""

import tensorflow as tf

from common.errors import InputError
from measuring.answers import Answers, merge_answers
from pipeline.comparing.pairing import CannotPairError, Pair
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.executor import ScoreFn
from pipeline.components.evaluation.slices import SliceOptions


def ask_both(pair: Pair) -> Answers:
    """Returns the predictions; the first run's model is the baseline, the second's the candidate.

    Raises:
        CannotPairError: A model cannot read the examples.
    """
    models = {CANDIDATE: str(pair.second), BASELINE: str(pair.first)}
    score = ScoreFn(models, pair.label, SliceOptions(), pair.options.get("group"))
    score.setup()
    try:
        parts = [answers for file in pair.files for _, answers in score.process(str(file))]
    except (InputError, tf.errors.InvalidArgumentError) as error:
        raise CannotPairError(f"a model cannot read the test examples: {error}") from error
    return merge_answers(parts)
