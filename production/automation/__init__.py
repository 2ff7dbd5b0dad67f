"""The automation dial: what is decided without a person, and what other levels would have done."""

from production.automation.automation import Automation, margins_of
from production.automation.deciding import Proposal, decide

__all__ = ["Automation", "Proposal", "decide", "margins_of"]
