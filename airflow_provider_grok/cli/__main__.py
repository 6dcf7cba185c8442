"""`python -m airflow_provider_grok.cli`: the command `airflow-grok`."""

from __future__ import annotations

import sys

from airflow_provider_grok.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
