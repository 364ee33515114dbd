"""Has the default model converted once, in the background, when the server has had nothing to do for a while.

Knows no measuring: a child process at the lowest priority does what `footnote models optimize` does, and the registry
swaps the model when that is done. A child, so that neither its memory nor its work is in the way of an answer.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

import psutil

from rag.errors import ModelUnavailable
from rag.llm.registry import Models
from rag.llm.shelf import LOCAL
from rag.settings import Settings

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 15.0
_IDLE_SECONDS = 120.0  # without a question, before the machine counts as free
_FREE_LOAD = 0.5  # load per core up to which the machine counts as free


def optimize_command(settings: Settings) -> Sequence[str]:
    """How the conversion is started."""
    data = str(settings.data.resolve())
    return (sys.executable, "-m", "rag.cli", "--data", data, "models", "optimize", "--gently", "--json")


class BackgroundOptimizer:
    """Waits for a quiet time, then runs the command once. `free` says whether now is one."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        *,
        command: Sequence[str] = (),
        free: Callable[[], bool] | None = None,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._models = models
        self._settings = settings
        self._command = list(command or optimize_command(settings))
        self._free = free or self._quiet
        self._look_seconds = look_seconds
        self._ending = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="optimize-model", daemon=True)

    def start(self) -> None:
        """Begin to wait, unless the setting says that nothing is to be done."""
        if self._settings.model_optimize == "auto":
            self._thread.start()

    def close(self) -> None:
        """End the child, if it runs, and the waiting."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._look_seconds):
            if not self._needed():
                return
            if self._free():
                self._convert()
                return

    def _needed(self) -> bool:
        # Both load llama.cpp, which the default model has done by then.
        from rag.llm.devices import AUTO, free_device_memory
        from rag.llm.optimize import this_machine

        layers = self._settings.model_gpu_layers
        elsewhere = layers > 0 or (layers == AUTO and free_device_memory() > 0)
        if elsewhere or self._settings.model_default != LOCAL:
            return False
        try:
            entry = self._models.contents().models.get(LOCAL)
        except ModelUnavailable as error:
            logger.warning("%s", error)
            return False
        if entry is None:
            return True
        # Somebody's own choice is left alone.
        return entry.optimized_for != this_machine() and entry.current.origin != "added"

    def _quiet(self) -> bool:
        cores = psutil.cpu_count() or 1
        # Infinite while no model is open: then nobody has asked for one yet, or it is being loaded.
        return _IDLE_SECONDS < self._models.idle_seconds() < float("inf") and os.getloadavg()[0] < _FREE_LOAD * cores

    def _convert(self) -> None:
        logger.info("converting the default model into what is fastest on this processor, at the lowest priority")
        self._child = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while (code := self._child.poll()) is None:
            if self._ending.wait(0.2):
                self._child.kill()
                self._child.wait()
                return
        if code == 0:
            logger.info("the default model was converted; `footnote models list` shows what was measured")
        else:
            logger.warning("the default model could not be converted; `footnote models optimize` says why")
