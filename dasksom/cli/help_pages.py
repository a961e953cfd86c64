"""Help texts in groups: the options that most runs need, and all of them with --help-all."""

from collections.abc import Callable
from typing import Any

import click

COMMON = {
    *("grid", "colors", "epochs", "metric", "scale", "classes", "seed"),
    *("bands", "stack", "select", "mask", "nodata", "overwrite", "model", "suffix"),
    *("pixels", "dither", "image", "report", "summary"),
    *("cluster", "workers", "memory_limit", "config_paths"),
    *("verbose", "quiet", "help_all"),
}
"""Names of the options that --help shows of a command with more than 20."""
_MANY = 20
_OTHER = "Options"
_ORDER = ("Map", "Features", "Image", "Pixels that are used", "Output", "Run", "Cluster", "Messages", _OTHER)
"""Titles of help texts, in order; others come first."""


def options_group(title: str, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds several options to a command, in order, under a title of its help text."""

    def add(command: Any) -> Any:
        others = {id(parameter) for parameter in getattr(command, "__click_params__", ())}
        for decorate in reversed(options):
            command = decorate(command)
        for parameter in command.__click_params__:
            if id(parameter) not in others and isinstance(parameter, GroupedOption) and not parameter.title:
                parameter.title = title
        return command

    return add


class GroupedOption(click.Option):
    """An option that knows the title under which a help text lists it."""

    title = ""


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Return the decorator of an option that belongs to a group: as click.option."""
    return click.option(*names, cls=GroupedOption, **settings)


class GroupedCommand(click.Command):
    """A command whose help text lists options under titles, and rare ones only with --help-all."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        if len(self.params) > _MANY:
            self.params.append(
                click.Option(
                    ["--help-all"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_all,
                    help="Show all options, and exit.",
                )
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; of IMAGE... OUTPUT, the last argument is the one that is missing."""
        is_given = bool(args)
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            last = [parameter for parameter in self.params if isinstance(parameter, click.Argument)][-1]
            if error.param is not None and error.param.nargs == -1 and error.param is not last and is_given:
                error.param = last
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each group under its title."""
        parameters = self.get_params(ctx)
        is_short = len(parameters) > _MANY and "dasksom.help_all" not in ctx.meta
        rows: dict[str, list[tuple[str, str]]] = {}
        hidden = 0
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if is_short and parameter.name not in COMMON and "--help" not in parameter.opts:
                hidden += 1
                continue
            title = (parameter.title if isinstance(parameter, GroupedOption) else "") or _OTHER
            rows.setdefault(title, []).append(record)
        for title in sorted(rows, key=lambda title: _ORDER.index(title) if title in _ORDER else -1):
            with formatter.section(title):
                formatter.write_dl(rows[title])
        if hidden:
            formatter.write_paragraph()
            formatter.write_text(f"{hidden} more options: dasksom {ctx.info_name} --help-all")


def _show_all(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.meta["dasksom.help_all"] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()
