"""What every process of a shop is told when it starts: the topology, the ports, where telemetry goes."""

from demo.documents import Written
from demo.places import ShopFolder, read_json, write_json
from demo.telemetry import OtlpTarget
from demo.topology import Topology


class Plan(Written):
    """Ports by service, and the receiver of telemetry, if any."""

    ports: dict[str, int] = {}
    target: OtlpTarget | None = None


def write_plan(folder: ShopFolder, plan: Plan) -> None:
    """Keep the plan, readable by its owner only: it holds the receiver's token."""
    write_json(folder.plan, plan.model_dump(), secret=True)


def read_plan(folder: ShopFolder) -> Plan:
    """The plan of a shop that was put up."""
    return Plan.model_validate(read_json(folder.plan))


def read_shop(folder: ShopFolder) -> Topology:
    """The topology a shop was put up with."""
    return Topology.model_validate(read_json(folder.topology))
