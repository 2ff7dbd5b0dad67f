"""The controller of a running gateway: traffic follows the journal, decisions follow evidence."""

from production.controller.controller import Controller, Setup

__all__ = ["Controller", "Setup"]
