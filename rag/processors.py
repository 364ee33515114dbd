"""Who gets how many processor threads, and who steps back: the one place where this is decided.

The embedder, the searches and the local model share few cores in one process, and other processes of ours share them
too. Knows no model and starts no thread; those who do ask here.
"""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

import psutil

from rag.settings import Settings

# How far work steps back behind a person who waits for an answer (as `nice` counts, 19 is the farthest).
WORKER_NICE: Final = 5  # ingestion beside a server
BATCH_NICE: Final = 10  # many questions from a file, and all passages embedded anew
OPTIMIZE_NICE: Final = 19  # converting the model, which nobody waits for

# llama.cpp's threads wait for each other by spinning. Where another thread wants the same cores, each wait then lasts a
# time slice: 80 times slower words. After so many turns they sleep.
SPIN_TURNS: Final = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind of work gets. `nice`: how far it steps back."""

    work: str
    threads: int
    nice: int
    why: str


@dataclass(frozen=True, slots=True)
class Shares:
    """Threads by the settings and by this machine. All at least 1."""

    cores: int  # that this process may use, hyperthreads counted
    embedder: int
    model: int

    def listing(self) -> tuple[Share, ...]:
        """Every kind of work, those that people wait for first."""
        return (
            Share("a question's embedding and its search", 1, 0, "several questions run beside each other"),
            Share("evidence and checks", self.embedder, 0, "one text per core at a time"),
            Share("local model", self.model, 0, "one per physical core; they sleep after a short wait"),
            Share("ingestion beside a server", self.embedder, WORKER_NICE, "behind those who ask"),
            Share("batches of questions, another embedding model", self.model, BATCH_NICE, "behind ingestion"),
            Share("converting the model", self.model, OPTIMIZE_NICE, "only while nothing else runs"),
        )


def shares(settings: Settings) -> Shares:
    """By the settings; where they say 0, by the cores."""
    cores = usable_cores()
    return Shares(cores, settings.embedder_threads or cores, settings.model_threads or physical_cores())


def usable_cores() -> int:
    """Cores this process may use, hyperthreads counted."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def physical_cores() -> int:
    """Cores this process may use, without hyperthreads: a second thread on a core only makes both wait."""
    allowed = usable_cores()
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def let_waiting_threads_sleep(environment: MutableMapping[str, str]) -> None:
    """Must be called before llama.cpp is loaded, which reads it then."""
    environment.setdefault("GOMP_SPINCOUNT", str(SPIN_TURNS))


def step_back(nice: int) -> None:
    """Let others go before this process and all that it starts."""
    os.nice(nice)
