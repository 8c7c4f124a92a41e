"""The client side of a Dask cluster, driven through standard input and output: `python -c <this file>`.

    Rust ──► stdin:  {number, request} + body ──► a dask.distributed Client ──► scheduler, workers
    Rust ◄── stdout: {number, reply} + body, or {event} when a future is done, when tasks ran

A frame is `header length: u32 LE | body length: u64 LE | header: MessagePack | body`. Futures have numbers that the Rust side chooses; what
it does not release stays on the cluster. When standard input closes the client closes too, which frees everything it held there.
"""
import sys

sys.path[:] = [folder for folder in sys.path if folder]  # Modules of the working folder are not Dask's.

import ast
import concurrent.futures
import contextlib
import functools
import hashlib
import inspect
import logging
import os
import signal
import struct
import threading
import time
import traceback
import warnings

PREFIX = struct.Struct("<IQ")
LEAVE_SECONDS = 5.0

# How this process ends when it has lost the scheduler, and how often it looks, in seconds.
CUT_OFF = 4
LOOK_SECONDS = 0.2

# What a cluster takes in of an executable at least, in bytes a second and worker.
INSTALL_RATE = 20e6

# How long to wait before looking again whether all workers have the executable, in seconds.
INSTALL_SECONDS = 0.05


class Pipe:
    """The frames to and from the process that started this one."""

    def __init__(self):
        # Nobody else may write into the stream of frames: what is printed goes to standard error.
        self.out = os.dup(1)
        os.dup2(2, 1)
        self.inp = open(0, "rb", buffering=1 << 16, closefd=False)
        self.lock = threading.Lock()

    def read(self):
        prefix = self.read_exact(PREFIX.size)
        header_len, body_len = PREFIX.unpack(prefix)
        header = msgpack.unpackb(self.read_exact(header_len), raw=False, strict_map_key=False)
        return header, self.read_exact(body_len)

    def read_exact(self, length):
        data = bytearray(length)
        view, filled = memoryview(data), 0
        while filled < length:
            got = self.inp.readinto(view[filled:])
            if not got:
                raise EOFError
            filled += got
        return data

    def write(self, header, buffers=()):
        header = msgpack.packb(header, use_bin_type=True)
        buffers = [memoryview(buffer).cast("B") for buffer in buffers]
        parts = [PREFIX.pack(len(header), sum(len(buffer) for buffer in buffers)) + header, *buffers]
        try:
            with self.lock:
                for part in parts:
                    view = memoryview(part)
                    while len(view):
                        view = view[os.write(self.out, view) :]
        except OSError:
            os._exit(0)  # Nobody listens any more.


class Refused(Exception):
    """A request that cannot be met, and which kind of reason it is."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def within(seconds, work):
    """What `work` returns, if it does so in time."""
    outcome = concurrent.futures.Future()

    def run():
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="arras-within").start()
    try:
        return outcome.result(min(seconds, threading.TIMEOUT_MAX))
    except concurrent.futures.TimeoutError:
        if outcome.done():
            raise
        raise Refused("TimedOut", f"the workers did not answer within {seconds:.1f} s") from None


def describe(error, trace=None):
    """An exception as plain data."""
    kind = type(error).__name__
    plain = {"kind": "Python", "type": kind, "message": str(error) or repr(error), "traceback": ""}
    plain.update(task=None, panic=False, key=None)
    if isinstance(error, Refused):
        plain["kind"] = error.kind
    elif kind == "ArrasError":
        plain.update(kind="Task", message=error.message, task=error.task, panic=bool(error.panic), key=plain_key(error.key))
    elif kind == "KilledWorker":
        plain.update(kind="WorkerLost", key=plain_key(error.args[0]))
    elif kind in ("CancelledError", "FutureCancelledError", "FuturesCancelledError"):
        plain["kind"] = "Cancelled"
    elif isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        plain["kind"] = "TimedOut"
    try:
        plain["traceback"] = "".join(traceback.format_tb(trace if trace is not None else error.__traceback__))
    except Exception:
        pass
    return plain


def plain_key(key):
    """A key of ours as name and index, whether it comes as a tuple or as text."""
    try:
        name, index = key if isinstance(key, tuple) else ast.literal_eval(key)
        return [str(name), int(index)]
    except (TypeError, ValueError, SyntaxError):
        return None


# ------------------------------------------------------------------------------------------------------------ modules as source

LOAD = """(lambda modules, Module: (
    modules[name] if name in modules else
    (modules.__setitem__(name, Module(name)), exec(compile(source, '<' + name + '>', 'exec'), modules[name].__dict__), modules[name])[-1]
))(__import__('sys').modules, __import__('types').ModuleType)"""


def load(name, source):
    """The module of this name, made from its source unless it is there."""
    return eval(LOAD, {"name": name, "source": source})


class FromSource:
    """Pickles as the source that makes it, so nothing has to be importable where it arrives, in any release of Python."""

    def __reduce__(self):
        return eval, (self.expression, dict(self.values))


def from_source(base, module, source, call, **values):
    """An instance of the plugin class `base` that becomes `module.call` on arrival."""
    kind = type("FromSource", (FromSource, base), {})
    plugin = kind.__new__(kind)
    plugin.expression = "(" + LOAD + ")." + call
    plugin.values = {"name": module, "source": source, **values}
    return plugin


# ------------------------------------------------------------------------------------------------------------ the requests


class Hold:
    """A future, and how many numbers and submissions under way need it."""

    __slots__ = ("future", "users")

    def __init__(self, future):
        self.future, self.users = future, 0

    def let_go(self):
        self.users -= 1
        if not self.users:
            # Not by the garbage collector: a callback that waits for it keeps a future alive.
            self.future.release()


class Bridge:
    """One client, the futures it holds, and a method for each request: it returns the reply, or the reply and the buffers of its body."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.client = None
        self.glue = None
        self.holds = {}
        # What each future under way reads: if a worker is lost, it is computed again from that.
        self.reads = {}
        self.lock = threading.RLock()
        self.report = None
        # The connection to the scheduler, once there is one.
        self.comm = None

    # -- the connection

    def connect(self, body, *, address, scheduler_file, security, timeout, name, heartbeat, direct, same_versions, glue, watch, **program):
        client_options = {"timeout": timeout, "name": name or "arras", "set_as_default": False, "direct_to_workers": direct or None}
        if heartbeat:
            client_options["heartbeat_interval"] = int(heartbeat * 1000)
        try:
            if security is not None:
                client_options["security"] = distributed.Security(
                    tls_ca_file=security["ca_file"],
                    tls_client_cert=security["certificate"],
                    tls_client_key=security["key"],
                    require_encryption=True,
                )
            if scheduler_file:
                # Dask would wait for it for ever.
                with open(scheduler_file):
                    client_options["scheduler_file"] = scheduler_file
            else:
                client_options["address"] = address
            self.client = distributed.Client(**client_options)
        except Exception as error:
            raise Refused("Refused", f"{type(error).__name__}: {error}") from error
        self.comm = self.client.scheduler_comm
        threading.Thread(target=self.look, daemon=True, name="arras-look").start()
        # Named after its source: the cluster keeps the modules of other versions of arras for as long as it lives.
        self.glue = load("arras_glue_" + hashlib.sha256(glue.encode()).hexdigest()[:12], glue)
        normalize_token.register(self.glue.Raw, lambda raw: ("raw", digest(raw.frames)))
        self.client.subscribe_topic(self.client.id, self.heard)
        spec = {"source": glue, "bytes": bytes(body), "name": "arras", **program}

        def join():
            versions = self.check_versions(same_versions)
            self.install(spec, watch)
            return versions, self.client.nthreads()

        # Dask would wait for the replies of workers for ever.
        versions, threads = within(timeout + len(body) * (1 + len(self.client.nthreads())) / INSTALL_RATE, join)
        about = {"client": self.client.id, "scheduler": self.client.scheduler.address, "dashboard": self.client.dashboard_link or ""}
        return {"Connected": {**about, "threads": sum(threads.values()), **versions}}

    def is_cut_off(self):
        """Whether the connection was lost. Dask makes another, but the scheduler has forgotten this client and all that it held."""
        comm = self.comm
        return comm is not None and (self.client.scheduler_comm is not comm or bool(comm.closed()))

    def look(self):
        while not self.is_cut_off():
            time.sleep(LOOK_SECONDS)
        self.end_cut_off()

    def end_cut_off(self):
        # Not in the middle of a frame.
        self.pipe.lock.acquire(timeout=1)
        os._exit(CUT_OFF)

    def check_versions(self, same):
        found = self.client.get_versions()
        packages = {"client": found["client"]["packages"], "scheduler": found["scheduler"]["packages"]}
        packages.update({worker: info["packages"] for worker, info in (found.get("workers") or {}).items() if info})
        releases = {who: versions.get("distributed") or "unknown" for who, versions in packages.items()}
        mine = releases["client"]
        others = sorted({release for release in releases.values() if release != mine})
        if others and same:
            raise Refused("Versions", f"{mine} here, {', '.join(others)} on the cluster")
        return {"release": mine}

    def install(self, spec, watch):
        module, name = "arras_watch_" + hashlib.sha256(watch.encode()).hexdigest()[:12], "arras-watch-" + self.client.id
        values = {"client": self.client.id, "plugin": name}
        watch = from_source(distributed.SchedulerPlugin, module, watch, "Watch(client, plugin)", **values)
        worker_plugin = self.glue.worker_plugin(spec)
        try:
            self.client.register_plugin(watch, name=name)
            self.client.register_plugin(self.glue.scheduler_plugin(spec))
            self.install_on_workers(worker_plugin)
            for again in (True, False):
                failures, n_ready = self.wait_until_tried(spec["executable"])
                if not failures:
                    break
                if n_ready or not again:
                    raise RuntimeError(failures[0])
                # What fails everywhere is what another client brought that did not stay to take it back.
                with contextlib.suppress(Exception):
                    self.client.unregister_worker_plugin(worker_plugin.name)
                self.install_on_workers(worker_plugin)
        except Exception as error:
            raise Refused("Install", f"{type(error).__name__}: {error}") from error

    def install_on_workers(self, plugin):
        try:
            self.client.register_plugin(plugin)
        except Exception:
            # Else the cluster takes the next attempt for one that was made already.
            with contextlib.suppress(Exception):
                self.client.unregister_worker_plugin(plugin.name)
            raise

    def wait_until_tried(self, executable):
        """Why it does not run on some workers, and on how many it does. Registering a plugin that another client is just registering returns
        at once, so it may not be there yet."""
        state = FromSource()
        state.expression = "lambda: getattr(__import__('sys').modules.get(name), 'state', lambda executable: None)(executable)"
        state.values = {"name": self.glue.__name__, "executable": executable}
        while True:
            # None where nobody has tried yet, and an exception where a worker has just left.
            states = self.client.run(state, on_error="return").values()
            failures = [state for state in states if isinstance(state, str) and state]
            n_ready = sum(state == "" for state in states)
            if failures or n_ready == len(states):
                return failures, n_ready
            time.sleep(INSTALL_SECONDS)

    def heard(self, event):
        news = event[1].get("arras") if isinstance(event[1], dict) else None
        if news is None:
            return
        self.pipe.write({"event": {"Ran" if "ran" in news else "Threads": news}})

    # -- futures

    def hold(self, number, future, reads=(), watched=True):
        hold = Hold(future)
        with self.lock:
            self.holds[number] = hold
            self.reads[number] = reads
            for needed in (hold, *reads):
                needed.users += 1
        if watched:
            self.tell_of(number)

    def tell_of(self, number):
        hold = self.holds.get(number)
        if hold is not None:
            hold.future.add_done_callback(functools.partial(self.done, number, hold))

    def watch(self, body, *, futures):
        for number in futures:
            self.tell_of(number)
        return "Ok"

    def done(self, number, hold, future):
        if self.is_cut_off():
            self.end_cut_off()
        if self.holds.get(number) is not hold:
            return  # Released meanwhile.
        status, error = future.status, None
        if status in ("pending", "lost"):
            # A worker went with it; it is being computed again.
            again = threading.Timer(0.1, self.tell_of, (number,))
            again.daemon = True
            again.start()
            return
        if status == "finished":
            # What failed may be tried again, and then needs what it reads.
            self.let_go(self.reads, number)
        elif status == "error":
            try:
                error = describe(future.exception(), future.traceback())
            except Exception as other:
                error = describe(other)
        elif status == "cancelled":
            error = {**describe(Refused("Cancelled", "")), "message": cancelled_because(future)}
        self.pipe.write({"event": {"Done": {"future": number, "status": status, "error": error}}})

    def let_go(self, table, number):
        with self.lock:
            held = table.pop(number, ())
            for hold in held if isinstance(held, (list, tuple)) else (held,):
                hold.let_go()

    def release(self, body, *, futures):
        # It cannot overtake the graph: the client sends in order, and the scheduler handles one message of a client after another, as it
        # awaits each handler in all releases since 2023.9.2.
        with self.lock:
            for number in futures:
                self.let_go(self.reads, number)
                self.let_go(self.holds, number)

    def future(self, number):
        return self.holds[number].future

    def of(self, numbers):
        return [self.future(number) for number in numbers]

    # -- work

    def submit(self, body, *, tasks, outputs, executable, options):
        body, offset, graph, keys = memoryview(body), 0, {}, []
        # The futures that each task stands on, itself or through others of the graph.
        uses = []

        def dependency(which, used):
            if "Future" in which:
                hold = self.holds[which["Future"]]
                used.add(hold)
                return hold.future
            used |= uses[which["Task"]]
            return reference(keys[which["Task"]])

        for name, index, work in tasks:
            key, used = (name, index), set()
            kind, work = next(iter(work.items()))
            if kind == "Run":
                payload = Payload(body[offset : offset + work["length"]])
                offset += work["length"]
                inputs = [dependency(which, used) for which in work["inputs"]]
                graph[key] = call(key, self.glue.run, payload, work["results"], executable, *inputs)
            elif kind == "Item":
                used = uses[work["of"]]
                graph[key] = call(key, self.glue.item, reference(keys[work["of"]]), work["item"])
            else:
                graph[key] = value(key, self.glue.Raw(bytes(body[offset : offset + work["length"]])))
                offset += work["length"]
            keys.append(key)
            uses.append(used)
        wanted = [keys[task] for _, task in outputs]
        with self.lock:
            futures = self.client.get(graph, wanted, sync=False, **chosen(options))
            for (number, task), future in zip(outputs, futures):
                self.hold(number, future, tuple(uses[task]))
        return "Ok"

    def scatter(self, body, *, future, name, broadcast):
        key = (name, 0)
        placed = self.client.scatter({key: self.glue.Raw(body)}, broadcast=broadcast)
        self.hold(future, placed[key])
        return "Ok"

    def gather(self, body, *, futures):
        futures = self.of(futures)
        values = self.client.gather(futures)
        buffers = [self.glue.raw(value) for value in values]
        return {"Gathered": {"lengths": [memoryview(buffer).nbytes for buffer in buffers]}}, buffers

    def cancel(self, body, *, futures):
        self.client.cancel([self.future(number) for number in futures if number in self.holds])
        return "Ok"

    def retry(self, body, *, futures):
        self.client.retry(self.of(futures))
        return self.watch(body, futures=futures)

    def replicate(self, body, *, futures, n, workers):
        self.client.replicate(self.of(futures), n=n, workers=workers or None)
        return "Ok"

    def who_has(self, body, *, futures):
        where = self.client.who_has(self.of(futures))
        return {"WhoHas": {"workers": [list(find(where, self.future(number).key)) for number in futures]}}

    def nbytes(self, body, *, futures):
        sizes = self.client.nbytes([self.future(number).key for number in futures], summary=False)
        return {"Nbytes": {"nbytes": [find(sizes, self.future(number).key, 0) for number in futures]}}

    # -- the cluster

    def info(self, body):
        every = {"n_workers": -1} if "n_workers" in inspect.signature(self.client.scheduler_info).parameters else {}
        workers = self.client.scheduler_info(**every)["workers"]
        return {"Info": {"workers": [worker_info(address, worker) for address, worker in workers.items()]}}

    def stats(self, body):
        return {"Stats": {"workers": [[address, plain(stats)] for address, stats in self.client.run(self.glue.stats).items()]}}

    def wait_for_workers(self, body, *, n, timeout):
        self.client.wait_for_workers(n, timeout=timeout)
        return "Ok"

    def retire_workers(self, body, *, workers, n):
        retired = self.client.retire_workers(**({"workers": workers} if workers else {"n": n}))
        return {"Workers": {"workers": list(retired or ())}}

    def restart(self, body, *, timeout):
        self.client.restart(**({"timeout": timeout} if timeout else {}))
        return "Ok"

    # -- datasets

    def publish(self, body, *, name, futures, about, replace):
        data = {"arras": about, "futures": self.of(futures)}
        try:
            self.client.publish_dataset(data, name=name, override=replace)
        except KeyError as error:
            raise Refused("Dataset", f"there is a dataset {name!r} already") from error
        return "Ok"

    def unpublish(self, body, *, name):
        self.client.unpublish_dataset(name)
        return "Ok"

    def datasets(self, body):
        return {"Datasets": {"names": [str(name) for name in self.client.list_datasets()]}}

    def dataset(self, body, *, name, first):
        try:
            data = self.client.get_dataset(name)
        except KeyError as error:
            raise Refused("Dataset", f"there is no dataset {name!r}") from error
        if not isinstance(data, dict) or "arras" not in data:
            raise Refused("Dataset", f"the dataset {name!r} was not published from here")
        for i, future in enumerate(data["futures"]):
            self.hold(first + i, future, watched=False)
        return {"Dataset": {"futures": [list(future.key) for future in data["futures"]], "about": data["arras"]}}

    # -- the report

    def report_start(self, body, *, path):
        if self.report is not None:
            raise Refused("Python", "a performance report is being written already")
        report = distributed.performance_report(filename=path)
        with self.client.as_current():
            report.__enter__()
        self.report = report
        return "Ok"

    def report_stop(self, body):
        report, self.report = self.report, None
        with self.client.as_current():
            report.__exit__(None, None, None)
        return "Ok"


class Payload(bytes):
    """Bytes that are short as text, and arrive as plain bytes: Dask names graphs by the text of what they hold, at 30 ns a byte."""

    __slots__ = ()

    def __repr__(self):
        return "Payload(" + digest([self]) + ")"

    def __reduce__(self):
        return bytes, (bytes(self),)


def digest(buffers):
    """A name for bytes."""
    hashed = hashlib.blake2b(digest_size=16)
    for buffer in buffers:
        hashed.update(buffer)
    return hashed.hexdigest()


def chosen(options):
    """What was asked for of a submission; what was not stays the cluster's own default."""
    return {name: value for name, value in options.items() if value not in (None, [], {})}


def cancelled_because(future):
    try:
        return str(future.exception()) or "cancelled"
    except BaseException as error:
        return str(error) or type(error).__name__


def find(table, key, default=()):
    """Some releases key their answers by the text of a key."""
    return table[key] if key in table else table.get(str(key), default)


def plain(value):
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value if isinstance(value, (int, float, str, bytes, bool, type(None))) else str(value)


def worker_info(address, worker):
    metrics = worker.get("metrics") or {}
    return {
        "address": address,
        "name": str(worker.get("name", address)),
        "host": worker.get("host", ""),
        "threads": worker.get("nthreads", 0),
        "memory_limit": worker.get("memory_limit") or 0,
        "memory": int(metrics.get("memory") or 0),
        "resources": {str(name): float(amount) for name, amount in (worker.get("resources") or {}).items()},
    }


# ------------------------------------------------------------------------------------------------------------ the loop

INLINE = {"submit", "release"}  # In the order in which they come.


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def answer(bridge, number, name, fields, body):
    try:
        if bridge.is_cut_off():
            bridge.end_cut_off()
        reply = getattr(bridge, snake(name))(body, **fields)
    except BaseException as error:
        if bridge.is_cut_off():
            bridge.end_cut_off()
        if number:
            bridge.pipe.write({"number": number, "error": describe(error)})
        return
    if number:
        reply, buffers = reply if isinstance(reply, tuple) else (reply, ())
        bridge.pipe.write({"number": number, "reply": reply}, buffers)


def serve(bridge):
    try:
        while True:
            header, body = bridge.pipe.read()
            request = header["request"]
            name, fields = (request, {}) if isinstance(request, str) else next(iter(request.items()))
            work = functools.partial(answer, bridge, header["number"], name, fields, body)
            if snake(name) in INLINE:
                work()
            else:
                threading.Thread(target=work, daemon=True, name="arras-" + name).start()
    except EOFError:
        pass


def leave(bridge):
    """Ends the client and the process, whatever hangs."""
    late = threading.Timer(LEAVE_SECONDS, os._exit, (1,))
    late.daemon = True
    late.start()
    try:
        bridge.comm = None
        if bridge.client is not None:
            # Else the scheduler wants to tell this client that it has left.
            bridge.client.unsubscribe_topic(bridge.client.id)
            bridge.client.close(timeout=LEAVE_SECONDS)
    finally:
        os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one.
    warnings.simplefilter("ignore")
    if "DASK_LOGGING__DISTRIBUTED" not in os.environ:
        logging.disable(logging.ERROR)  # What goes wrong is an answer.
    try:
        import asyncio

        import msgpack
        import distributed
        from dask.base import normalize_token
    except ImportError as error:
        # Without msgpack there are no frames to answer with: the exit status and this line say it.
        sys.stderr.write(f"arras: {error}\n")
        sys.exit(3)
    try:
        from dask._task_spec import DataNode, Task, TaskRef

        tasks_are_objects = issubclass(distributed.Future, TaskRef) and any(
            parameter.kind is parameter.VAR_POSITIONAL for parameter in inspect.signature(Task.__init__).parameters.values()
        )
    except ImportError:
        tasks_are_objects = False

    def call(key, function, *arguments):
        return Task(key, function, *arguments) if tasks_are_objects else (function, *arguments)

    def value(key, data):
        return DataNode(key, data) if tasks_are_objects else data

    def reference(key):
        return TaskRef(key) if tasks_are_objects else key

    bridge = Bridge(Pipe())
    try:
        serve(bridge)
    finally:
        leave(bridge)
