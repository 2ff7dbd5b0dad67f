"""Memory that the process has freed and the C library still keeps."""

import ctypes


def return_free_memory() -> None:
    """Gives freed memory back to the system.

    After millions of small allocations, glibc keeps free pages between those in use for later
    allocations; they count as memory of the process. Other C libraries lack the function, and
    nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
