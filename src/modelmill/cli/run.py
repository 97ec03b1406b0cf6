"""`kedro run`: Kedro's own, stage by stage."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

RUNNER = "modelmill.runner.StageRunner"


def _run(force: bool, runner: str | None, runner_params: dict[str, Any], **options: Any) -> Any:
    if force and runner:
        raise click.UsageError(
            f"--force is of the runner that skips stages, and {runner} is another; leave one of them out"
        )
    given = {**runner_params, "force": True} if force else runner_params
    assert kedro_run.callback
    return kedro_run.callback(runner=runner or RUNNER, runner_params=given, **options)


run = click.Command(
    "run",
    callback=_run,
    params=[
        *kedro_run.params,
        click.Option(["--force"], is_flag=True, help="Run stages that have not changed, too."),
    ],
    help="Run the pipeline. What has not changed since it ran, as DVC remembers it, is skipped.",
)
