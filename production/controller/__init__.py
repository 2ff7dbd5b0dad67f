"""The controller of a running gateway: traffic follows the journal, decisions follow evidence."""

from production.controller.controller import Controller, Setup
from production.controller.setting_up import make_setup

__all__ = ["Controller", "Setup", "make_setup"]
