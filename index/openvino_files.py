"""Converted models as files: read, made once when missing, written whole or not at all. Knows no model and no text."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from index.errors import EmbedderUnavailable
from index.quiet_openvino import openvino

logger = logging.getLogger(__name__)


def read_or_convert(core: openvino.Core, target: Path, convert: Callable[[], Any]) -> Any:
    """The graph in `target/model.xml`; if it is missing or unreadable, `convert` makes it and it is kept there.

    Two processes may do so at the same time.
    """
    path = target / "model.xml"
    if path.is_file():
        try:
            return core.read_model(path)
        except RuntimeError as error:
            logger.warning("the converted model %s is unreadable (%s); it is converted again", target, error)
            shutil.rmtree(target)
    logger.info("converting the model %s for this machine, once", target.name)
    save(convert(), target)
    return core.read_model(path)


def save(graph: Any, target: Path) -> None:
    """Write beside the target, make durable, rename: a crash leaves no half model under the final name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        openvino.save_model(graph, folder / "model.xml", compress_to_fp16=False)
        for path in [*folder.iterdir(), folder]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        try:
            folder.rename(target)
        except OSError:
            if not (target / "model.xml").is_file():  # else another process was first, with equal files
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def choose_precision(core: openvino.Core, wanted: str) -> str:
    """`bf16` or `fp32` for `auto`, `bf16` or `fp32`, by what the processor has; `int8` stays, for who can do that.

    Raises EmbedderUnavailable.
    """
    if wanted == "int8":
        return wanted
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted == "bf16" and not has_bf16:
        raise EmbedderUnavailable("this processor has no bf16 arithmetic; set embedder.precision to auto or fp32")
    return "bf16" if has_bf16 and wanted in ("auto", "bf16") else "fp32"
