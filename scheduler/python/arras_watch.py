"""What one client hears of its own tasks, from a plugin of the scheduler.

    scheduler: processing -> memory ──► Watch ──► topic of the client ──► bridge ──► observers, costs

Only tasks that came in a graph of that client are told, in batches; the messages about a task leave before the scheduler says that a wanted task is done, so
a run that waits for its results has heard everything. The plugin takes itself away when its client goes.
"""
from distributed.diagnostics.plugin import SchedulerPlugin

BATCH = 64
DELAY = 0.05


class Watch(SchedulerPlugin):
    """Publishes what happens to one client's tasks, and how many threads the workers have."""

    def __init__(self, client, name):
        self.client, self.name = client, name
        self.scheduler = None
        self.mine, self.wanted, self.news = set(), set(), []

    async def start(self, scheduler):
        self.scheduler = scheduler
        self.tell_threads()

    def tell_threads(self):
        threads = sum(worker.nthreads for worker in self.scheduler.workers.values())
        self.tell({"threads": threads})

    def add_worker(self, scheduler, worker):
        self.tell_threads()

    def remove_worker(self, scheduler, worker, **kwargs):
        self.tell_threads()

    def remove_client(self, scheduler, client):
        if client == self.client:
            scheduler.remove_plugin(name=self.name)

    def update_graph(self, scheduler, *, client=None, keys=(), tasks=(), **kwargs):
        if client == self.client:
            self.mine.update(tasks)
            self.wanted.update(keys)

    def transition(self, key, start, finish, *args, **kwargs):
        if key not in self.mine:
            return
        if finish == "forgotten":
            self.mine.discard(key)
            self.wanted.discard(key)
        elif finish == "erred":
            self.flush()
        elif start == "processing" and finish == "memory":
            times = kwargs.get("startstops") or ()
            seconds = sum(part["stop"] - part["start"] for part in times if part.get("action") == "compute")
            self.news.append((list(key), kwargs.get("worker") or "", seconds, kwargs.get("nbytes") or 0))
            if key in self.wanted or len(self.news) >= BATCH:
                self.flush()
            elif len(self.news) == 1:
                self.scheduler.loop.call_later(DELAY, self.flush)

    def flush(self):
        if self.news:
            news, self.news = self.news, []
            self.tell({"ran": news})

    def tell(self, news):
        # The client's own topic: the scheduler forgets it some time after the client.
        self.scheduler.log_event(self.client, {"arras": news})
