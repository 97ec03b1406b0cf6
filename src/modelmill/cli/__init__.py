"""Commands beside Kedro's own, `kedro product`, `kedro dvc` and `kedro model`; and `kedro run` by stages.

Kedro takes the group `cli`.
"""

import click

from modelmill.cli.changes import CHANGING
from modelmill.cli.dvc import dvc
from modelmill.cli.model import model
from modelmill.cli.product import product
from modelmill.cli.reproduce import reproduce_version
from modelmill.cli.run import run


@click.group()
def cli() -> None:
    """modelmill: AI products from YAML files."""


for command in (*CHANGING, reproduce_version):
    model.add_command(command)
cli.add_command(product)
cli.add_command(model)
cli.add_command(dvc)
cli.add_command(run)
