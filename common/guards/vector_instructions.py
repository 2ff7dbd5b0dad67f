"""Limit of the vector instructions that TensorFlow's kernels may use."""

import os

_VARIABLE = "ONEDNN_MAX_CPU_ISA"


def limit_vector_instructions() -> None:
    """Keeps oneDNN to AVX2, unless the environment says otherwise; before TensorFlow's first use.

    On processors with AVX-512, the oneDNN of TensorFlow 2.21 writes beyond its buffers when a small
    convolution over pictures is trained, and the process aborts ("double free or corruption"). With
    one set of instructions, machines with and without AVX-512 also give the same bits.
    """
    os.environ.setdefault(_VARIABLE, "AVX2")
