"""What loading OpenVINO leaves behind."""

import os
import subprocess
import sys
from pathlib import Path


def test_invariant_14_loading_openvino_starts_no_telemetry(tmp_path: Path) -> None:
    code = (
        "import sys; from index.quiet_openvino import openvino; import openvino.tools.ovc; "
        "assert openvino.Core().available_devices; "
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
