"""Faults of links, of customers, of agents; and nothing at all."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.simulation.ailments import (
    bad_deployment,
    cache_cold,
    connection_config,
    cpu_hog,
    dead,
    host_cpu,
    memory_leak,
    own_errors,
    pool_config,
    retry_storm,
    silent,
    slow_code,
    slow_consumer,
    timeout_config,
    unmeasured_slow,
    upstream_config,
)
from benchmarks.simulation.chance import happens
from benchmarks.simulation.design import Agent, Operation, Role, Service
from benchmarks.simulation.faults import Cause, Plan, Scene, changed, failing, slower
from benchmarks.simulation.life import crowd
from benchmarks.simulation.live import System


def network_edge(scene: Scene) -> Plan | None:
    """The way from one service to another, and back, has become slow."""
    chosen = scene.pick([each for each in scene.calls() if scene.design.services[each[2].to].spans])
    if chosen is None:
        return None
    service, _, call = chosen
    seconds = scene.delay(scene.design.services[call.to]) / call.times

    def act(system: System) -> None:
        system.network.slow[service.name, call.to] = (seconds, seconds * 0.2)

    causes = (Cause(call.to, "callee"), Cause(service.name, "caller"))
    return Plan("network_edge", causes, act, facts={"seconds": seconds})


def network_service(scene: Scene) -> Plan | None:
    """Everything that enters a service, or all that leaves it, is delayed."""
    service = scene.pick([each for each in scene.seen() if each.role is not Role.DOOR])
    if service is None:
        return None
    seconds, out = scene.delay(service), happens(scene.dice, 0.5)

    def act(system: System) -> None:
        key = (service.name, "*") if out else ("*", service.name)
        system.network.slow[key] = (seconds, seconds * 0.2)

    facts = {"seconds": seconds, "direction": "out" if out else "in"}
    callers = scene.callers(service.name)
    return Plan("network_service", (Cause(service.name),), act, callers=callers, facts=facts)


def network_loss(scene: Scene) -> Plan | None:
    """The way into a service loses packets, or lets none through."""
    service = scene.pick([each for each in scene.seen() if each.role is not Role.DOOR])
    if service is None:
        return None
    chance = scene.dice.choice((scene.dice.uniform(0.25, 0.7), 1.0))

    def act(system: System) -> None:
        system.network.lossy["*", service.name] = chance

    callers, facts = scene.callers(service.name), {"chance": chance}
    return Plan("network_loss", (Cause(service.name),), act, callers=callers, facts=facts)


def surge(scene: Scene) -> Plan | None:
    """Many more customers come than usual."""
    busiest = max(scene.design.arrivals, key=lambda each: each.rate)
    factor = scene.dice.uniform(3.0, 8.0)

    def act(system: System) -> None:
        system.surges[busiest.service] = factor
        if busiest.people:
            crowd(system, busiest, round(busiest.people * (factor - 1.0)))

    return Plan("surge", (Cause(busiest.service, "door"),), act, facts={"factor": factor})


def bad_prompt(scene: Scene) -> Plan | None:
    """A new prompt makes an agent's model long-winded, its answers misshapen and wrong."""
    dice = scene.dice

    def worse(agent: Agent) -> Agent:
        return replace(
            agent,
            prompt="v2",
            tokens=agent.tokens * dice.uniform(1.5, 4.0),
            invalid=dice.uniform(0.2, 0.7),
            good=agent.good * dice.uniform(0.2, 0.8),
        )

    return _of_agent(scene, "bad_prompt", worse, ("prompt", "Reword the prompt"))


def model_change(scene: Scene) -> Plan | None:
    """An agent is given another model, which is slower and worse."""
    dice = scene.dice

    def worse(agent: Agent) -> Agent:
        tokens = agent.tokens * dice.uniform(2.0, 5.0)
        name = f"{agent.model_name}-next"
        return replace(agent, model_name=name, tokens=tokens, good=agent.good * dice.uniform(0.3, 0.9))

    return _of_agent(scene, "model_change", worse, ("config", "Use another model"))


def _of_agent(
    scene: Scene, kind: str, worse: Callable[[Agent], Agent], change: tuple[str, str]
) -> Plan | None:
    service = scene.pick(scene.felt(Role.AGENT))
    if service is None:
        return None

    def altered(operation: Operation) -> Operation:
        return replace(operation, agent=worse(operation.agent)) if operation.agent else operation

    return Plan(kind, (Cause(service.name),), changed(service, altered), change)


def tool_failing(scene: Scene) -> Plan | None:
    """A tool of an agent fails or is slow; the agent tries again and again."""
    service = scene.pick(_tools(scene))
    if service is None:
        return None
    share, slow = scene.dice.uniform(0.6, 1.0), happens(scene.dice, 0.3)
    act = changed(service, failing(share, "ToolError"))
    if slow:
        act = changed(service, slower(scene.delay(service), computing=False))
    return Plan("tool_failing", (Cause(service.name),), act, facts={"share": share, "slow": slow})


def model_slow(scene: Scene) -> Plan | None:
    """Whoever serves a model has become slow."""
    service = scene.pick(scene.felt(Role.MODEL))
    if service is None:
        return None
    factor = scene.dice.uniform(2.0, 5.0)

    def change(operation: Operation) -> Operation:
        return replace(operation, before=replace(operation.before, wait=operation.before.wait * factor))

    agents = [
        each.name
        for each in scene.felt(Role.AGENT)
        if any(operation.agent and operation.agent.model.to == service.name for operation in each.operations)
    ]
    callers = () if service.spans else tuple(agents)
    act, facts = changed(service, change), {"factor": factor, "callers": agents}
    return Plan("model_slow", (Cause(service.name),), act, callers=callers, facts=facts)


def _tools(scene: Scene) -> list[Service]:
    used = {
        tool.to
        for service in scene.felt(Role.AGENT)
        for operation in service.operations
        if operation.agent
        for tool in operation.agent.tools
    }
    return [each for each in scene.seen() if each.name in used]


def nothing(_: Scene) -> Plan | None:
    """Nothing is wrong; a monitor that is too easily alarmed says something all the same."""
    return Plan("nothing", (), lambda _: None, felt=False)


def two_at_once(scene: Scene) -> Plan | None:
    """Two faults of different services at the same time."""
    makers = scene.dice.sample((slow_code, own_errors, cpu_hog, network_service, dead, bad_deployment), 2)
    plans = [plan for plan in (maker(scene) for maker in makers) if plan is not None]
    if len({plan.causes[0].service for plan in plans}) < len(makers):
        return None

    def act(system: System) -> None:
        for plan in plans:
            plan.act(system)

    return Plan(
        "two_at_once",
        tuple(cause for plan in plans for cause in plan.causes),
        act,
        next((plan.change for plan in plans if plan.change), None),
        next((plan.version for plan in plans if plan.version), ""),
        facts={"kinds": [plan.kind for plan in plans], **{plan.kind: plan.facts for plan in plans}},
    )


KINDS: dict[str, Callable[[Scene], Plan | None]] = {
    maker.__name__: maker
    for maker in (
        slow_code,
        own_errors,
        dead,
        cpu_hog,
        host_cpu,
        memory_leak,
        pool_config,
        connection_config,
        timeout_config,
        upstream_config,
        retry_storm,
        bad_deployment,
        cache_cold,
        slow_consumer,
        unmeasured_slow,
        silent,
        network_edge,
        network_service,
        network_loss,
        surge,
        bad_prompt,
        model_change,
        model_slow,
        tool_failing,
        two_at_once,
        nothing,
    )
}
