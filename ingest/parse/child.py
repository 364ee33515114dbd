"""The parsing child: reads requests on standard input, answers on standard output. Can do nothing else.

Started by `ingest.parse.sandbox` as `python -m ingest.parse.child MEMORY_BYTES PARENT`. Limits are set before the
first file is opened. It ends when its input ends or its parent is gone, so a killed parent leaves no orphan.
"""

import ctypes
import gc
import math
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from ingest.errors import UnreadableDocument
from ingest.parse.formats import parse_file
from ingest.parse.picture import draw_page
from ingest.parse.wire import Reply, Request, encode, read_request

_OPEN_FILES = 32
_LONGEST_MESSAGE = 480  # characters
_STACK_FRAMES = 3000
_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000


def main() -> None:
    """Serve requests until the parent closes its end."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a parser prints must not enter the conversation
    _confine(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, args=(int(sys.argv[2]),), daemon=True).start()
    while (request := read_request(requests)) is not None:
        _allow_time(request.limits.seconds)
        reply = _serve(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(encode(reply))
        replies.flush()
        del reply
        gc.collect()


def _serve(request: Request) -> Reply:
    try:
        if request.order is not None:
            return Reply(picture=draw_page(Path(request.path), request.order), peak_bytes=_peak_bytes())
        document = parse_file(Path(request.path), request.name, request.limits)
    except UnreadableDocument as error:
        return Reply(error=type(error).__name__, message=_line(error), peak_bytes=_peak_bytes())
    except MemoryError:
        allowed = request.limits.memory_bytes // 1024**2
        message = f"parsing needs more than the {allowed} MiB of memory allowed; divide the file"
        return Reply(error="ParserLimit", message=message, peak_bytes=_peak_bytes())
    except RecursionError:
        return Reply(error="ParserLimit", message="the content is nested too deeply to be read")
    except OSError as error:
        return Reply(error="OSError", message=str(error))
    except Exception as error:  # noqa: BLE001  # a parser may raise anything on hostile bytes; the parent reports it
        reason = f"{type(error).__name__}: {_line(error)}"[:300]
        return Reply(error="BrokenDocument", message=f"the parser gave up on the file ({reason})")
    return Reply(document=document, peak_bytes=_peak_bytes())


def _line(error: Exception) -> str:
    """The message on one line. Bytes of the file may stand in it: nothing that a terminal would obey gets out."""
    shown = "".join(c if c.isprintable() else " " for c in str(error))
    return " ".join(shown.split())[:_LONGEST_MESSAGE]


def _confine(memory_bytes: int) -> None:
    sys.setrecursionlimit(_STACK_FRAMES)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _leave_network()


def _leave_network() -> None:
    """An empty network namespace where the kernel grants one; parsers open no connections in any case."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(_CLONE_NEWNET) != 0:
            library.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    except (OSError, AttributeError):
        return


def _allow_time(seconds: float) -> None:
    """Processor and wall time for one file, enforced by the kernel even when the parent is gone."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))
    signal.setitimer(signal.ITIMER_REAL, seconds + 2.0)


def _end_with_parent(parent: int) -> None:
    """A parent that was killed may leave its pipe open in another process; its id cannot lie.

    The parent gives its id itself: it may be gone before this process has begun.
    """
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _peak_bytes() -> int:
    """The most memory this program held. Not `ru_maxrss`, which starts at what the parent held when it forked."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    main()
