"""`faultline init`: profiles a new data set and proposes a config and a schema."""

from pipeline.onboarding.initialising import InitReport, initialise, print_report

__all__ = ["InitReport", "initialise", "print_report"]
