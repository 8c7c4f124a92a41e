"""How a peer talks to the compare command: lines on standard input and output.

    compare ── run <case> <parameters as JSON> ──► peer      data is prepared once for each case and its parameters, untimed
            ◄── {"seconds": 0.123} ─────────────── peer      one run, timed here
            ◄── {"error": "…"} ─────────────────── peer      what went wrong; the peer lives on

A peer ends when its standard input does.
"""

import gc
import json
import os
import sys
import time

#: How many threads a peer may use: as many as ours.
N_THREADS = int(os.environ.get("ARRAS_PEER_THREADS", "1"))


def serve(cases):
    """Answer requests for ``cases``: a dict from a case's name to a function that takes the parameters, prepares, and returns the run.

    A run takes no arguments and returns whether its result is right.
    """
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    prepared = {}
    for line in sys.stdin:
        try:
            answer = {"seconds": _run(cases, prepared, line)}
        except Exception as error:  # noqa: BLE001 - the other side shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _run(cases, prepared, line):
    command, case, parameters = line.strip().split(" ", 2)
    if command != "run":
        raise ValueError(f"unknown command {command!r}")
    if case not in cases:
        raise ValueError(f"unknown case {case!r}: have {', '.join(cases)}")
    wanted = (case, parameters)
    if wanted not in prepared:
        prepared[wanted] = cases[case](**json.loads(parameters))
    run = prepared[wanted]
    # Garbage of the runs before is not this run's.
    gc.collect()
    start = time.perf_counter()
    right = run()
    seconds = time.perf_counter() - start
    if not right:
        raise ValueError(f"{case}: wrong result")
    return seconds
