"""Pi from points already in memory, by NumPy, numexpr and dask.array."""

import math
from concurrent.futures import ThreadPoolExecutor

from serve import N_THREADS, serve


def points(n):
    import numpy

    generator = numpy.random.default_rng(7)
    return generator.uniform(-1.0, 1.0, n), generator.uniform(-1.0, 1.0, n)


def close(pi):
    return abs(pi - math.pi) < 0.01


def numpy(n, chunk):
    x, y = points(n)
    return lambda: close(4.0 * (x**2 + y**2 < 1.0).sum() / n)


def numexpr(n, chunk):
    import numexpr

    numexpr.set_num_threads(N_THREADS)
    x, y = points(n)
    names = {"x": x, "y": y}
    # numexpr's own sum uses one thread and cannot sum booleans: the mask on all threads, then NumPy's sum, is its fastest way.
    return lambda: close(4.0 * numexpr.evaluate("x**2 + y**2 < 1.0", local_dict=names).sum() / n)


def dask(n, chunk):
    import dask.array

    pool = ThreadPoolExecutor(N_THREADS)
    x, y = (dask.array.from_array(points, chunks=chunk, name=False) for points in points(n))

    def run():
        pi = 4.0 * (x**2 + y**2 < 1.0).sum() / n
        return close(pi.compute(scheduler="threads", pool=pool, num_workers=N_THREADS))

    return run


serve({"numpy": numpy, "numexpr": numexpr, "dask": dask})
