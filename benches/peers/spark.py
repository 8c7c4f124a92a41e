"""Bags at work, by PySpark's RDDs on one machine. Needs Java and `pip install pyspark`."""

import operator
import os
import sys

from serve import N_THREADS, serve

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)


def context():
    from pyspark import SparkConf, SparkContext

    conf = SparkConf().setMaster(f"local[{N_THREADS}]").set("spark.ui.enabled", "false").set("spark.driver.memory", "6g")
    spark = SparkContext.getOrCreate(conf.set("spark.driver.maxResultSize", "4g"))
    spark.setLogLevel("ERROR")
    return spark


def scatter(i):
    return i * 2_654_435_761 % 2**64 % 4_294_967_291


def word_count(files, distinct, most):
    spark = context()

    def run():
        words = spark.textFile(",".join(files)).flatMap(str.split)
        counts = words.map(lambda word: (word, 1)).reduceByKey(operator.add)
        total, largest = counts.map(lambda pair: (1, pair[1])).reduce(lambda a, b: (a[0] + b[0], max(a[1], b[1])))
        # Hadoop cuts lines at a lone carriage return too, which makes no other words.
        return total == distinct and largest == most

    return run


def sort(n, partitions):
    spark = context()
    return lambda: spark.range(0, n, numSlices=partitions).map(lambda i: (scatter(i), i)).sortByKey().count() == n


def group(n, partitions):
    spark = context()

    def run():
        groups = spark.range(0, n, numSlices=partitions).map(lambda i: (scatter(i) % (n // 50), i)).groupByKey()
        return groups.map(lambda pair: len(pair[1])).sum() == n

    return run


def join(n, partitions):
    spark = context()

    def run():
        left = spark.range(0, n, numSlices=partitions).map(lambda i: (scatter(i), i))
        right = spark.range(0, n, numSlices=partitions).map(lambda i: (scatter(i + 1), i))
        return left.join(right).filter(lambda pair: pair[1][0] == pair[1][1] + 1).count() == n - 1

    return run


if __name__ == "__main__":
    serve({case.__name__: case for case in (word_count, sort, group, join)})
