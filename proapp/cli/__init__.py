"""`proapp …`: thin commands (parse, call a service, print). Each is loaded only when it is called, so that those that
work on files alone start in a moment."""

from __future__ import annotations

from importlib import import_module

import click

from proapp.version import __version__

# command → module of proapp.cli and the command object in it
COMMANDS = {
    "api-token": "api_token:api_token",
    "audit": "audit:audit",
    "check": "check:check",
    "db": "db:db",
    "demo": "demo:demo",
    "demo-code": "demo:demo_code",
    "deterioration": "deterioration:deterioration",
    "export": "export:export",
    "keys": "keys:keys",
    "run": "run:run",
    "schedule": "schedule:schedule",
    "score": "score:score",
    "screens": "screens:screens",
    "study": "study:study",
    "tick": "tick:tick",
    "user": "user:user",
    "worker": "worker:worker",
}


class LazyGroup(click.Group):
    """Knows the names of its commands and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"proapp.cli.{module}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="proapp", message="proapp %(version)s")
def main() -> None:
    """Electronic patient-reported outcomes for a clinical trial."""
