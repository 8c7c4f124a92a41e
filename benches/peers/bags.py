"""Bags at work, by dask.bag and polars."""

import dask
import dask.bag as db
from serve import N_THREADS, serve


def scatter(i):
    """A number of 64 bits, the same as ours."""
    return i * 2_654_435_761 % 2**64 % 4_294_967_291


def word_count_dask(files, distinct, most):
    """On processes: the faster of dask.bag's ways for words, and its default."""

    def count(total, _):
        return total + 1

    def run():
        words = db.read_text(files, files_per_partition=None).str.split().flatten()
        with dask.config.set(scheduler="processes", num_workers=N_THREADS):
            counts = words.foldby(lambda word: word, count, 0, lambda a, b: a + b, 0).compute()
        return len(counts) == distinct and max(n for _, n in counts) == most

    return run


def word_count_polars(files, distinct, most):
    import polars as pl

    def run():
        lines = pl.scan_csv(files, has_header=False, separator="\x01", quote_char=None, new_columns=["line"], schema={"line": pl.String}, truncate_ragged_lines=True)
        words = lines.select(pl.col("line").str.extract_all(r"\S+").alias("word")).explode("word").drop_nulls()
        counts = words.group_by("word").len().collect(engine="streaming")
        # Lines and white space are cut a little otherwise, so the counts may differ by a few in a million.
        return abs(len(counts) - distinct) < distinct / 1000 and abs(counts["len"].max() - most) < most / 1000

    return run


def frequencies(n, distinct, partitions):
    def run():
        numbers = db.range(n, npartitions=partitions).map(lambda i: scatter(i) % distinct)
        with dask.config.set(scheduler="processes", num_workers=N_THREADS):
            counts = numbers.frequencies().compute()
        return sum(count for _, count in counts) == n

    return run


if __name__ == "__main__":
    serve({case.__name__: case for case in (word_count_dask, word_count_polars, frequencies)})
