"""Whether the extra `sandbox` is installed, which the sandbox and the demo need."""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: What the extra `sandbox` brings: module, and the name under which it is installed.
SANDBOX_NEEDS = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "PIL": "pillow",
    "av": "av",
}


def is_missing() -> bool:
    """Whether the extra is missing, in which case the way to get it is told."""
    missing = [package for module, package in SANDBOX_NEEDS.items() if find_spec(module) is None]
    if missing:
        sys.stderr.write(
            f"The sandbox needs {', '.join(missing)}: install them with pip install 'airflow-provider-grok[sandbox]'.\n"
        )
    return bool(missing)
