"""What arras_cluster.py promises: `python cluster.py [name…]`, in a Python that has `distributed`."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "arras_cluster.py")) as file:
    SOURCE = file.read()

MARK = "ARRAS_TEST_OF_CLUSTER"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Supervisor:
    def __init__(self, *arguments):
        self.mark = os.urandom(8).hex()
        self.logs = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SOURCE, "--logs", self.logs.name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, MARK: self.mark},
        )
        self.about = self.answer()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def processes(self):
        """All that it started, wherever they went."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    marked = f"{MARK}={self.mark}".encode() in file.read().split(b"\0")
                with open(f"/proc/{pid}/stat") as file:
                    zombie = file.read().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if marked and not zombie and int(pid) != self.process.pid:
                found.append(int(pid))
        return found

    def leaves_nothing(self, folder=True):
        deadline = time.monotonic() + 20
        while self.processes():
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.01)
        assert not folder or not os.path.exists(self.about["folder"])


@test
def a_cluster_grows_answers_and_ends_with_its_standard_input():
    supervisor = Supervisor("--workers", "1", "--memory-limit", "1GB", "--resources", "GPU=2,X=1")
    about = supervisor.about
    assert about["address"].startswith("tcp://127.0.0.1:") and os.path.exists(about["scheduler_file"]) and about["dashboard"] is None
    assert [process["name"] for process in about["processes"]] == ["scheduler", "worker-0"]
    grown = supervisor.ask('{"add_workers": 1}')
    assert grown["added"] == ["worker-1"] and supervisor.ask('{"workers": 2}')["address"] == about["address"]
    assert "error" in supervisor.ask('{"unknown": 1}') and "error" in supervisor.ask("no command")
    processes = supervisor.ask('{"pids": true}')["processes"]
    # Below each nanny there is its worker, at least.
    assert [bool(process["children"]) for process in processes] == [False, True, True]
    below = {pid for process in processes for pid in [process["pid"], *process["children"]]}
    assert below == set(supervisor.processes())
    # A process that left its group and lost its parent.
    worker = processes[1]["children"][-1]
    os.kill(worker, signal.SIGSTOP)
    supervisor.process.stdin.close()
    assert supervisor.process.wait(30) == 0
    supervisor.leaves_nothing()


@test
def what_ends_leaves_no_zombies_and_what_is_wrong_is_answered():
    supervisor = Supervisor("--workers", "1")
    nanny = supervisor.about["processes"][1]["pid"]
    os.kill(nanny, signal.SIGKILL)

    def zombies():
        found = subprocess.run(["ps", "-o", "stat=", "--ppid", str(supervisor.process.pid)], stdout=subprocess.PIPE).stdout
        return [line for line in found.split() if line.startswith(b"Z")]

    deadline = time.monotonic() + 20
    # The nanny, and then its worker, which is handed on to the supervisor.
    while len(supervisor.processes()) > 1 or zombies():
        assert time.monotonic() < deadline, zombies()
        time.sleep(0.01)
    for command in ('{"add_workers": "x"}', '{"add_workers": null}', "[]", "1", '{"workers": {}}'):
        assert "error" in supervisor.ask(command), command
    assert "processes" in supervisor.ask('{"pids": true}')
    supervisor.process.stdin.close()
    assert supervisor.process.wait(30) == 0
    supervisor.leaves_nothing()


@test
def a_supervisor_that_is_terminated_or_killed_leaves_no_process():
    for number, folder in ((signal.SIGTERM, True), (signal.SIGKILL, False)):
        supervisor = Supervisor("--workers", "1")
        assert len(supervisor.processes()) >= 3
        supervisor.process.send_signal(signal.SIGINT)  # Ctrl-C is not for it.
        assert "address" in supervisor.ask('{"workers": 1}')
        supervisor.process.send_signal(number)
        supervisor.process.wait(30)
        supervisor.leaves_nothing(folder)


@test
def a_cluster_that_cannot_start_says_why_and_leaves_nothing():
    for arguments, words in (
        (["--memory-limit", "nonsense"], "Could not interpret 'nonsense'"),
        (["--tls-ca-file", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (["--host", "203.0.113.7"], "Cannot assign requested address"),
    ):
        supervisor = Supervisor("--workers", "1", *arguments)
        assert words in supervisor.about["error"], supervisor.about
        supervisor.process.wait(30)
        supervisor.leaves_nothing(folder=False)
    program = SOURCE.replace("import msgpack\n", "import no_such_module\n", 1)
    assert program != SOURCE
    ended = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert ended.returncode == 3 and b"-m pip install distributed" in ended.stderr


if __name__ == "__main__":
    for function in TESTS:
        if not sys.argv[1:] or function.__name__ in sys.argv[1:]:
            begin = time.monotonic()
            function()
            print(f"{function.__name__}: ok, {time.monotonic() - begin:.1f} s", flush=True)
