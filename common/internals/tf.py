"""Private names of TensorFlow."""

from tensorflow.python.framework.config import disable_op_determinism

__all__ = ["disable_op_determinism"]

VERSION = "2.21"
# TensorFlow exports the switch to turn determinism on, not the one to turn it off.
NAMES = ("tensorflow.python.framework.config:disable_op_determinism",)
