"""OpenVINO without its telemetry: the only import of the library. Knows no model.

`import openvino` alone starts a sender that writes an id into the home folder and reports to its maker unless told
otherwise. Nothing leaves this machine, so its package is hidden before the library looks for it; the library then uses
a stub of its own.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # None makes the import fail, as if not installed

import openvino  # noqa: E402  # must come after the line above
from openvino import opset13 as ops  # noqa: E402  # as above

__all__ = ["openvino", "ops"]
