"""``aitia shop ...``: put a shop up, break it, heal it, ask for the truth, put it down.

Exit codes: 0 done, 1 it could not be done, 2 a file or an option is wrong.
"""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from demo.admin_client import AdminClient
from demo.alerting import targets_of
from demo.errors import BadDocument, ShopError
from demo.faults import read_fault, shipped_faults
from demo.forecast import crowded
from demo.lifecycle import find_shop, put_down, put_up
from demo.otlp_target import find_target
from demo.places import ShopFolder, default_home, shops_under
from demo.topology import Topology, read_topology, shipped_topologies

app = typer.Typer(help="A shop of real processes that can really break.", no_args_is_help=True)
# What is piped into a file or a program has no width to fit in.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Home = Annotated[Path | None, typer.Option("--home", help="State folder of Aitia; default AITIA_HOME.")]
Shop = Annotated[str | None, typer.Option("--shop", help="Which shop, if several are up.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

P = ParamSpec("P")
R = TypeVar("R")


def telling(run: Callable[P, R]) -> Callable[P, R]:
    """Tell the shop's own errors in words and exit; a stack trace would help nobody."""

    @functools.wraps(run)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except BadDocument as bad:
            err.print(str(bad), markup=False)
            raise typer.Exit(2) from None
        except ShopError as failed:
            err.print(str(failed), markup=False)
            raise typer.Exit(1) from None

    return command


@app.command()
@telling
def up(
    topology: Annotated[str, typer.Argument(help="A topology file, or the name of a shipped one.")] = "shop",
    *,
    otlp_endpoint: Annotated[str | None, typer.Option(help="Base URL of an OTLP/HTTP receiver.")] = None,
    otlp_token: Annotated[str | None, typer.Option(help="Bearer token for the receiver.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Customers per second, all entries together.")
    ] = None,
    home: Home = None,
) -> None:
    """Start a shop; returns when every service is healthy and customers come."""
    shop = read_topology(_file(topology, shipped_topologies()))
    if rate is not None:
        shop = shop.model_copy(update={"load": shop.load.scaled(rate)})
    folder = ShopFolder(_home(home), shop.name)
    target, found = find_target(otlp_endpoint, otlp_token, folder.home)
    for complaint in crowded(shop):
        err.print(f"mind: {complaint}", markup=False)
    client = put_up(folder, shop, target)
    out.print(_services_table(client.get("/services")))
    _introduce(client, shop, f"{target.endpoint} ({found})" if target else f"nowhere ({found})")


@app.command("break")
@telling
def break_down(
    fault: Annotated[str, typer.Argument(help="A fault file, or the name of a shipped one.")],
    *,
    service: Annotated[str | None, typer.Option(help="Another service than the file names.")] = None,
    shop: Shop = None,
    home: Home = None,
) -> None:
    """Switch a fault on."""
    meant = read_fault(_file(fault, shipped_faults()))
    if service is not None:
        meant = meant.model_copy(update={"service": service})
    done = find_shop(_home(home), shop).post("/faults", content=meant.model_dump_json())
    out.print(f"broken: {done['service']} ({meant.kind}). {done['says']}.", markup=False)
    if done["forecast"]:
        out.print(f"forecast: {done['forecast']}.", markup=False)


@app.command()
@telling
def heal(*, shop: Shop = None, home: Home = None) -> None:
    """Undo every fault that is on."""
    done = find_shop(_home(home), shop).post("/heal")["done"]
    out.print("\n".join(done) or "nothing was broken", markup=False)


@app.command()
@telling
def restart(
    service: str,
    *,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key twice restarts once.")] = None,
    shop: Shop = None,
    home: Home = None,
) -> None:
    """Restart a service's process."""
    state = find_shop(_home(home), shop).post(f"/restart/{service}", key=idempotency_key)
    out.print(f"{service} runs as process {state['pid']}", markup=False)


@app.command()
@telling
def status(*, as_json: AsJson = False, shop: Shop = None, home: Home = None) -> None:
    """What runs, how the customers fare, what is broken."""
    seen = find_shop(_home(home), shop).get("/status")
    if as_json:
        _print_json(seen)
        return
    out.print(_services_table(seen["services"]))
    out.print(_customers_table(seen["customers"]))
    broken = [f"{fault['service']} ({fault['fault']})" for fault in seen["faults"]]
    out.print("broken: " + (", ".join(broken) or "nothing"), markup=False)


@app.command()
@telling
def targets(*, shop: Shop = None, home: Home = None) -> None:
    """Where a Prometheus finds the services' /metrics: JSON for its `file_sd_configs`."""
    _print_json(targets_of(find_shop(_home(home), shop).get("/services")))


@app.command()
@telling
def truth(*, as_json: AsJson = False, shop: Shop = None, home: Home = None) -> None:
    """Which service is truly to blame at the moment, for graders."""
    told = find_shop(_home(home), shop).get("/truth")
    if as_json:
        _print_json(told)
        return
    for cause in told["root_causes"]:
        out.print(f"{cause['service']}: {cause['fault']} {cause.get('commit', '')}".rstrip(), markup=False)
    if not told["active"]:
        out.print("nothing is broken")


@app.command()
@telling
def down(
    *,
    shop: Annotated[str | None, typer.Option("--shop", help="One shop only; default all.")] = None,
    home: Home = None,
) -> None:
    """Stop everything and take back what was offered to Aitia; also after a crash, also twice."""
    folders = [folder for folder in shops_under(_home(home)) if shop in (None, folder.name)]
    done = [line for folder in folders for line in put_down(folder)]
    out.print("\n".join(done) or "nothing was up", markup=False)


@app.command()
@telling
def topology(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the shipped topologies, or print one."""
    _list_shipped(shipped_topologies(), name)


@app.command()
@telling
def faults(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the shipped faults, or print one."""
    _list_shipped(shipped_faults(), name)


def _list_shipped(shipped: dict[str, Path], name: str | None) -> None:
    if name is None:
        for stem, path in shipped.items():
            out.print(f"{stem:20} {path}", markup=False)
    else:
        sys.stdout.write(_file(name, shipped).read_text(encoding="utf-8"))


def _file(given: str, shipped: dict[str, Path]) -> Path:
    """A path, or the name of something shipped."""
    path = Path(given)
    if path.exists() or path.suffix in {".yaml", ".yml"}:
        return path
    if given not in shipped:
        raise BadDocument([f"{given}: there is no such file, and shipped are {', '.join(shipped)}"])
    return shipped[given]


def _home(home: Path | None) -> Path:
    return home.resolve() if home else default_home()


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _services_table(services: list[dict[str, Any]]) -> Table:
    table = Table("service", "kind", "listens on", "process", "revision", "workers", box=None)
    for seen in services:
        pool = seen.get("pool", {})
        table.add_row(
            seen["service"],
            seen.get("kind", ""),
            seen["url"],
            str(seen["pid"]) if seen["healthy"] else f"{seen['pid'] or ''} not healthy".strip(),
            seen.get("revision", "")[:10],
            f"{pool['in_use']}/{pool['size']}, {pool['pending']} wait" if pool else "",
        )
    return table


def _customers_table(fares: list[dict[str, Any]]) -> Table:
    table = Table("customers (last 10 s)", "requests", "failed", "median ms", "95 % within ms", box=None)
    for fare in fares:
        table.add_row(
            f"{fare['service']}/{fare['operation']}",
            *(
                "-" if fare[key] is None else str(fare[key])
                for key in ("requests", "failed", "p50_ms", "p95_ms")
            ),
        )
    return table


def _introduce(client: AdminClient, shop: Topology, telemetry: str) -> None:
    total = sum(entry.per_second for entry in shop.load.entries)
    out.print(
        f"shop '{shop.name}' is open: {len(shop.services)} services, {total:g} customers a second\n"
        f"telemetry goes to {telemetry}\n"
        f"admin API {client.url}, token in {client.folder.admin_token}\n"
        f"configuration {client.folder.config}\n"
        f"offered to Aitia in {client.folder.connection}",
        markup=False,
    )
