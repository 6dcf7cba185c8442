"""Apache Airflow provider for xAI's Grok Imagine, Files and Batch APIs. This module imports nothing."""

__version__ = "0.2.0"

_DOCS = "https://docs.x.ai"


def get_provider_info():  # type: ignore[no-untyped-def]
    """What Airflow reads of this package: a literal, for every Airflow process asks at its start."""
    return {
        "package-name": "airflow-provider-grok",
        "name": "xAI Grok",
        "description": "xAI's Grok Imagine (pictures and video), Files and Batch APIs.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": "xAI Grok Imagine", "external-doc-url": _DOCS, "tags": ["ai"]},
            {"integration-name": "xAI Files", "external-doc-url": _DOCS, "tags": ["ai"]},
            {"integration-name": "xAI Batch", "external-doc-url": _DOCS, "tags": ["ai"]},
        ],
        "hooks": [{"integration-name": "xAI Grok Imagine", "python-modules": ["airflow_provider_grok.hooks.grok"]}],
        "operators": [
            {
                "integration-name": "xAI Grok Imagine",
                "python-modules": [
                    "airflow_provider_grok.operators.images",
                    "airflow_provider_grok.operators.videos",
                ],
            },
            {"integration-name": "xAI Files", "python-modules": ["airflow_provider_grok.operators.files"]},
            {
                "integration-name": "xAI Batch",
                "python-modules": [
                    "airflow_provider_grok.operators.batches",
                    "airflow_provider_grok.operators.persist",
                ],
            },
        ],
        "sensors": [
            {"integration-name": "xAI Files", "python-modules": ["airflow_provider_grok.sensors.files"]},
            {"integration-name": "xAI Batch", "python-modules": ["airflow_provider_grok.sensors.batches"]},
        ],
        "triggers": [
            {"integration-name": "xAI Grok Imagine", "python-modules": ["airflow_provider_grok.triggers.jobs"]},
        ],
        "extra-links": [
            "airflow_provider_grok.links.GrokPublicLink",
            "airflow_provider_grok.links.GrokConsoleLink",
        ],
        "cli": ["airflow_provider_grok.cli.airflow_commands.grok_commands"],
        "config": {
            "grok": {
                "description": "Gallery and spend in the Airflow UI.",
                "options": {
                    "gallery_preview_conn_ids": {
                        "description": "Connections of type `grok`, separated by commas, with which the API server may "
                        "fetch stored files that have no public link, to show them in the gallery. Whoever may write "
                        "XComs can then see what this package stored there. Empty: none.",
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "grok_default",
                        "default": "",
                    },
                    "gallery_media_hosts": {
                        "description": "Hosts besides files-cdn.x.ai, separated by commas, from which the gallery may "
                        "show pictures and films; https, unless `http://` stands in front.",
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "cdn.example.com, http://127.0.0.1:8642",
                        "default": "",
                    },
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "grok",
                "hook-name": "xAI Grok",
                "hook-class-name": "airflow_provider_grok.hooks.grok.GrokHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "port", "schema"],
                    "relabeling": {"password": "API key", "host": "Base URL"},
                    "placeholders": {"password": "xai-...", "host": "https://api.x.ai/v1"},
                },
                "conn-fields": {
                    "timeout": {
                        "label": "Timeout (s)",
                        "description": "Seconds without a byte after which an answer counts as lost.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "default": 60},
                    },
                    "max_attempts": {
                        "label": "Attempts",
                        "description": "How often one call is tried, where a repeat can do no harm.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "default": 5},
                    },
                    "max_in_flight": {
                        "label": "Requests in flight",
                        "description": "Requests that one triggerer, or one persisting task, has under way at a time.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "default": 16},
                    },
                    "download_hosts": {
                        "label": "Download hosts",
                        "description": "Hosts, or host:port, besides *.x.ai and the base URL's own from which files "
                        "may be fetched over https; text with commas, or a list.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "expires_after": {
                        "label": "Lifetime of files (s)",
                        "description": "Default lifetime of stored files in seconds, 3600 to 2592000; "
                        "empty for no end.",
                        "schema": {"type": ["integer", "null"], "minimum": 3600, "maximum": 2592000},
                    },
                    "max_cost_usd": {
                        "label": "Cost limit per task (USD)",
                        "description": "Default of max_cost_usd of every task: what it may spend over all its tries.",
                        "schema": {"type": ["number", "null"], "minimum": 0},
                    },
                    "recovery_wait": {
                        "label": "Recovery wait (s)",
                        "description": "Seconds to look for the result of a lost answer before it is bought again; "
                        "never longer than the job's timeout.",
                        "schema": {"type": ["number", "null"], "minimum": 0},
                    },
                },
            }
        ],
    }
