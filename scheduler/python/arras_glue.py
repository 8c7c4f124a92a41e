"""Runs the user's executable beside each Dask worker, and keeps its values there.

    Dask worker (Python)                                     sidecar: the user's executable, in worker mode
      Handle 7 ── in Dask's memory, 100 MB by sizeof           value 7 ── the 100 MB
      run(payload, …) ────────── Execute ──────────────────►   a sub-graph on the executable's own threads
      Dask moves or spills it ── Get ──► frames ── Put ─────►   (another sidecar, a file, or Raw on a process without one)
      __del__ ────────────────── Drop, in batches ─────────►
                                 lifeline: its standard input; closed when this process ends, however it ends

A plugin installs this module from its source on the scheduler and on every worker (now and later), so nothing is installed by hand and
no bytecode crosses Python versions. Its name holds a hash of its source, so programs of several versions use one cluster. What follows from how Dask works, and must stay so:

* Serialising a value never raises, deserialising raises nothing but `OSError`: Dask fetches again after that one, and hangs for ever
  after any other. So a value that cannot be written or read travels as a Handle with `damage`, and the task that uses it fails with the
  reason.
* Values live as long as their sidecar. If that dies, this process ends too: then Dask knows that they are gone and computes them again.
* Values are numbered by a counter, never by Dask's keys: a Handle that dies late must not free the value that a second run of the same
  key made.
* Only documented Dask interfaces are used. Python 3.9 and later; every release of distributed since 2023.9.2.
"""

import atexit
import itertools
import logging
import mmap
import os
import pickle
import queue
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

import msgpack
from dask.sizeof import sizeof
from distributed import Reschedule, SchedulerPlugin, WorkerPlugin, get_client, get_worker
from distributed.protocol import dask_deserialize, dask_serialize

__all__ = ["ArrasError", "Handle", "Raw", "Results", "install", "item", "raw", "run", "scheduler_plugin", "state", "stats", "worker_plugin"]

logger = logging.getLogger("distributed.arras")

# The version of the messages between this module and a sidecar.
PROTOCOL_VERSION = 2

# Values of as many bytes go straight from sidecar to sidecar where both are on one machine. Less is not worth the trouble; more would keep
# Dask's event loop waiting for too long, so it goes Dask's way.
STRAIGHT_NBYTES = range(1 << 20, 512 << 20)

# How this process ends when its sidecar has.
EXIT_CODE = 86

# How long a sidecar may take until it serves, and until it has ended, in seconds.
START_TIMEOUT = 60
END_TIMEOUT = 5

# `header length: u32 | body length: u64`, before each message.
_PREFIX = struct.Struct("<IQ")
_NO_TASK = 0xFFFFFFFF
_SMALL_NBYTES = 64 << 10
_LARGE_PAGES_FROM = 1 << 20


class ArrasError(Exception):
    """A task of a sub-graph failed: an error it returned, or a panic.

    `task` is its number in the sub-graph, or None if the sub-graph could not be run at all; `key` is Dask's key of the sub-graph, as text.
    """

    def __init__(self, message, task=None, key="", panic=False):
        # All arguments are plain and go to `args`, so the error pickles without help.
        super().__init__(message, task, key, panic)
        self.message, self.task, self.key, self.panic = message, task, key, panic

    def __str__(self):
        return f"{self.message} (in {self.key})" if self.key else str(self.message)


# ------------------------------------------------------------------------------------------------------ what Dask holds


class Handle:
    """One value in a sidecar. It owns the value: when it dies, the value is dropped.

    `nbytes` is the size of the value in the sidecar's memory, which is what Dask counts. `damage` says why the value cannot be used, if so;
    there is no value behind such a Handle.
    """

    # Dask's spill cache needs weak references.
    __slots__ = ("sidecar", "id", "nbytes", "damage", "__weakref__")

    def __init__(self, sidecar, id, nbytes, damage=""):
        self.sidecar, self.id, self.nbytes, self.damage = sidecar, id, nbytes, damage

    def __del__(self):
        # SimpleQueue.put may be called anywhere, so also where the garbage collector interrupts another put.
        if self.id is not None:
            self.sidecar.courier.put(self.id)

    def __repr__(self):
        return f"<arras value {self.id}, {self.nbytes} bytes>"

    def __reduce_ex__(self, protocol):
        # Only inside another object; by itself it goes through dask_serialize.
        return _reduce(self, protocol)


class Raw:
    """One value as bytes: on a process without a sidecar, or on its way into one.

    `data` is bytes-like, or a list of such parts. `executable` says which executable can read it; without it, the one that is given it.
    """

    __slots__ = ("frames", "nbytes", "executable", "damage", "__weakref__")

    def __init__(self, data, nbytes=None, executable="", damage=""):
        frames = data if isinstance(data, (list, tuple)) else [data]
        self.frames = [memoryview(frame).cast("B") for frame in frames]
        self.nbytes = len(self) if nbytes is None else nbytes
        self.executable, self.damage = executable, damage

    def __len__(self):
        return sum(len(frame) for frame in self.frames)

    def __repr__(self):
        return f"<arras value as {len(self)} bytes>"

    def __reduce_ex__(self, protocol):
        return _reduce(self, protocol)


class Results:
    """What a sub-graph of several results returns; `item` takes one out."""

    __slots__ = ("handles", "__weakref__")

    def __init__(self, handles):
        self.handles = list(handles)

    def __repr__(self):
        return f"<{len(self.handles)} arras values>"


@sizeof.register(Handle)
def _sizeof_handle(handle):
    return handle.nbytes + 128


@sizeof.register(Raw)
def _sizeof_raw(raw):
    return len(raw) + 128


@sizeof.register(Results)
def _sizeof_results(results):
    return sum(map(sizeof, results.handles)) + 128


# -------------------------------------------------------------------------------------------------- on the way, by Dask


def _pack(value, context=None):
    """A header and frames for a Handle or a Raw. Whatever goes wrong here ends the process: see the rules above."""
    if isinstance(value, Raw):
        return {"nbytes": value.nbytes, "executable": value.executable, "damage": value.damage}, value.frames
    header = {"nbytes": value.nbytes, "executable": value.sidecar.executable, "damage": value.damage}
    if value.damage:
        return header, []
    try:
        door = _door
        ticket = door.ticket(value, context) if door else None
        if ticket:
            return {**header, "ticket": ticket}, []
        frames, header["damage"] = value.sidecar.get(value)
    except Exception as error:
        _end_process(f"a value could not be read: {error!r}")
    return header, frames


def _unpack(header, frames):
    """A Handle where the executable has a sidecar, else a Raw."""
    try:
        sidecar = _sidecar_of(header["executable"])
        if "ticket" in header:
            with _redeem(header["ticket"]) as source:
                if sidecar is not None:
                    return sidecar.adopt_from(source, header["nbytes"])
                source.settimeout(30)
                name, reply, body = _Connection(source).receive()
            frames, header = [body], {**header, "damage": "" if name == "Value" else _why(name, reply)}
        raw = Raw(list(frames), header["nbytes"], header["executable"], header["damage"])
        return raw if sidecar is None else sidecar.adopt(raw)
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"a value could not be handed to its sidecar: {error!r}") from error


@dask_serialize.register((Handle, Raw))
def _serialize(value, context=None):
    return _pack(value, context)


@dask_deserialize.register((Handle, Raw))
def _deserialize(header, frames):
    return _unpack(header, frames)


@dask_serialize.register(Results)
def _serialize_results(results, context=None):
    parts, frames = [], []
    for handle in results.handles:
        header, own = _pack(handle, context)
        parts.append([len(own), header])
        frames.extend(own)
    return {"parts": parts}, frames


@dask_deserialize.register(Results)
def _deserialize_results(header, frames):
    handles, start = [], 0
    for count, part in header["parts"]:
        handles.append(_unpack(part, frames[start : start + count]))
        start += count
    return Results(handles)


def _reduce(value, protocol):
    header, frames = _pack(value)
    if protocol >= 5:
        return _restore, (header, [pickle.PickleBuffer(memoryview(frame).toreadonly()) for frame in frames])
    return _restore, (header, [bytes(frame) for frame in frames])


def _restore(header, frames):
    return _unpack(header, frames)


# ----------------------------------------------------------------------------------------------- the functions of tasks


# Seconds for which a worker keeps a task that it cannot run.
_HANDED_BACK_AFTER = 0.5


def run(payload, n_results, executable, *dependencies):
    """Runs a sub-graph in the sidecar of `executable`: a Handle, or Results of `n_results` handles. Every Dask task of arras calls it.

    `payload` is the sub-graph, opaque; `dependencies` are its arguments in order: Handle, Raw or bytes.
    """
    worker, key = _current_task()
    sidecar = _sidecar_of(executable)
    if sidecar is None:
        if worker is not None and _failures.get(executable) and _runs_elsewhere(executable):
            # Dask lets a worker join whose plugins cannot start. This one would fail task after task, and the faster the more it is given. It may
            # well do other people's work, so it stays; it hands ours back, and slowly, so that others take it meanwhile.
            time.sleep(_HANDED_BACK_AFTER)
            raise Reschedule()
        raise ArrasError(_why_no_sidecar(executable, worker), key=str(key))
    # Handles made here live until the run is over; those of Dask, at least as long.
    arguments = [_argument(dependency, sidecar, key) for dependency in dependencies]
    name, reply = sidecar.execute(key, payload, [handle.id for handle in arguments], n_results)
    if name == "Done":
        return reply[0] if n_results == 1 else Results(reply)
    if name == "Failed":
        task = reply["task"]
        raise ArrasError(reply["message"], None if task == _NO_TASK else task, str(key), reply["panic"])
    if name == "Cancelled":
        # Nobody waits for this run. But somebody may have asked for the same key again meanwhile; Dask then counts on this thread, and must
        # start anew.
        raise Reschedule()
    raise ArrasError(f"sidecar: {name} {reply}", key=str(key))


def item(results, i):
    """The task that takes one value out of Results."""
    return results.handles[i]


def raw(value):
    """The bytes of a Handle or a Raw, bytes-like, without a copy if they lie in one piece."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value
    header, frames = _pack(value)
    if header["damage"]:
        raise ArrasError(header["damage"])
    return frames[0] if len(frames) == 1 else b"".join(frames)


def _argument(value, sidecar, key):
    if not isinstance(value, Handle):
        value = sidecar.adopt(value if isinstance(value, Raw) else Raw(value))
    if value.damage:
        raise ArrasError(value.damage, key=str(key))
    if value.sidecar is not sidecar:
        raise ArrasError("the value of one executable was given to another", key=str(key))
    return value


def _current_task():
    """Dask's worker and key of the calling thread; neither outside of tasks."""
    try:
        worker = get_worker()
        return worker, worker.get_current_task()
    except (ValueError, KeyError):
        return None, ""


# ---------------------------------------------------------------------------------------------------------- the sidecar

# The sidecars of this process by executable, and why there is none where there should be one.
_sidecars = {}
_failures = {}
_sidecars_lock = threading.RLock()


def _sidecar_of(executable):
    sidecar = _sidecars.get(executable)
    if sidecar is None and not executable and len(_sidecars) == 1:
        # A value that does not say whose it is.
        sidecar = next(iter(list(_sidecars.values())), None)
    return sidecar


def _why_no_sidecar(executable, worker):
    why = _failures.get(executable, "it was not installed here")
    return f"the executable {executable} does not run on worker {worker.address if worker else os.getpid()}: {why}"


def _runs_elsewhere(executable):
    """Whether other workers run it; asked for on the thread of a task."""
    try:
        return "" in get_client().run(state, executable, on_error="return").values()
    except Exception:
        logger.warning("arras: other workers could not be asked", exc_info=True)
        return False


def state(executable):
    """Whether the executable runs beside this worker: "" if it does, else why not; None if nobody has tried."""
    return "" if executable in _sidecars else _failures.get(executable)


def stats():
    """What the sidecars of this process hold and have done, by executable: numbers by name."""
    return {executable: sidecar.stats() for executable, sidecar in list(_sidecars.items())}


class Sidecar:
    """A process of the user's executable in worker mode, and the connections to it: one a thread."""

    def __init__(self, process, lifeline, secret, executable):
        self.process, self.executable = process, executable
        self.users = set()
        self.closing = False
        self.courier = queue.SimpleQueue()
        self._lifeline, self._lifeline_lock = lifeline, threading.Lock()
        self._secret = secret
        self._connections = threading.local()
        self._ids = itertools.count(1)
        self._runs = itertools.count(1)
        self._running = {}
        threading.Thread(target=self._watch, name="arras-watch", daemon=True).start()
        threading.Thread(target=self._deliver, name="arras-courier", daemon=True).start()

    # --- values

    def execute(self, key, payload, arguments, n_results):
        """Runs a sub-graph: `("Done", handles)`, or what went wrong by name and its fields."""
        run, results = next(self._runs), [next(self._ids) for _ in range(n_results)]
        self._running[key] = run
        try:
            name, reply, _ = self._call({"Execute": {"run": run, "arguments": arguments, "results": results, "trace": False}}, [payload])
        finally:
            self._running.pop(key, None)
        if name != "Done":
            return name, reply
        return name, [Handle(self, id, nbytes) for id, nbytes in zip(results, reply["nbytes"])]

    def adopt(self, raw):
        """The Handle of a value that was bytes."""
        if raw.damage:
            return Handle(self, None, raw.nbytes, raw.damage)
        return self._keep(raw.nbytes, raw.frames)

    def adopt_from(self, source, nbytes):
        """The Handle of the value that comes on a socket from another sidecar."""
        return self._keep(nbytes, (), source.fileno())

    def _keep(self, nbytes, frames, descriptor=None):
        id = next(self._ids)
        name, reply, _ = self._call({"Put": {"id": id}}, frames, descriptor)
        if name == "Stored":
            return Handle(self, id, reply["nbytes"])
        if name == "Missing":
            raise OSError("the other sidecar did not send the value")
        return Handle(self, None, nbytes, f"a value of {nbytes} bytes cannot be read: {_why(name, reply)}")

    def get(self, handle):
        """The bytes of a value as frames, and no damage; or no frames, and why."""
        name, reply, body = self._call({"Get": {"id": handle.id, "shared": False}})
        if name == "Value":
            return [body], ""
        return [], f"a value of {handle.nbytes} bytes cannot be written: {_why(name, reply)}"

    def offer(self, handle):
        """A socket on which the value comes, for whoever is given it."""
        connection = self._connect()
        connection.send({"Get": {"id": handle.id, "shared": False}})
        return connection.socket

    def stats(self):
        return self._call("Stats")[1]

    def cancel(self, key):
        """Asks the run of this task to start nothing more; through the courier, as Dask's event loop calls this and must not wait."""
        run = self._running.get(key)
        if run is not None:
            self.courier.put((run,))

    def _deliver(self):
        """The courier's thread: drops values and cancels runs as they come in, what has gathered in one message."""
        while not self.closing:
            batch = [self.courier.get()]
            try:
                while len(batch) < 4096:
                    batch.append(self.courier.get_nowait())
            except queue.Empty:
                pass
            try:
                dropped = [id for id in batch if isinstance(id, int)]
                if dropped:
                    self._call({"Drop": {"ids": dropped}}, reply=False)
                for cancelled in batch:
                    if isinstance(cancelled, tuple):
                        self._call({"Cancel": {"run": cancelled[0]}})
                if not self.users:
                    self._stop_if_empty()
            except OSError:
                if not self.closing:
                    # No descriptors are left, perhaps. Values live longer than they need to.
                    logger.warning("arras: values of sidecar %d could not be dropped", self.process.pid, exc_info=True)

    # --- life

    def release(self, user, now):
        """A worker is done with the sidecar. If it was the last, the sidecar ends: now, or when its last value is dropped."""
        self.users.discard(user)
        if not self.users:
            if now:
                self.stop()
            else:
                self.courier.put(None)

    def _stop_if_empty(self):
        with _sidecars_lock:
            if not self.users and not self._running and not self.stats()["values"]:
                self.stop()

    def stop(self):
        with _sidecars_lock:
            self.closing = True
            if _sidecars.get(self.executable) is self:
                del _sidecars[self.executable]
            if not _sidecars:
                _close_door()
        self.courier.put(None)
        # It ends at the end of its standard input.
        self._lifeline.close()
        try:
            self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _watch(self):
        self.process.wait()
        if not self.closing:
            self._lost()

    def _lost(self, error=None):
        """The sidecar has ended, or cannot be understood any more: so its values are gone, and this process must go too."""
        if self.closing:
            raise OSError(f"the sidecar of {self.executable} was stopped") from error
        try:
            code = self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        if self.closing:
            raise OSError(f"the sidecar of {self.executable} was stopped") from error
        _end_process(f"its sidecar, process {self.process.pid}, {_ending(code)}" + (f" ({error!r})" if error and code is None else ""))

    # --- messages

    def _call(self, message, frames=(), descriptor=None, reply=True):
        """Sends a request over the connection of this thread; its reply as name, fields and body."""
        connection = getattr(self._connections, "connection", None) or self._connect()
        # It is this thread's again when all went well: after half a message, or before its reply, nobody can go on with it.
        self._connections.connection = None
        try:
            connection.send(message, frames, descriptor)
            answer = connection.receive() if reply else None
        except (OSError, ValueError, msgpack.exceptions.UnpackException) as error:
            self._lost(error)
        self._connections.connection = connection
        return answer

    def _connect(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        connection = _Connection(ours)
        try:
            with theirs, self._lifeline_lock:
                _Connection(self._lifeline).send("Connect", (), theirs.fileno())
            name, reply, _ = connection.call({"Hello": {"secret": self._secret}})
        except (OSError, ValueError, msgpack.exceptions.UnpackException) as error:
            self._lost(error)
        if name != "Welcome":
            self._lost(OSError(f"{name} {reply}"))
        return connection


def _why(name, reply):
    return reply["why"] if name == "Damaged" else f"{name} {reply}"


def _ending(code):
    if code is None:
        return "stopped answering"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
    return f"ended with exit code {code}"


def _end_process(why):
    """Ends this worker. Not by an exception: only the end of the process tells Dask that what it held is gone."""
    try:
        # Nobody may read what is written here, and then it must end all the same.
        watchdog = threading.Timer(END_TIMEOUT, os._exit, (EXIT_CODE,))
        watchdog.daemon = True
        watchdog.start()
        _close_door()
        logger.critical("arras: worker process %d ends: %s", os.getpid(), why)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(EXIT_CODE)


# --------------------------------------------------------------------------------------------------- how one is started


class _CannotStart(Exception):
    pass


def _start(spec, worker):
    """Starts the sidecar, from the first place that works: the path, the bytes in memory, the bytes in a file."""
    tried = []
    for start in (_start_from_path, _start_from_memory, _start_from_file):
        try:
            return start(spec, worker)
        except _CannotStart as error:
            tried.append(str(error))
    raise RuntimeError(f"the executable {spec['executable']} cannot be started: " + "; ".join(filter(None, tried)))


def _start_from_path(spec, worker):
    path = spec.get("path")
    if not path:
        raise _CannotStart("")
    if not os.path.isfile(path):
        raise _CannotStart(f"{path} is not on this machine")
    return _spawn(path, path, (), spec, worker)


def _start_from_memory(spec, worker):
    """Without a file: it works where nothing may be executed from disk, and leaves nothing behind."""
    if not spec.get("bytes"):
        raise _CannotStart("" if spec.get("path") else "the client sent neither its bytes nor a path")
    executable_in_memory = 0x10  # MFD_EXEC, which kernels before 6.3 do not know and do not need.
    try:
        try:
            descriptor = os.memfd_create("arras", os.MFD_CLOEXEC | executable_in_memory)
        except OSError:
            descriptor = os.memfd_create("arras", os.MFD_CLOEXEC)
    except (OSError, AttributeError) as error:
        raise _CannotStart(f"in memory: {error}") from error
    try:
        _write_all(descriptor, spec["bytes"])
        return _spawn(f"/proc/self/fd/{descriptor}", "in memory", (descriptor,), spec, worker)
    except OSError as error:
        raise _CannotStart(f"in memory: {error}") from error
    finally:
        os.close(descriptor)


def _start_from_file(spec, worker):
    """For machines that do not execute from memory."""
    if not spec.get("bytes"):
        raise _CannotStart("")
    path = os.path.join(worker.local_directory, f"arras-{spec['executable']}-{os.getpid()}")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        with os.fdopen(descriptor, "wb", buffering=0):
            _write_all(descriptor, spec["bytes"])
    except OSError as error:
        raise _CannotStart(f"{path}: {error}") from error
    try:
        return _spawn(path, path, (), spec, worker)
    finally:
        os.unlink(path)


def _spawn(executable, place, descriptors, spec, worker):
    """Starts the process and waits until it serves."""
    secret, name = os.urandom(16), f"{spec.get('name') or 'arras'}-{worker.name}"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        try:
            process = subprocess.Popen(
                [name],
                executable=executable,
                stdin=theirs,
                pass_fds=descriptors,
                env=_environment(),
                # Signals to the worker's group (Ctrl-C, for one) are the worker's affair: it ends in order, and the sidecar with it.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise _CannotStart(f"{place}: {error}") from error
    try:
        ours.settimeout(START_TIMEOUT)
        kind, reply, _ = _Connection(ours).call({"Setup": _setup(spec, worker, secret, name)})
        ours.settimeout(None)
        if kind != "Ready":
            raise _CannotStart(f"{place}: {reply['why'] if kind == 'Refused' else kind}")
        if spec["executable"] and reply["executable"] and reply["executable"] != spec["executable"]:
            raise _CannotStart(f"{place}: it is another executable, {reply['executable']}")
    except (OSError, ValueError, KeyError, msgpack.exceptions.UnpackException, _CannotStart) as error:
        process.kill()
        code = process.wait()
        ours.close()
        if isinstance(error, _CannotStart):
            raise
        after = f"; it {_ending(code)}" if code not in (0, -signal.SIGKILL) else ""
        hint = "does its `main` begin with `arras::init()`? Was it built for this machine (architecture, libc)? See the worker's log"
        raise _CannotStart(f"{place}: it does not serve ({error or type(error).__name__}{after}): {hint}") from error
    logger.info("arras: %s serves as process %d, from %s", name, process.pid, place)
    return Sidecar(process, ours, secret, spec["executable"] or reply["executable"])


def _environment():
    # glibc's malloc takes large pages for large blocks, as NumPy does. Else their page faults cost more than all copies of a value on its
    # way together.
    large_pages = "glibc.malloc.hugetlb=1"
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc.hugetlb" not in tunables:
        tunables = f"{tunables}:{large_pages}" if tunables else large_pages
    return {**os.environ, "ARRAS_WORKER": "1", "GLIBC_TUNABLES": tunables}


def _setup(spec, worker, secret, name):
    limit = getattr(getattr(worker, "memory_manager", None), "memory_limit", None) or 0
    return {
        "version": PROTOCOL_VERSION,
        "secret": secret,
        "executable": spec["executable"],
        "cpu": spec.get("cpu") or "",
        "threads": worker.state.nthreads,
        "memory_limit": int(limit * (spec.get("memory_fraction") or 0.7)),
        "spill_directory": worker.local_directory or "",
        "name": name,
    }


def _let_go_in_child():
    # A child by fork holds copies of the lifelines, and would keep the sidecars alive when this process has ended.
    for sidecar in list(_sidecars.values()):
        sidecar.closing = True
        sidecar._lifeline.close()
    if _door:
        _door._listener.close()


os.register_at_fork(after_in_child=_let_go_in_child)


# ---------------------------------------------------------------------------------------------------------- connections


class _Connection:
    """Messages over a Unix socket: a request, its reply, one at a time."""

    __slots__ = ("socket",)

    def __init__(self, socket):
        self.socket = socket

    def call(self, message, frames=()):
        self.send(message, frames)
        return self.receive()

    def send(self, message, frames=(), descriptor=None):
        """Sends a message: its body is the frames, and a descriptor goes with it."""
        nbytes = sum(map(len, frames))
        header = msgpack.packb(message)
        head = _PREFIX.pack(len(header), nbytes) + header
        if descriptor is not None:
            head = head[socket.send_fds(self.socket, [head], [descriptor]) :]
        if nbytes <= _SMALL_NBYTES:
            self.socket.sendall(b"".join((head, *frames)))
        else:
            self.socket.sendall(head)
            for frame in frames:
                self.socket.sendall(frame)

    def receive(self):
        """The name of the message that comes, its fields and its body."""
        data = b""
        while len(data) < _PREFIX.size:
            data += self._received(self.socket.recv(_SMALL_NBYTES))
        n_header, n_body = _PREFIX.unpack_from(data)
        while len(data) < _PREFIX.size + n_header:
            data += self._received(self.socket.recv(_SMALL_NBYTES))
        rest = memoryview(data)[_PREFIX.size :]
        message, body = msgpack.unpackb(rest[:n_header]), rest[n_header:]
        if len(body) < n_body:
            body = self._receive_body(n_body, body)
        name, fields = next(iter(message.items())) if isinstance(message, dict) else (message, {})
        return name, fields, body

    def _receive_body(self, nbytes, start):
        body = _memory(nbytes)
        body[: len(start)] = start
        rest = body[len(start) :]
        while rest:
            rest = rest[self._received(self.socket.recv_into(rest)) :]
        return body

    @staticmethod
    def _received(data):
        if not data:
            raise ConnectionError("the sidecar closed the connection")
        return data


def _memory(nbytes):
    """Memory to receive into. Large blocks ask for large pages: the faults of small ones cost more than the copy."""
    if nbytes < _LARGE_PAGES_FROM:
        return memoryview(bytearray(nbytes))
    block = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            block.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # A kernel without them.
    return memoryview(block)


def _write_all(descriptor, data):
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


# ---------------------------------------------------------------------- large values between the workers of one machine

_door = None


class _Door:
    """Where other workers of this machine and user get large values of this one, past Dask's event loops and its TCP.

        worker A                                                       worker B
          dask_serialize: a ticket ───────── Dask's own message ─────────► dask_deserialize
          door  ◄──────────────────── shows the ticket's secret ─────────── connects to the door
                ─── the descriptor of a connection to sidecar A, on which the value has been asked for ───►
          sidecar A ════════════════════════ the value ════════════════════► sidecar B, to which that descriptor was handed on

    Dask tells its serialisers who receives. A ticket is given only if that end of the TCP connection belongs to a process that has a door
    itself, as the kernel's tables say: a worker with this module, on this machine, of this user. Everybody else, and every doubt, gets
    bytes.
    """

    # A ticket that nobody shows within this many seconds was not understood, and its receiver is given no other for as long.
    PATIENCE = 60

    def __init__(self):
        folder = os.path.join(tempfile.gettempdir(), f"arras-{os.getuid()}")
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        about = os.lstat(folder)
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
            raise OSError(f"{folder} is not a folder of this user alone")
        self.folder, self.path = folder, os.path.join(folder, f"{os.urandom(8).hex()}.door")
        self._tickets, self._silent, self._owners, self._lock = {}, {}, {}, threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        os.chmod(self.path, 0o600)
        self._listener.listen(64)
        # So often it looks for tickets that nobody showed.
        self._listener.settimeout(self.PATIENCE / 4)
        threading.Thread(target=self._serve, name="arras-door", daemon=True).start()

    def close(self):
        self._listener.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass

    def ticket(self, handle, context):
        """What the receiver redeems for the value; none if it must be sent bytes."""
        if handle.nbytes not in STRAIGHT_NBYTES or not context:
            return None
        try:
            peer = self._peer(context["sender"]["address"], context["recipient"]["address"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        with self._lock:
            self._forget(lambda ticket: ticket[0] is handle and ticket[1] == peer)
            if peer is None or time.monotonic() < self._silent.get(peer, 0):
                return None
            secret = os.urandom(16)
            self._tickets[secret] = handle, peer, time.monotonic()
        return [self.path, secret]

    def _forget(self, is_void):
        """Forgets the tickets that are void; their receivers are sent bytes for a while."""
        for secret, ticket in list(self._tickets.items()):
            if is_void(ticket):
                del self._tickets[secret]
                self._silent[ticket[1]] = time.monotonic() + self.PATIENCE

    def _serve(self):
        while True:
            try:
                visitor, _ = self._listener.accept()
            except socket.timeout:
                with self._lock:
                    self._forget(lambda ticket: ticket[2] < time.monotonic() - self.PATIENCE)
                continue
            except OSError:
                return  # Closed.
            with visitor:
                try:
                    visitor.settimeout(5)
                    if _who(visitor)[1] == os.getuid():
                        self._admit(visitor)
                except OSError:
                    logger.debug("arras: a value was asked for and not fetched", exc_info=True)

    def _admit(self, visitor):
        # Dask's event loop takes the lock too, and cannot wait for visitors.
        secret = visitor.recv(16)
        with self._lock:
            ticket = self._tickets.pop(secret, None)
        if ticket is not None:
            with ticket[0].sidecar.offer(ticket[0]) as source:
                socket.send_fds(visitor, [b"v"], [source.fileno()])

    def _peer(self, ours, theirs):
        """The process at the other end of a TCP connection of this one, if it has a door; else None."""
        (scheme, here), (_, there) = ours.split("://"), theirs.split("://")
        if scheme not in ("tcp", "tls") or here.rpartition(":")[0] != there.rpartition(":")[0]:
            return None
        inode = _inode_of_tcp(there, here)
        if inode not in self._owners:
            # Sockets are not numbered twice within any time that matters here.
            if len(self._owners) > 1000:
                self._owners.clear()
            self._owners[inode] = next((pid for pid in self._neighbours() if _has_socket(pid, inode)), None)
        return self._owners[inode]

    def _neighbours(self):
        """The processes of this machine and user that have doors."""
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
                try:
                    door.settimeout(1)
                    door.connect(path)
                    pid, uid = _who(door)
                except ConnectionRefusedError:
                    # Its process was killed.
                    os.unlink(path)
                    continue
                except OSError:
                    continue
                if uid == os.getuid() and pid != os.getpid():
                    yield pid


def _open_door():
    global _door
    if _door is None:
        try:
            _door = _Door()
        except OSError:
            logger.warning("arras: large values go through Dask between the workers of this machine too", exc_info=True)


@atexit.register
def _close_door():
    global _door
    door, _door = _door, None
    if door is not None:
        door.close()


def _redeem(ticket):
    """A socket on which the value comes from another sidecar."""
    path, secret = ticket
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(10)
        door.connect(path)
        if _who(door)[1] != os.getuid():
            raise OSError("the door of a stranger")
        door.sendall(secret)
        _, descriptors, _, _ = socket.recv_fds(door, 1, 1)
    if not descriptors:
        raise OSError("a value that was offered is not there any more")
    return socket.socket(fileno=descriptors[0])


def _who(connection):
    """Process and user at the other end of a Unix socket."""
    pid, uid, _ = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def _inode_of_tcp(local, remote):
    """The kernel's number of the socket of this machine that is bound to one address and connected to the other."""
    (table, local), (_, remote) = _in_kernel_format(local), _in_kernel_format(remote)
    with open(table) as file:
        for line in file:
            fields = line.split()
            if fields[1] == local and fields[2] == remote:
                return fields[9]
    raise OSError(f"no socket {local}")


def _in_kernel_format(address):
    """The kernel's table for an address `host:port`, and how the address is written in there."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if ":" in host:
        words = struct.unpack("4I", socket.inet_pton(socket.AF_INET6, host))
        return "/proc/net/tcp6", "%08X%08X%08X%08X:%04X" % (*words, int(port))
    return "/proc/net/tcp", "%08X:%04X" % (*struct.unpack("I", socket.inet_aton(host)), int(port))


def _has_socket(pid, inode):
    link = f"socket:[{inode}]"
    try:
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            try:
                if os.readlink(os.path.join(folder, name)) == link:
                    return True
            except FileNotFoundError:
                pass  # Closed meanwhile.
    except OSError:
        pass
    return False


# -------------------------------------------------------------------------------------------------------------- plugins

# Makes this module from its source, once a process; then the plugin. The module's name is the same everywhere, as pickles refer to it by
# name, and another for another source.
_BOOTSTRAP = """
import sys, types
if name not in sys.modules:
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(source, "<" + name + ">", "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
plugin = getattr(sys.modules[name], kind)(spec)
"""


def _plugin_name(spec):
    return f"{__name__}-{spec['executable']}"


def _reduce_plugin(kind, spec):
    names = {"bootstrap": _BOOTSTRAP, "name": __name__, "source": spec["source"], "kind": kind, "spec": spec}
    return eval, ("exec(bootstrap) or plugin", names)


def install():
    """Nothing: the plugins bring this module to where it is needed."""


def worker_plugin(spec):
    """The plugin that keeps a sidecar beside every worker. `spec` is a dict:

    source           of this module
    executable       the token of the executable, in hexadecimal
    path, bytes      where it lies on the workers, and its contents; either may be empty
    name             what people call it
    memory_fraction  how much of a worker's memory limit is the sidecar's; 0.7 if not given
    cpu              what the executable expects of a CPU, as the executable itself words it; may be missing
    """
    return _WorkerPlugin(spec)


def scheduler_plugin(spec):
    """The plugin that brings this module to the scheduler, which unpickles graphs. It needs `source` and `executable` only."""
    return _SchedulerPlugin({"source": spec["source"], "executable": spec["executable"]})


class _WorkerPlugin(WorkerPlugin):
    idempotent = True

    def __init__(self, spec):
        self.spec = spec
        self.name = _plugin_name(spec)

    def __reduce__(self):
        return _reduce_plugin("worker_plugin", self.spec)

    def setup(self, worker):
        executable = self.spec["executable"]
        with _sidecars_lock:
            try:
                if executable not in _sidecars:
                    _sidecars[executable] = _start(self.spec, worker)
                _open_door()
            except Exception as error:
                _failures[executable] = str(error)
                raise
            _failures.pop(executable, None)
            _sidecars[executable].users.add(id(worker))
        # The sidecar has it now.
        self.spec = {**self.spec, "bytes": b""}

    def teardown(self, worker):
        _failures.pop(self.spec["executable"], None)
        sidecar = _sidecars.get(self.spec["executable"])
        if sidecar is not None:
            closing = getattr(worker.status, "name", "") in ("closing", "closed", "failed")
            sidecar.release(id(worker), closing)

    def transition(self, key, start, finish, **_):
        # Dask cannot stop a thread. The sidecar can stop between two tasks of a sub-graph.
        if start in ("executing", "long-running") and finish in ("released", "cancelled", "forgotten"):
            sidecar = _sidecars.get(self.spec["executable"])
            if sidecar is not None:
                sidecar.cancel(key)


class _SchedulerPlugin(SchedulerPlugin):
    idempotent = True

    def __init__(self, spec):
        self.spec = spec
        self.name = _plugin_name(spec)

    def __reduce__(self):
        return _reduce_plugin("scheduler_plugin", self.spec)
