"""The reference of all commands in Markdown, made from the commands themselves."""

import click

from modelmill.errors import RegistryError, UserError

HEAD = """# Commands

Beside [Kedro's own](https://docs.kedro.org/en/stable/getting-started/commands_reference/). Made by
`kedro product reference docs/reference`; a test says when it is stale. `kedro COMMAND --help` prints the same.

With `--json` every command of `kedro model` and `kedro dvc` prints one JSON document on stdout, whose `schema` says
what it is, such as `modelmill.model.list/1`: the number goes up when a field changes or goes. Logs and errors go to
stderr. A command that is refused prints `modelmill.error/1` on stdout, too: `code` (below), `kind`, `message`, and
what each of the `gates` said. `check`, `verify`, `list` and `reproduce` print their own document also when they end
with 3, 7 or 9."""


def reference(*groups: click.Group) -> str:
    """Every command that is not hidden, in the order of its name.

    Args:
        groups: `product`, `model`, `dvc`.
    """
    sections = [HEAD, _exit_codes()]
    for group in groups:
        context = click.Context(group, info_name=f"kedro {group.name}")
        sections.append(f"## {context.info_name}\n\n{_said(group)}")
        sections += [
            _section(command, context) for name in group.list_commands(context) for command in [group.commands[name]]
        ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _exit_codes() -> str:
    said = {0: ["Done, or nothing had to be done."], 1: ["Another error."], 2: ["Usage."]}
    for error in [*UserError.__subclasses__(), *RegistryError.__subclasses__()]:
        if error.exit_code != 1:
            said.setdefault(error.exit_code, []).append((error.__doc__ or "").partition("\n")[0])
    rows = [f"| {code} | {' '.join(lines)} |" for code, lines in sorted(said.items())]
    return "\n".join(["| exit code | |", "| --- | --- |", *rows])


def _section(command: click.Command, parent: click.Context) -> str:
    if command.hidden:
        return ""
    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [record for one in options if (record := one.get_help_record(context))]
    rows = [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in records]
    table = "\n".join(["| option | |", "| --- | --- |", *rows])
    return f"### {context.command_path}\n\n{_said(command)}\n\n```text\n{usage}\n```\n\n{table}"


def _said(command: click.Command) -> str:
    return " ".join((command.help or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
