"""`faultline init`: profiles a new data set and proposes a config and a schema."""

from pipeline.onboarding.decisions import Decisions, make_decisions
from pipeline.onboarding.initialising import InitReport, initialise, print_report
from pipeline.onboarding.profile.table import ReadOptions

__all__ = [
    "Decisions",
    "InitReport",
    "ReadOptions",
    "initialise",
    "make_decisions",
    "print_report",
]
