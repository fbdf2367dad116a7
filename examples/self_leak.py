#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A Python host that leaks into itself by the C API:  mtctl run -- python3 self_leak.py"""

import ctypes

process = ctypes.CDLL(None)  # everything that is loaded; the library among it, if preloaded


def library():
    """The C API with its types, or None where the library is not there."""
    if not hasattr(process, "mt_version"):
        return None
    process.mt_version.restype = ctypes.c_char_p
    process.mt_mem_alloc.argtypes = [ctypes.c_size_t]
    process.mt_mem_used.restype = ctypes.c_ulonglong
    return process


mt = library()
if mt is None:
    print("libmtpreload.so is not loaded: nothing was leaked")
else:
    for _ in range(3):
        if mt.mt_mem_alloc(1 << 20) < 0:
            print("refused")
    print(f"mtpreload {mt.mt_version().decode()}: {mt.mt_mem_used()} bytes leaked")
    mt.mt_mem_free()
    print(f"taken back: {mt.mt_mem_used()} bytes are held")
