"""Makes dist/example-python.wasm of plugin.py.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python build.py
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# In a project of your own: a copy of Keyhole's folder `wit`.
WIT = HERE.parents[2] / "wit"

tool = [str(Path(sys.executable).parent / "componentize-py"), "--wit-path", str(WIT), "--world", "plugin-with-wasi"]
output = HERE / "dist" / "example-python.wasm"
output.parent.mkdir(exist_ok=True)
command = [*tool, "componentize", "plugin", "--python-path", str(HERE), "--output", str(output)]
sys.exit(subprocess.run(command).returncode)
