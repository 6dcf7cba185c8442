"""The command `airflow-grok`, one file for each subcommand. Importing it loads nothing: what is needed comes later."""


def main(argv=None):  # type: ignore[no-untyped-def]
    """Run a subcommand and return the exit code.

    :param argv: the command line without the program; that of the process by default.
    """
    from airflow_provider_grok.cli.parser import main as run

    return run(argv)


def arguments():  # type: ignore[no-untyped-def]
    """Return the parser of the command line."""
    from airflow_provider_grok.cli.parser import arguments as parser

    return parser()
