"""dask on a real cluster, the one that ours runs on: `address` says where it is."""

import operator
from pathlib import Path

import dask.array as da
import dask.bag as db
import numpy as np
from distributed import Client, wait

from serve import serve


def connect(address):
    return Client(address)


def tree(address, blocks, length):
    """Blocks, the sum of each, and a binary tree of additions over the sums: one NumPy call a task."""
    client = connect(address)
    graph = {}
    sums = []
    for i in range(blocks):
        graph["block", i] = (np.arange, i * length, (i + 1) * length)
        graph["sum", i] = (np.sum, ("block", i))
        sums.append(("sum", i))
    level = 0
    while len(sums) > 1:
        above = []
        for i in range(0, len(sums) - 1, 2):
            key = (f"add{level}", i // 2)
            graph[key] = (operator.add, sums[i], sums[i + 1])
            above.append(key)
        if len(sums) % 2:
            above.append(sums[-1])
        sums, level = above, level + 1
    n = blocks * length

    def run():
        return client.get(graph, sums[0]) == n * (n - 1) // 2

    return run


def pi(address, n, chunk):
    client = connect(address)

    def run():
        rng = da.random.default_rng(1)
        x, y = (rng.uniform(-1, 1, n, chunks=chunk) for _ in range(2))
        value = client.compute(4.0 * ((x**2 + y**2) < 1.0).sum() / n).result()
        return abs(value - np.pi) < 0.01

    return run


def word_count(address, folder, files, distinct):
    client = connect(address)
    paths = sorted(str(path) for path in Path(folder).iterdir())[:files]

    def run():
        words = db.read_text(paths).str.split().flatten()
        return client.compute(words.frequencies().count(), sync=True) == distinct

    return run


def transfer(address, nbytes):
    """A NumPy array made on one worker, then asked for on the other."""
    client = connect(address)
    workers = sorted(client.scheduler_info()["workers"])
    state = {"run": 0}

    def prepare():
        state["run"] += 1
        block = client.submit(np.full, nbytes // 8, float(state["run"]), workers=workers[0], pure=False)
        wait(block)
        return block

    def run():
        block = state.pop("block")
        size = client.submit(len, block, workers=workers[1], pure=False).result()
        state["block"] = prepare()
        return size == nbytes // 8

    state["block"] = prepare()
    return run


serve({case.__name__: case for case in (tree, pi, word_count, transfer)})
