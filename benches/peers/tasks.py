"""No-op tasks on Dask's threaded scheduler: the shapes of ``src/graphs.rs`` as dicts, built and run."""

from concurrent.futures import ThreadPoolExecutor

import dask.threaded

from serve import N_THREADS, serve


def no_op(*inputs):
    return 0


def independent(n):
    return {("t", i): (no_op,) for i in range(n)}, [("t", i) for i in range(n)]


def tree(levels):
    # A heap: task i reads 2 i + 1 and 2 i + 2.
    n = 2 ** (levels + 1) - 1
    graph = {("t", i): (no_op, ("t", 2 * i + 1), ("t", 2 * i + 2)) if 2 * i + 2 < n else (no_op,) for i in range(n)}
    return graph, [("t", 0)]


def chain(length):
    graph = {("t", i): (no_op, ("t", i - 1)) if i else (no_op,) for i in range(length)}
    return graph, [("t", length - 1)]


def stencil(width, steps):
    graph = {}
    for t in range(steps):
        for x in range(width):
            before = range(max(x - 1, 0), min(x + 2, width)) if t else ()
            graph["row", t, x] = (no_op, *(("row", t - 1, i) for i in before))
    return graph, [("row", steps - 1, x) for x in range(width)]


def case(build):
    def prepare(**parameters):
        pool = ThreadPoolExecutor(N_THREADS)

        def run():
            graph, keys = build(**parameters)
            results = dask.threaded.get(graph, keys, pool=pool, num_workers=N_THREADS)
            return len(results) == len(keys)

        return run

    return prepare


serve({build.__name__: case(build) for build in (independent, tree, chain, stencil)})
