"""The automation of one model as the controller of its gateway asks it."""

from contextlib import suppress

from common.output_folder import OutputFolder
from measuring.sequential import Margins, Verdict
from pipeline.config import Config
from pipeline.production_options.automation import AutomationOptions, Limits
from production.automation.counterfactual import CounterfactualLog
from production.automation.deciding import Proposal, decide
from production.rollout.progress import Facts, key_of


def margins_of(config: Config | None) -> Margins:
    """Returns what a use case's rollouts are judged by; the defaults without a config."""
    if config is None:
        return Limits().margins()
    if config.cost is None:
        return config.automation.limits.margins()
    return config.automation.limits.margins(
        miss=config.cost.regret_of_miss, false_alarm=config.cost.regret_of_alarm
    )


class Automation:
    """Decides as the config's level says, and logs what each level would have done."""

    def __init__(self, options: AutomationOptions, folder: OutputFolder) -> None:
        """Takes the config's `automation` and the output folder."""
        self._options, self._folder = options, folder
        self._log: CounterfactualLog | None = None

    def __call__(self, facts: Facts, verdict: Verdict) -> Proposal | None:
        """Returns the action to take now, or None.

        Args:
            facts: Where the rollout is.
            verdict: What the evidence says.
        """
        # A rollback must not fail because the log cannot be written; the next look tries again.
        with suppress(OSError, ValueError):
            self._log_of(facts).look(facts, verdict)
        return decide(self._options.number, self._options.limits, facts, verdict)

    def _log_of(self, facts: Facts) -> CounterfactualLog:
        rollout = facts.rollout
        if self._log is None or self._log.key != key_of(rollout):
            folder = self._folder.rollouts(rollout.model)
            self._log = CounterfactualLog(folder, self._options.limits, rollout)
        return self._log
