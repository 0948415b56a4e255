"""The Ray engine: actors on any number of machines analyse, this process writes."""

import contextlib
import dataclasses
import itertools
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from keras_musictag import environment
from keras_musictag.checks import check_positive_int
from keras_musictag.errors import ConfigError, import_extra
from keras_musictag.library.analysis import Analyzer
from keras_musictag.library.jobs import Job, Outcome, Recipe

BLOCK = 8  # files that an actor is handed at a time, at most
AHEAD = 2  # blocks of an actor: one that it works on, one that waits
DEATHS = 3  # so many actors may die of one file
STORE_BYTES = 100 * 2**20  # of a cluster of our own: what travels is small


class RayEngine:
    """Analyses files with actors of a Ray cluster, each with models of its own.

    The engine of `building.run`. An actor decodes what it scores: sound is larger than
    the file and the result. Files go out in small blocks, two to each actor, while the
    results come back. What an actor had when it or its machine died goes to others;
    a file of which several actors die, one after the other, becomes an error.

    Args:
        workers: How many actors; `None` for one on each CPU (if there are GPUs: of
            the machines that have some). More than there are CPUs share them, which
            helps where the network is slow. GPUs are always shared.
        address: Of a cluster, such as `"10.0.0.1:6379"`, or `"auto"`; `None` starts
            one on this machine, which ends with the run and listens on the loopback
            alone (unless Ray was imported before). A connection that the program has
            already is used as it is.

    Raises:
        MissingExtraError: If Ray is not installed.
    """

    def __init__(self, workers: int | None = None, address: str | None = None):
        if workers is not None:
            check_positive_int(workers, name="workers")
        self.workers, self.address = workers, address
        environment.suggest(RAY_USAGE_STATS_ENABLED="0")
        if address is None:  # on every system: the loopback instead of the network
            environment.suggest(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")
        # This process loads the models too, and leaves GPUs to the actors.
        environment.suggest(TF_FORCE_GPU_ALLOW_GROWTH="true")
        import_extra("ray", "ray", "The Ray engine")

    def __call__(
        self, analyzer: Analyzer, jobs: Iterable[Job]
    ) -> Generator[Outcome, None, None]:
        """Analyse files.

        Args:
            analyzer: Its recipe is what the actors follow.
            jobs: The files; asked for as actors get free.

        Yields:
            An `Outcome` for each job, in any order.

        Raises:
            ConfigError: If there is no cluster at the address, its machines have
                other models, or actors die while they start.
        """
        jobs = iter(jobs)
        first = list(itertools.islice(jobs, 1))
        if not first:
            return
        with connected(self.address), Pool(analyzer, self.workers) as pool:
            yield from pool.run(itertools.chain(first, jobs))


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to the cluster at an address, or to one of our own.

    Args:
        address: As in `RayEngine`.

    Raises:
        ConfigError: If it cannot be reached.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            "The Ray cluster cannot be reached.",
            received=f"address={address!r}: {type(error).__name__}: {error}",
            advice="Give the address that `ray start --head` prints, or none to start "
            "a cluster on this machine.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


class _Worker:
    """What an actor is: an `Analyzer` that is loaded on its machine."""

    def load(self, recipe: Recipe, ids: list[str], variables: dict[str, str]) -> None:
        environment.impose(variables)  # before anything imports Keras
        self.analyzer = Analyzer(recipe)
        loaded = [analysis.id for analysis in self.analyzer.analyses]
        if loaded != ids:
            raise ConfigError(
                "A machine of the cluster has other models than this one.",
                received=f"{loaded} there, {ids} here",
                advice="Install the same version of keras-musictag everywhere, and "
                "keep saved models on storage that all machines share.",
            )

    def run(self, jobs: list[Job]) -> list[Outcome]:
        return list(self.analyzer.run(jobs))


@dataclasses.dataclass
class _Block:
    """Files that go to an actor together, and how many actors died of them."""

    jobs: list[Job]
    deaths: int = 0


class _Waiting:
    """Hands out the files in blocks: large ones first, small ones at the end.

    Args:
        jobs: The files; asked for when they are needed.
    """

    def __init__(self, jobs: Iterable[Job]):
        self.source = iter(jobs)
        self.held: deque[Job] = deque()
        self.again: deque[_Block] = deque()  # blocks whose actor died
        self._hold(1)

    def __bool__(self) -> bool:
        return bool(self.again or self.held)

    def _hold(self, count: int) -> None:
        while len(self.held) < count:
            job = next(self.source, None)
            if job is None:
                return
            self.held.append(job)

    def block(self, workers: int, idle: bool) -> _Block | None:
        """Take the next block for an actor; a suspect one only if it is idle."""
        if self.again and (idle or not self.again[0].deaths):
            return self.again.popleft()
        share = workers * AHEAD
        self._hold(share * BLOCK)
        count = max(1, min(BLOCK, len(self.held) // share))
        jobs = [self.held.popleft() for _ in range(min(count, len(self.held)))]
        self._hold(1)
        return _Block(jobs) if jobs else None


class Pool:
    """The actors and what each of them has to do; a context that ends them.

    Args:
        analyzer: Its recipe is what the actors follow.
        workers: As in `RayEngine`.
    """

    def __init__(self, analyzer: Analyzer, workers: int | None):
        import ray

        self.ray = ray
        self.workers, self.options = _shares(ray.nodes(), workers)
        ids = [analysis.id for analysis in analyzer.analyses]
        self.arguments = (analyzer.recipe, ids, _environment())
        self.starting: dict[Any, Any] = {}  # by the reference of its start: an actor
        self.tasks: dict[Any, dict[Any, _Block]] = {}  # by actor: its blocks, in order
        self.died_starting = 0

    def __enter__(self):
        for _ in range(self.workers):
            self._start()
        return self

    def __exit__(self, *_):
        for actor in [*self.tasks, *self.starting.values()]:
            self.ray.kill(actor)

    def wait(self) -> None:
        """Wait until all actors have loaded their models."""
        while self.starting:
            self._started(self._next())

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Analyse files.

        Args:
            jobs: The files; asked for when an actor needs them.

        Yields:
            An `Outcome` for each job, in any order.

        Raises:
            ConfigError: If actors die while they start, or have other models.
        """
        waiting = _Waiting(jobs)
        while True:
            for actor, blocks in self.tasks.items():
                self._fill(actor, blocks, waiting)
            owners = {ref: a for a, blocks in self.tasks.items() for ref in blocks}
            if not owners and not waiting:
                return
            ref = self._next(*owners)
            if ref in self.starting:
                self._started(ref)
            else:
                yield from self._took(owners[ref], ref, waiting)

    def _next(self, *others: Any) -> Any:
        (ref,), _ = self.ray.wait([*others, *self.starting], num_returns=1)
        return ref

    def _start(self) -> None:
        actor: Any = self.ray.remote(_Worker).options(**self.options).remote()
        self.starting[actor.load.remote(*self.arguments)] = actor

    def _started(self, ref: Any) -> None:
        actor = self.starting.pop(ref)
        try:
            self._get(ref)
        except self.ray.exceptions.RayError as error:
            self.died_starting += 1
            if self.died_starting > DEATHS * self.workers:
                raise ConfigError(
                    "Actors die while they start.",
                    received=f"{type(error).__name__}: {error}",
                    advice="Fewer workers need less memory.",
                ) from error
            self._start()
        else:
            self.tasks[actor] = {}

    def _fill(self, actor: Any, blocks: dict[Any, _Block], waiting: _Waiting) -> None:
        while waiting and len(blocks) < AHEAD:
            if any(block.deaths for block in blocks.values()):
                return  # a suspect is alone, so that no other file is blamed
            block = waiting.block(self.workers, idle=not blocks)
            if block is None:
                return
            blocks[actor.run.remote(block.jobs)] = block

    def _took(self, actor: Any, ref: Any, waiting: _Waiting) -> Iterator[Outcome]:
        blocks = self.tasks[actor]
        try:
            outcomes = self._get(ref)
        except self.ray.exceptions.RayError:
            del self.tasks[actor]
            self.ray.kill(actor)  # if only the network was gone, it may still be there
            self._start()
            yield from self._rescue(blocks, waiting)
        else:
            del blocks[ref]
            yield from outcomes

    def _rescue(self, blocks: dict[Any, _Block], waiting: _Waiting) -> Iterator:
        """Put back what a dead actor had; it was at the first that has no result."""
        suspected = False
        for ref, block in blocks.items():
            try:
                yield from self._get(ref)
            except self.ray.exceptions.RayError as error:
                if suspected:
                    waiting.again.appendleft(block)
                    continue
                suspected = True
                yield from self._suspect(block, error, waiting)

    def _suspect(self, block: _Block, error, waiting: _Waiting) -> Iterator[Outcome]:
        if block.deaths + 1 < DEATHS:
            for job in block.jobs:
                waiting.again.append(_Block([job], block.deaths + 1))
            return
        cause = f"{DEATHS} processes died while they analysed the file. The last: "
        message = cause + str(error).strip().split("\n")[0]
        for job in block.jobs:
            errors = dict.fromkeys(job.wanted, (type(error).__name__, message))
            yield Outcome(job, errors=errors)

    def _get(self, ref: Any) -> Any:
        """Return a result, or raise what an actor raised as it was."""
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raised = isinstance(error.cause, Exception)
            raise error.cause if raised else RuntimeError(str(error)) from error


def _shares(nodes: list[dict], workers: int | None) -> tuple[int, dict[str, Any]]:
    """Return how many actors there are, and what part of the machines each one is."""
    parts = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(part.get("GPU", 0)) for part in parts)
    parts = [part for part in parts if part.get("GPU") or not gpus]
    cpus = max(1, sum(int(part.get("CPU", 0)) for part in parts))
    workers = workers or cpus
    options: dict[str, Any] = {
        "num_cpus": 1 / -(-workers // cpus),  # so that they fit whatever the machines
        "max_restarts": 0,
        "scheduling_strategy": "SPREAD",
    }
    if gpus:
        options["num_gpus"] = 1 / -(-workers // gpus)
    return workers, options


def _environment() -> dict[str, str]:
    """What the actors need to compute as this process does, each on one CPU."""
    keras = sys.modules.get("keras")
    backend = {"KERAS_BACKEND": keras.backend.backend()} if keras else {}
    return backend | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
