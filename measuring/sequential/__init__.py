"""Tests that stay valid however often they are looked at, for decisions about a rollout.

A test's e-value is a capital that starts at 1 and, if the null hypothesis holds, reaches 1 / alpha
at any time with a probability of at most alpha (Ville 1939). So a rollout may end at any look.
"""

from measuring.sequential.evidence import (
    ArmCounts,
    Margins,
    PairedAnswers,
    PairedEvidence,
    Verdict,
)
from measuring.sequential.planning import Expectation, expected_requests

__all__ = [
    "ArmCounts",
    "Expectation",
    "Margins",
    "PairedAnswers",
    "PairedEvidence",
    "Verdict",
    "expected_requests",
]
