"""A Dask cluster on this machine, for as long as somebody holds standard input: `python -c <this file> --workers 2 --threads 1`.

    Rust ── stdin ──► supervisor ──┬── dask scheduler
         ◄─ stdout ──              ├── dask worker (a nanny) ── worker ── sidecars
                                   └── dask worker …

The processes are Dask's own commands, as an operator would start them. When all workers have joined, one line of JSON says where the
cluster is, `{"address": "tcp://127.0.0.1:40123", "scheduler_file": …, "folder": …, "dashboard": …, "processes": [{"name": …, "pid": …}]}`,
or `{"error": …}`. Then lines of JSON on standard input are commands, each answered by a line:

    {"add_workers": 1}    starts more; answered when they have joined         {"workers": 2}    waits until as many workers are there
    {"pids": true}        all processes of the cluster, with their children

At the end of standard input, or at SIGTERM, everything ends: asked first, killed then, and no process of the cluster is left, nor its
folder. Processes whose parents die are handed to the supervisor (it is their "subreaper"), so it finds also those that made sessions of
their own. If the supervisor itself is killed, the kernel kills the scheduler and the nannies, whose workers then end by themselves.

With `--frames`, messages are MessagePack in frames as in arras_glue.py, rather than lines of JSON.
"""

import sys

sys.path[:] = [folder for folder in sys.path if folder]  # Modules of the working folder are not Dask's.

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

# The exit code of a Python that has no Dask.
NO_DISTRIBUTED = 3

# How long processes may take to end when they are asked to, in seconds.
GRACE = 3

# Runs one of Dask's commands: `parent module arguments…`. It dies with the supervisor, even if that is killed.
COMMAND = f"""
import ctypes, importlib, os, signal, sys
sys.path[:] = [folder for folder in sys.path if folder]
ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the supervisor has ended")
importlib.import_module(sys.argv[2]).main(sys.argv[3:], prog_name=sys.argv[2])
"""


def arguments():
    parser = argparse.ArgumentParser(description="A Dask cluster on this machine, until standard input closes.")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--memory-limit", default="auto", help="of each worker, as `dask worker` takes it")
    parser.add_argument("--no-nanny", action="store_true", help="workers that nobody restarts")
    parser.add_argument("--resources", help="of each worker, as `dask worker` takes them: GPU=2,MEM=10e9")
    parser.add_argument("--name", default="worker", help="workers are called NAME-0, NAME-1, …")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("--dashboard", help="the address of the dashboard, such as :8787; off without")
    parser.add_argument("--tls-ca-file")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--logs", help="a folder for the logs of all processes; without, they write to standard error")
    parser.add_argument("--log-level", default="error", help="of Dask's own messages")
    parser.add_argument("--timeout", type=float, default=60, help="seconds that starting may take")
    parser.add_argument("--frames", action="store_true", help="messages in frames, not in lines")
    return parser.parse_args()


class CannotStart(Exception):
    pass


class Lines:
    """Messages as lines of JSON."""

    def __init__(self):
        self.rest = b""

    def write(self, message):
        return json.dumps(message).encode() + b"\n"

    def read(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


class Frames(Lines):
    """Messages as MessagePack: `header length: u32 | 0: u64 | header`."""

    PREFIX = struct.Struct("<IQ")

    def write(self, message):
        header = msgpack.packb(message)
        return self.PREFIX.pack(len(header), 0) + header

    def read(self, data):
        self.rest += data
        messages = []
        while len(self.rest) >= self.PREFIX.size:
            length, _ = self.PREFIX.unpack_from(self.rest)
            end = self.PREFIX.size + length
            if len(self.rest) < end:
                break
            messages.append(msgpack.unpackb(self.rest[self.PREFIX.size : end]))
            self.rest = self.rest[end:]
        return messages


class Cluster:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="arras-cluster-")
        self.scheduler_file = os.path.join(self.folder, "scheduler.json")
        self.processes = {}
        self.n_workers = 0
        self.address = None
        self.dashboard = None

    # --- start

    def spawn(self, name, module, *arguments):
        options = self.options
        for file, option in ((options.tls_ca_file, "--tls-ca-file"), (options.tls_cert, "--tls-cert"), (options.tls_key, "--tls-key")):
            arguments += (option, file) if file else ()
        environment = dict(os.environ, DASK_LOGGING__DISTRIBUTED=options.log_level)
        # What is printed, by Dask or in tasks, must not go into our stream of messages.
        log = open(os.path.join(options.logs, name + ".log"), "ab") if options.logs else sys.stderr
        try:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", COMMAND, str(os.getpid()), module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C in a terminal is for the program whose cluster this is.
                start_new_session=True,
            )
        finally:
            if options.logs:
                log.close()

    async def start(self):
        options = self.options
        dashboard = ("--dashboard", "--dashboard-address", options.dashboard) if options.dashboard else self.no_dashboard()
        address = ("--host", self.host(), "--port", "0", "--scheduler-file", self.scheduler_file)
        self.spawn("scheduler", "distributed.cli.dask_scheduler", *address, *dashboard)
        self.add(options.workers)
        deadline = time.monotonic() + options.timeout
        while self.address is None:
            self.check_alive(self.processes)
            if time.monotonic() > deadline:
                raise CannotStart(f"the scheduler did not start within {options.timeout:g} s")
            await asyncio.sleep(0.02)
            try:
                with open(self.scheduler_file) as file:
                    self.address = json.load(file)["address"]
            except (OSError, ValueError):
                pass  # Not there yet, or half of it.
        await self.wait(options.workers, deadline, self.processes)

    def host(self):
        return ("tls://" if self.options.tls_ca_file else "tcp://") + self.options.host

    def no_dashboard(self):
        # There is an HTTP server all the same; it must not take the port that everybody knows.
        return "--no-dashboard", "--dashboard-address", f"{self.options.host}:0"

    def add(self, n):
        options = self.options
        names = []
        for _ in range(n):
            name = f"{options.name}-{self.n_workers}"
            self.n_workers += 1
            names.append(name)
            arguments = ["--scheduler-file", self.scheduler_file, "--host", self.host(), *self.no_dashboard(), "--name", name]
            arguments += ["--nthreads", str(options.threads), "--memory-limit", options.memory_limit, "--local-directory", self.folder]
            arguments += ["--no-nanny" if options.no_nanny else "--nanny", "--death-timeout", f"{options.timeout:g}"]
            arguments += ["--resources", options.resources.replace(",", " ")] if options.resources else []
            self.spawn(name, "distributed.cli.dask_worker", *arguments)
        return names

    async def wait(self, n, deadline, needed=()):
        """Returns when n workers have joined; the processes that are needed for that must not end meanwhile."""
        options, security = self.options, None
        if options.tls_ca_file:
            tls = {"tls_ca_file": options.tls_ca_file, "tls_client_cert": options.tls_cert, "tls_client_key": options.tls_key}
            security = Security(**tls, require_encryption=True)
        timeout = max(0.1, deadline - time.monotonic())
        async with Client(self.address, asynchronous=True, security=security, timeout=timeout, set_as_default=False) as client:
            self.dashboard = client.dashboard_link if options.dashboard else None
            joined = asyncio.ensure_future(client.wait_for_workers(n, timeout=timeout))
            try:
                while not joined.done():
                    await asyncio.wait([joined], timeout=0.1)
                    self.check_alive(needed)
            finally:
                joined.cancel()
            try:
                joined.result()
            except (TimeoutError, asyncio.TimeoutError) as error:
                raise CannotStart(f"{n} workers did not join within {timeout:.0f} s") from error

    def check_alive(self, names):
        for name in names:
            code = self.processes[name].poll()
            if code is not None:
                raise CannotStart(f"{name} ended with exit code {code} before it joined{self.last_words(name)}")

    def last_words(self, name):
        if not self.options.logs:
            return ""
        with open(os.path.join(self.options.logs, name + ".log"), errors="replace") as log:
            return ": " + log.read()[-2000:]

    # --- what is asked

    def about(self):
        processes = [{"name": name, "pid": process.pid} for name, process in self.processes.items()]
        facts = {"address": self.address, "scheduler_file": self.scheduler_file, "folder": self.folder, "dashboard": self.dashboard}
        return {**facts, "processes": processes}

    async def answer(self, command):
        deadline = time.monotonic() + self.options.timeout
        try:
            if "add_workers" in command:
                before = sum(name != "scheduler" and process.poll() is None for name, process in self.processes.items())
                names = self.add(command["add_workers"])
                await self.wait(before + len(names), deadline, names)
                return {"added": names, **self.about()}
            if "workers" in command:
                await self.wait(command["workers"], deadline)
                return self.about()
            if "pids" in command:
                children = children_by_parent()
                about = self.about()
                return {"processes": [{**process, "children": descendants(process["pid"], children)} for process in about["processes"]]}
            return {"error": f"unknown command {command}"}
        except Exception as error:
            # Whoever asked waits for an answer.
            return {"error": f"{type(error).__name__}: {error}"}

    # --- end

    def reap(self):
        """Takes note of children that have ended: our own, whose exit codes may be asked for, and those that were handed to us."""
        own = {process.pid: process for process in self.processes.values()}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in own:
                    own[ended.si_pid].poll()
                else:
                    os.waitpid(ended.si_pid, os.WNOHANG)

    def end(self):
        """Ends all processes and removes the folder."""
        # The workers first: one whose scheduler goes away waits for it.
        for is_scheduler in (False, True):
            asked = [process for name, process in self.processes.items() if (name == "scheduler") == is_scheduler]
            for process in asked:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + GRACE
            while time.monotonic() < deadline and any(process.poll() is None for process in asked):
                time.sleep(0.01)
        # Those that are left, and their children as they are handed to us, down to the last.
        while reap():
            for pid in descendants(os.getpid(), children_by_parent()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        shutil.rmtree(self.folder, ignore_errors=True)


def reap():
    """Takes note of children that have ended; whether there are any others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return False


def children_by_parent():
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                # The name, in parentheses, may hold anything; the parent is the second field after it.
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(pid))
    return children


def descendants(pid, children):
    found, rest = [], [pid]
    while rest:
        own = children.get(rest.pop(), [])
        found += own
        rest += own
    return found


async def serve(options):
    """Starts the cluster, answers commands, and returns when it is to end."""
    loop, finished = asyncio.get_running_loop(), asyncio.Event()
    messages = Frames() if options.frames else Lines()
    commands = asyncio.Queue()

    def heard():
        data = os.read(0, 1 << 16)
        if not data:
            loop.remove_reader(0)
            finished.set()
            return
        try:
            for command in messages.read(data):
                commands.put_nowait(command)
        except ValueError as error:
            say({"error": f"a command that cannot be read: {error}"})

    def say(message):
        try:
            data = messages.write(message)
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            finished.set()

    async def work():
        try:
            await cluster.start()
            say(cluster.about())
        except Exception as error:
            say({"error": str(error) if isinstance(error, CannotStart) else f"{type(error).__name__}: {error}"})
            finished.set()
            return
        while True:
            say(await cluster.answer(await commands.get()))

    loop.add_reader(0, heard)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, finished.set)
    cluster = Cluster(options)
    loop.add_signal_handler(signal.SIGCHLD, cluster.reap)
    worker = asyncio.ensure_future(work())
    try:
        await finished.wait()
    finally:
        worker.cancel()
        cluster.end()


options = arguments()
try:
    import msgpack
    from distributed import Client, Security
except ImportError as error:
    print(f"{sys.executable} has no Dask: {error}. Install it there: {sys.executable} -m pip install distributed", file=sys.stderr)
    sys.exit(NO_DISTRIBUTED)
# Ctrl-C in a terminal reaches the supervisor too, but its end is for the program that started it to decide.
signal.signal(signal.SIGINT, signal.SIG_IGN)
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
asyncio.run(serve(options))
