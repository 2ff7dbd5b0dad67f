"""`faultline init`: profiles a new data set and proposes a config and a schema."""

from pipeline.onboarding.initialising import InitReport, initialise, print_report
from pipeline.onboarding.profile.table import ReadOptions

__all__ = ["InitReport", "ReadOptions", "initialise", "print_report"]
