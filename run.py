"""Command line: the table of commands. Nothing else.

$ python run.py --scenario sapp2030
"""

from __future__ import annotations

import typer

from viz.commands.audit import audit
from viz.commands.bargain import bargain
from viz.commands.compare import compare
from viz.commands.disclosure import disclosure
from viz.commands.ending import OneLineErrors, main
from viz.commands.gains import gains
from viz.commands.incentives import incentives
from viz.commands.negotiate import negotiate
from viz.commands.networks import inspect, prepare
from viz.commands.showing import comparison, report, serve_app

app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(invoke_without_command=True)(negotiate)
app.command("app")(serve_app)
app.command("report")(report)
app.command("gains")(gains)
app.command("bargain")(bargain)
app.command("disclosure")(disclosure)
app.command("audit")(audit)
app.command("compare")(compare)
app.command("comparison")(comparison)
app.command("incentives")(incentives)
app.command("inspect")(inspect)
app.command("prepare")(prepare)

if __name__ == "__main__":
    main(app)
