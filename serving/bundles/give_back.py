"""Memory that a replaced model leaves behind goes back to the system, instead of waiting for who may need it again."""

import ctypes
import sys


def give_back() -> bool:
    """Return what the C library keeps of freed memory; whether it can (glibc does, others keep less anyway)."""
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
