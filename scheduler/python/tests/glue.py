"""What arras_glue.py promises, without a cluster: `python glue.py [name…]`, in a Python that has `distributed`.

Each test is a process of its own.
"""
import hashlib
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types

import distributed
from distributed.protocol import deserialize, serialize

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "arras_glue.py")) as file:
    SOURCE = file.read()
with open(os.path.join(HERE, "fake_sidecar.py")) as file:
    # As an executable, in as many bytes.
    SIDECAR = f"#!{sys.executable}\n".encode() + file.read().encode()
TOKEN = "f00d"
SPEC = {"source": SOURCE, "executable": TOKEN, "path": "", "bytes": SIDECAR, "name": "test"}


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def load(source=SOURCE):
    name = "arras_glue_" + hashlib.sha256(source.encode()).hexdigest()[:12]
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module


class Worker:
    """As much of a Dask worker as the glue looks at."""

    def __init__(self, local_directory="/tmp"):
        self.name, self.address, self.local_directory = 0, "tcp://nowhere", local_directory
        self.state = types.SimpleNamespace(nthreads=2)
        self.memory_manager = types.SimpleNamespace(memory_limit=1000)
        self.status = types.SimpleNamespace(name="running")


def started(spec=SPEC, worker=None):
    """The glue with a sidecar, and its plugin."""
    glue = load()
    plugin = glue.worker_plugin(spec)
    plugin.setup(worker or Worker())
    return glue, plugin


def run(glue, payload, *dependencies, results=1):
    return glue.run(payload, results, TOKEN, *dependencies)


def moved(value):
    """As it is after Dask has moved it, by itself and inside of something else."""
    header, frames = serialize(value)
    frames = [bytes(frame) for frame in frames]
    return deserialize(header, frames), pickle.loads(pickle.dumps([value]))[0]


def content(glue, value):
    return bytes(glue.raw(value))


def raises(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def wait_until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def n_values(glue):
    return glue.stats()[TOKEN]["values"]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def in_child(function):
    """Runs it in a process of its own; how that ended."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ---------------------------------------------------------------------------------------------------------------- tests


@test
def values_go_to_a_sidecar_and_back():
    glue, _ = started()
    a = run(glue, b"echo one")
    assert isinstance(a, glue.Handle) and a.nbytes == 3
    connection = glue._sidecars[TOKEN]._connections.connection
    assert connection is not None
    # By handle, as a raw value and as bytes.
    joined = run(glue, b"join", a, glue.Raw([b"t", b"wo"]), b"three")
    assert content(glue, joined) == b"onetwothree"
    for other in moved(joined):
        assert isinstance(other, glue.Handle) and other.id != joined.id and content(glue, other) == b"onetwothree"
    for arrived in moved(glue.Raw(b"raw")):
        assert isinstance(arrived, glue.Handle) and content(glue, arrived) == b"raw"
    assert glue._sidecars[TOKEN]._connections.connection is connection
    large = run(glue, b"zeros 5000000")
    assert content(glue, large) == bytes(5000000) and content(glue, moved(large)[0]) == bytes(5000000)
    assert glue.sizeof(large) >= 5000000


@test
def several_results_are_taken_out_one_by_one():
    glue, _ = started()
    results = run(glue, b"split x yy zzz", results=3)
    assert glue.sizeof(results) >= 6
    for there in (results, *moved(results)):
        assert [content(glue, glue.item(there, i)) for i in range(3)] == [b"x", b"yy", b"zzz"]


@test
def a_process_without_a_sidecar_holds_bytes():
    glue, _ = started()
    header, frames = serialize(run(glue, b"echo value"))
    frames = [bytes(frame) for frame in frames]
    glue._sidecars.clear()
    raw = deserialize(header, frames)
    assert isinstance(raw, glue.Raw) and content(glue, raw) == b"value" and raw.nbytes == 5
    assert [content(glue, other) for other in moved(raw)] == [b"value"] * 2
    error = raises(glue.ArrasError, run, glue, b"echo x")
    assert "does not run on worker" in str(error) and TOKEN in str(error)


@test
def a_handle_that_dies_frees_its_own_value_and_no_other():
    glue, _ = started()
    handles = [run(glue, b"echo x") for _ in range(100)]
    kept = handles[50]
    assert n_values(glue) == 100 and len({handle.id for handle in handles}) == 100
    del handles
    wait_until(lambda: n_values(glue) == 1)
    assert content(glue, kept) == b"x"


@test
def failures_are_errors_that_travel():
    glue, _ = started()
    error = raises(glue.ArrasError, run, glue, b"fail no column x")
    assert (error.message, error.task, error.panic) == ("no column x", 3, False)
    error = raises(glue.ArrasError, run, glue, b"panic oops")
    there = pickle.loads(pickle.dumps(error))
    assert (there.message, there.task, there.panic, there.key) == ("oops", None, True, "") and str(there) == "oops"
    assert str(glue.ArrasError("m", 1, "('sum-1', 2)")) == "m (in ('sum-1', 2))"
    raises(glue.ArrasError, glue._argument, glue.Handle(object(), None, 1), glue._sidecars[TOKEN], "")


@test
def what_cannot_be_written_or_read_travels_as_damage_and_fails_its_readers():
    glue, _ = started()
    mute = run(glue, b"echo mute")
    bad = glue.Raw(b"bad")
    for value, why in ((mute, "it is mute"), (bad, "it is bad")):
        for damaged in moved(value):
            for again in (damaged, *moved(damaged)):
                assert why in str(raises(glue.ArrasError, run, glue, b"join", again)), why
                assert why in str(raises(glue.ArrasError, glue.raw, again))
                del again
            del damaged
    assert why in str(raises(glue.ArrasError, run, glue, b"join", b"bad"))
    wait_until(lambda: n_values(glue) == 1)


@test
def deserialising_raises_nothing_but_os_errors():
    glue, _ = started()
    header, frames = serialize(run(glue, b"echo x"))
    frames = [bytes(frame) for frame in frames]
    for kind in (ValueError, MemoryError, RuntimeError, ConnectionError):

        def broken(self, raw, kind=kind):
            raise kind("broken")

        glue.Sidecar.adopt = broken
        raises(OSError, deserialize, header, frames)


@test
def serialising_ends_the_process_where_the_sidecar_is_gone():
    def child():
        glue, _ = started()
        value = run(glue, b"echo x")
        os.kill(glue.stats()[TOKEN]["pid"], signal.SIGKILL)
        serialize(value)

    assert in_child(child) == 86

    def child():
        glue, _ = started()
        value = run(glue, b"echo x")

        def broken(self, handle):
            raise ValueError("broken")

        glue.Sidecar.get = broken
        pickle.dumps(value)

    assert in_child(child) == 86


@test
def a_sidecar_that_ends_ends_its_worker_though_nobody_asks_it():
    def child():
        glue, _ = started()
        os.kill(glue.stats()[TOKEN]["pid"], signal.SIGKILL)
        time.sleep(30)

    assert in_child(child) == 86
    assert in_child(lambda: run(started()[0], b"abort")) == 86


@test
def a_worker_that_is_killed_leaves_no_sidecar():
    read, write = os.pipe()

    def child():
        glue, _ = started()
        # A process that a task forked holds nothing that keeps the sidecar alive.
        forked = os.fork()
        if forked == 0:
            signal.pause()
        os.write(write, struct.pack("II", glue.stats()[TOKEN]["pid"], forked))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(child) == -signal.SIGKILL
    pid, forked = struct.unpack("II", os.read(read, 8))
    try:
        wait_until(lambda: not is_alive(pid))
    finally:
        os.kill(forked, signal.SIGKILL)


@test
def a_run_that_nobody_waits_for_is_cancelled_and_rescheduled():
    glue, plugin = started()
    caught = []
    glue._current_task = lambda: (None, ("wait-1", 0))
    thread = threading.Thread(target=lambda: caught.append(raises(distributed.Reschedule, run, glue, b"wait")))
    thread.start()
    sidecar = glue._sidecars[TOKEN]
    wait_until(lambda: ("wait-1", 0) in sidecar._running)
    plugin.transition(("wait-1", 0), "executing", "memory", stimulus_id="")
    plugin.transition(("other", 0), "executing", "released", stimulus_id="")
    assert thread.is_alive()
    plugin.transition(("wait-1", 0), "executing", "released", stimulus_id="")
    thread.join(20)
    assert len(caught) == 1 and not sidecar._running


@test
def a_plugin_travels_as_source_to_where_there_is_no_module():
    glue = load()
    spec = {**SPEC, "name": "x"}
    for make in (glue.worker_plugin, glue.scheduler_plugin):
        plugin = make(spec)
        data = pickle.dumps(plugin)
        # Dask pickles what contains these words in another, slow way.
        assert b"__main__" not in data and plugin.name == f"{glue.__name__}-{TOKEN}" and plugin.idempotent
        code = "import pickle, sys; plugin = pickle.loads(sys.stdin.buffer.read()); print(plugin.name, plugin.__class__.__module__)"
        code += "; again = pickle.loads(pickle.dumps(plugin)); assert again.__class__ is plugin.__class__"
        output = subprocess.run([sys.executable, "-c", code], input=data, stdout=subprocess.PIPE, check=True).stdout
        assert output.decode().split() == [plugin.name, glue.__name__]


@test
def two_versions_live_in_one_process():
    source = SOURCE + "\n# Another version.\n"
    other = load(source)
    plugins = [pickle.dumps(module.worker_plugin({**SPEC, "source": text})) for module, text in ((load(), SOURCE), (other, source))]
    names = {module.__name__ for module in (load(), other)}
    for name in names:
        del sys.modules[name]
    worker, values = Worker(), []
    for plugin in map(pickle.loads, plugins):
        plugin.setup(worker)
        glue = sys.modules[plugin.__class__.__module__]
        values.append((glue, run(glue, b"echo " + glue.__name__.encode())))
    assert {glue.__name__ for glue, _ in values} == names
    for glue, value in values:
        for there in (value, *moved(value)):
            assert content(glue, there) == glue.__name__.encode() and isinstance(there, glue.Handle)


@test
def an_executable_starts_from_its_path_from_memory_or_from_a_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program")
        with open(path, "wb") as file:
            file.write(SIDECAR)
        os.chmod(path, 0o700)

        def where(glue):
            with open(f"/proc/{glue.stats()[TOKEN]['pid']}/cmdline") as file:
                return file.read()

        glue, _ = started({**SPEC, "path": path, "bytes": b""})
        assert path in where(glue)
        glue, _ = started({**SPEC, "path": "/nowhere/program"})
        assert "/fd/" in where(glue)
        glue = load()
        glue.os = types.SimpleNamespace(**vars(os))
        del glue.os.memfd_create
        glue.worker_plugin(SPEC).setup(Worker(folder))
        assert folder in where(glue) and os.listdir(folder) == ["program"]


@test
def an_executable_that_cannot_start_is_an_error_that_says_why():
    for spec, words in (
        ({"bytes": b""}, ["neither its bytes nor a path"]),
        ({"bytes": b"", "path": "/nowhere/program"}, ["/nowhere/program is not on this machine"]),
        ({"bytes": b"no program"}, ["in memory", "Exec format error"]),
        ({"bytes": b"#!/bin/sh\nexit 3\n"}, ["exit code 3", "arras::init()"]),
        ({"executable": "beef"}, ["it is f00d"]),
        ({"bytes": b"", "path": "/bin/true"}, ["/bin/true", "arras::init()"]),
    ):
        glue = load()
        spec = {**SPEC, **spec}
        error = raises(RuntimeError, glue.worker_plugin(spec).setup, Worker())
        assert all(word in str(error) for word in words), error
        assert words[0] in str(raises(glue.ArrasError, glue.run, b"", 1, spec["executable"]))


@test
def a_sidecar_ends_with_its_worker_or_with_its_last_value():
    worker = Worker()
    glue, plugin = started(worker=worker)
    sidecar, pid, value = glue._sidecars[TOKEN], glue.stats()[TOKEN]["pid"], run(glue, b"echo x")
    plugin.teardown(worker)
    wait_until(sidecar.courier.empty)
    assert content(glue, value) == b"x" and is_alive(pid)
    # The plugin comes back, and finds it.
    plugin.setup(worker)
    assert glue.stats()[TOKEN]["pid"] == pid
    plugin.teardown(worker)
    del value
    wait_until(lambda: not is_alive(pid))
    assert not glue._sidecars and glue._door is None

    glue, plugin = started(worker=worker)
    pid, value = glue.stats()[TOKEN]["pid"], run(glue, b"echo x")
    worker.status.name = "closing"
    plugin.teardown(worker)
    assert not is_alive(pid)
    raises(OSError, value.sidecar.get, value)


@test
def large_values_go_straight_to_neighbours_and_as_bytes_to_others():
    glue, _ = started()
    large, small = run(glue, b"zeros 2000000"), run(glue, b"zeros 20")
    listener = socket.create_server(("127.0.0.1", 0))
    address = "tcp://%s:%d" % listener.getsockname()

    def peer(has_door):
        """Another process with a connection here; it answers each header with what it received."""
        read, write = os.pipe()

        def child():
            listener.close()
            other, _ = started() if has_door else (load(), None)
            with socket.create_connection(address[6:].split(":")) as connection:
                stream = connection.makefile("rwb")
                while True:
                    try:
                        header, frames = pickle.load(stream)
                    except EOFError:
                        return
                    value = other._unpack(header, frames)
                    pickle.dump((type(value).__name__, len(content(other, value))), stream)
                    stream.flush()

        pid = os.fork()
        if pid == 0:
            try:
                child()
            finally:
                os._exit(0)
        connection, name = listener.accept()
        context = {"sender": {"address": address}, "recipient": {"address": "tcp://%s:%d" % name}}
        stream = connection.makefile("rwb")

        def sent(value):
            header, frames = glue._pack(value, context)
            pickle.dump((header, [bytes(frame) for frame in frames]), stream)
            stream.flush()
            return "ticket" in header, pickle.load(stream)

        return sent, context

    sent, context = peer(has_door=True)
    assert sent(large) == (True, ("Handle", 2000000))
    assert sent(large) == (True, ("Handle", 2000000))
    assert sent(small) == (False, ("Handle", 20))
    stranger, _ = peer(has_door=False)
    assert stranger(large) == (False, ("Raw", 2000000))
    # One that does not show its ticket is sent bytes next time.
    header, frames = glue._pack(large, context)
    assert "ticket" in header and not frames
    assert sent(large) == (False, ("Handle", 2000000))
    assert glue._door._tickets == {}

    # Spilling, and nonsense.
    elsewhere = {"sender": {"address": address}, "recipient": {"address": "tcp://10.1.2.3:4"}}
    nobody = {"sender": {}, "recipient": {}}
    here = {"sender": {"address": "inproc://x"}, "recipient": {"address": "inproc://y"}}
    for context in (None, {}, elsewhere, nobody, here):
        assert "ticket" not in glue._pack(large, context)[0]


@test
def a_door_admits_nobody_without_a_ticket():
    glue, _ = started()
    door = glue._door
    assert os.stat(door.path).st_mode & 0o777 == 0o600 and os.stat(door.folder).st_mode & 0o777 == 0o700
    for shown in (b"", b"x" * 16):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(door.path)
            visitor.sendall(shown)
            visitor.shutdown(socket.SHUT_WR)
            assert visitor.recv(1) == b""
    raises(OSError, glue._redeem, [door.path, b"y" * 16])
    # One that says nothing holds up nobody else.
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(door.path)
        for _ in range(50):
            assert door._lock.acquire(timeout=1)
            door._lock.release()
            time.sleep(0.005)
    # The doors of processes that were killed are cleared away.
    stale = os.path.join(door.folder, "stale.door")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(stale)
    list(door._neighbours())
    assert not os.path.exists(stale) and os.path.exists(door.path)


# --------------------------------------------------------------------------------------------------------------- runner

if __name__ == "__main__":
    failed = []
    for function in TESTS:
        if sys.argv[1:] and function.__name__ not in sys.argv[1:]:
            continue

        def bounded(function=function):
            signal.alarm(60)
            function()

        begin, code = time.monotonic(), in_child(bounded)
        print(f"{function.__name__}: {'ok' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - begin:.2f} s", flush=True)
        failed += [function.__name__] if code else []
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
