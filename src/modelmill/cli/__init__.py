"""Commands beside Kedro's own: `kedro product ...` and `kedro model ...`. Kedro takes the group `cli`."""

import click

from modelmill.cli.changes import CHANGING
from modelmill.cli.model import model
from modelmill.cli.product import product


@click.group()
def cli() -> None:
    """modelmill: AI products from YAML files."""


for command in CHANGING:
    model.add_command(command)
cli.add_command(product)
cli.add_command(model)
