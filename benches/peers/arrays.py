"""Arrays at work, by dask.array, NumPy, numexpr and SciPy."""

from concurrent.futures import ThreadPoolExecutor

import numpy
from serve import N_THREADS, serve


def uniform(*shape):
    return numpy.random.default_rng(7).uniform(-1.0, 1.0, shape)


def on_threads():
    pool = ThreadPoolExecutor(N_THREADS)
    return {"scheduler": "threads", "pool": pool, "num_workers": N_THREADS}


def blocks_of(data, chunks):
    import dask.array

    return dask.array.from_array(data, chunks=chunks, name=False)


def expression(n, chunk, by):
    x, y = uniform(n), numpy.random.default_rng(8).uniform(-1.0, 1.0, n)

    def right(total):
        return 0.1 < total / n < 0.5

    if by == "numexpr":
        import numexpr

        numexpr.set_num_threads(N_THREADS)
        names = {"x": x, "y": y}
        text = "sqrt(abs((x - 0.3) * 2.0 + x * y - (y + 0.5) / (x * x + 1.0))) * 0.25"
        # numexpr's own sum uses one thread: the values on all threads, then NumPy's sum, is its fastest way.
        return lambda: right(numexpr.evaluate(text, local_dict=names).sum())
    how = on_threads()
    a, b = blocks_of(x, chunk), blocks_of(y, chunk)

    def run():
        z = numpy.sqrt(abs((a - 0.3) * 2.0 + a * b - (b + 0.5) / (a * a + 1.0))) * 0.25
        return right(z.sum().compute(**how))

    return run


def transpose(n, chunk):
    import dask.array

    how = on_threads()

    def run():
        x = dask.array.random.default_rng(7).random((n, n), chunks=(chunk, chunk))
        return abs((x + x.T).mean().compute(**how) - 1.0) < 1e-3

    return run


def standardise(rows, columns, chunk, by):
    x = uniform(rows, columns)
    if by == "numpy":

        def run():
            means = ((x - x.mean(axis=0)) / x.std(axis=0)).mean(axis=1)
            return abs(means.sum()) < 1e-6

        return run
    how = on_threads()
    a = blocks_of(x, (chunk, columns))

    def run():
        means = ((a - a.mean(axis=0)) / a.std(axis=0)).mean(axis=1).compute(**how)
        return means.shape == (rows,) and abs(means.sum()) < 1e-6

    return run


def blas_threads(n):
    from threadpoolctl import threadpool_limits

    threadpool_limits(n)


def matmul(n, chunk, by):
    x, y = uniform(n, n), numpy.random.default_rng(8).uniform(-1.0, 1.0, (n, n))
    if by == "numpy":
        blas_threads(N_THREADS)
        return lambda: (x @ y).shape == (n, n)
    # One BLAS thread for each of Dask's: two each take turns on the same cores.
    blas_threads(1)
    how = on_threads()
    a, b = blocks_of(x, (chunk, chunk)), blocks_of(y, (chunk, chunk))
    return lambda: (a @ b).persist(**how).shape == (n, n)


def svd(rows, columns, chunk):
    import dask
    import dask.array

    blas_threads(1)
    how = on_threads()
    a = blocks_of(uniform(rows, columns), (chunk, columns))

    def run():
        u, s, v = dask.persist(*dask.array.linalg.svd(a), **how)
        return u.shape == (rows, columns) and v.shape == (columns, columns)

    return run


def rechunk(n, chunk):
    import dask.array

    how = on_threads()

    def block(block_info=None):
        info = block_info[None]
        return numpy.full(info["chunk-shape"], float(info["chunk-location"][0]))

    def run():
        rows = dask.array.map_blocks(block, chunks=((chunk,) * (n // chunk), (n,)), dtype=float)
        columns = rows.rechunk((n, chunk))
        corners = columns.map_blocks(lambda x: x[-1:, -1:], chunks=((1,), (1,) * (n // chunk)), dtype=float)
        return corners.sum().compute(**how) == (n // chunk - 1) * (n // chunk)

    return run


def laplace(x):
    out = numpy.zeros_like(x)
    i = slice(1, -1)
    out[i, i, i] = x[:-2, i, i] + x[2:, i, i] + x[i, :-2, i] + x[i, 2:, i] + x[i, i, :-2] + x[i, i, 2:] - 6.0 * x[i, i, i]
    return out


def median(x):
    import scipy.ndimage

    return scipy.ndimage.median_filter(x, size=3)


def stencil(n, chunk, kernel):
    how = on_threads()
    a = blocks_of(uniform(n, n, n), (chunk, chunk, chunk))
    function = {"laplace": laplace, "median": median}[kernel]

    def run():
        return a.map_overlap(function, depth=1, boundary="reflect", dtype=float).persist(**how).shape == (n, n, n)

    return run


def million_blocks(side):
    import dask
    import dask.array

    def run():
        x = dask.array.ones((side, side), chunks=(1, 1))
        total = ((x + 1) * 2).T.sum()
        (total,) = dask.optimize(total)
        return len(dict(total.__dask_graph__())) > 0

    return run


serve(
    {
        "expression": expression,
        "transpose": transpose,
        "standardise": standardise,
        "matmul": matmul,
        "svd": svd,
        "rechunk": rechunk,
        "stencil": stencil,
        "million_blocks": million_blocks,
    }
)
