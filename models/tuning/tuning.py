"""Search for training options with KerasTuner; TFX's Tuner calls `tuner_fn`.

Every trial trains on the train split and is judged on the eval split, as the Trainer is, and from
the same seed: trials differ by their options alone, and the Trainer then repeats the best one.
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from models.model_spec import ModelSpec
from models.probabilities.cost import Cost, expected_cost
from models.probabilities.sampling import SamplingShift, sampling_shift
from models.probabilities.thresholds import check_threshold, choose_threshold
from models.search_space import Dimension, Tuning, as_choice, is_whole, trial_options
from models.stored_rows import RowStore
from models.train_options import TrainOptions
from models.training.fitting import ModelData, train_model
from models.training.trainer import fit_probability, read_data, recorded_sampling, reproducible

if TYPE_CHECKING:
    from tfx.components.tuner.component import TunerFnResult

_progress = logging.getLogger("faultline.progress")

Judge = Callable[[TrainOptions], float]
_DIRECTIONS = {"pr_auc": "max", "expected_cost": "min"}


class OptionsTuner(BaseTuner):  # type: ignore[misc]
    """KerasTuner's search over training options, judged by a function."""

    def __init__(
        self, tuning: Tuning, options: TrainOptions, judge: Judge, *, seed: int, folder: Path
    ) -> None:
        """Prepares a search.

        Args:
            tuning: The search space and the strategy.
            options: The training options; those not searched are unchanged.
            judge: Function from the options of a trial to its objective.
            seed: Seed of the proposed values.
            folder: Folder for KerasTuner's records of the trials.
        """
        self._tuning = tuning
        self._options = options
        self._judge = judge
        super().__init__(
            make_oracle(tuning, options, seed=seed),
            directory=str(folder),
            project_name="tuning",
            overwrite=True,
        )

    def run_trial(self, trial: Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Trains one network and returns its objective."""
        options = trial_options(self._options, trial.hyperparameters.values)
        number = int(trial.trial_id) + 1
        _progress.info("trial %d of at most %d", number, self._tuning.trials)
        return {self._tuning.objective: self._judge(options)}

    def on_search_end(self) -> None:
        """Checks that there is a best trial.

        Raises:
            RuntimeError: Every trial failed; gives the error of the first.
        """
        trials = list(self.oracle.trials.values())
        if not any(trial.status == TrialStatus.COMPLETED for trial in trials):
            # KerasTuner would return the options of a failed trial as the best.
            raise RuntimeError(f"All {len(trials)} trials failed; the first:\n{trials[0].message}")


def make_oracle(tuning: Tuning, options: TrainOptions, *, seed: int) -> keras_tuner.Oracle:
    """Returns the oracle, which proposes the trials.

    Args:
        tuning: The search space and the strategy.
        options: Training options; their `epochs` limit Hyperband's longest trial.
        seed: Seed of the proposals, >= 0.
    """
    common = {
        "objective": keras_tuner.Objective(tuning.objective, _DIRECTIONS[tuning.objective]),
        "hyperparameters": make_hyperparameters(tuning),
        "seed": seed + 1,  # KerasTuner reads 0 as "any"
    }
    if tuning.strategy == "random":
        return keras_tuner.oracles.RandomSearchOracle(max_trials=tuning.trials, **common)
    if tuning.strategy == "bayesian":
        return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=tuning.trials, **common)
    oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=options.epochs, **common)
    # Its own schedule may be longer; every oracle of KerasTuner stops there.
    oracle.max_trials = tuning.trials
    return oracle


def make_hyperparameters(tuning: Tuning) -> keras_tuner.HyperParameters:
    """Returns the search space in KerasTuner's own form."""
    space = keras_tuner.HyperParameters()
    for name, dimension in tuning.space.items():
        if dimension.choices is not None:
            space.Choice(name, [as_choice(choice) for choice in dimension.choices])
        else:
            _add_range(space, name, dimension)
    return space


def _add_range(space: keras_tuner.HyperParameters, name: str, dimension: Dimension) -> None:
    low, high = dimension.min, dimension.max
    if is_whole(name):
        space.Int(name, int(low or 0), int(high or 0), sampling=dimension.scale)
    else:
        space.Float(name, low, high, sampling=dimension.scale)


def tuner_fn(fn_args: Any) -> "TunerFnResult":
    """Returns the search that TFX's Tuner runs.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds a `Tuning` as JSON, and the keys of `run_fn`.
            Its files are those of the train and the eval split.
    """
    from tfx.components.tuner.component import TunerFnResult

    spec = ModelSpec.from_json(fn_args.custom_config["model_spec"])
    tuning = Tuning.from_json(fn_args.custom_config["tuning"])
    sampling = sampling_shift(recorded_sampling(fn_args.custom_config))
    folder = Path(fn_args.working_dir)
    data = read_data(fn_args, spec, sampling, store=RowStore(folder=folder))
    labels = data.evaluation.labels
    num_positive = int(labels.sum())
    check_threshold(
        spec.threshold, num_positive=num_positive, num_negative=labels.size - num_positive
    )
    judge = _make_judge(data, sampling, _prices(fn_args.custom_config, tuning), folder / "log")
    tuner = OptionsTuner(tuning, spec.train, judge, seed=spec.seed, folder=folder)
    return TunerFnResult(tuner=tuner, fit_kwargs={})


def _prices(custom_config: Mapping[str, str], tuning: Tuning) -> Cost | None:
    """The costs, if trials are judged by cost."""
    return Cost.from_json(custom_config["cost"]) if tuning.objective == "expected_cost" else None


def _make_judge(
    data: ModelData, sampling: SamplingShift, cost: Cost | None, log_dir: Path
) -> Judge:
    def judge(options: TrainOptions) -> float:
        spec = replace(data.spec, train=options)
        with reproducible(spec.seed):
            trained = train_model(replace(data, spec=spec), log_dir)
        shutil.rmtree(log_dir)  # curves of trials: the results of all of them are an artifact
        if cost is None:
            return float(trained.facts["eval_pr_auc"])
        _, probabilities = fit_probability(trained, data.evaluation, spec=spec, sampling=sampling)
        labels = data.evaluation.labels.astype(np.float64)
        threshold = choose_threshold(
            spec.threshold, probabilities, labels, data.evaluation.groups, data.timeline
        )
        return expected_cost(probabilities, labels, threshold=threshold, cost=cost)

    return judge
