"""`foretell plan`: what training a model would take, on paper."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from math import floor, log10
from typing import TYPE_CHECKING, Any

from foretell.cli.parsing import add_json, options_of
from foretell.planning.options import PlanOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from foretell.planning.hardware import Device
    from foretell.planning.plan import Plan
    from foretell.planning.resources import Compute

HELP = "say what training a model takes: parameters, compute, memory, a sharding, days, energy"
SHARDINGS = {
    "ddp": "data parallel (DDP)",
    "zero1": "data parallel, optimiser divided (ZeRO-1)",
    "fsdp": "weights, gradients and optimiser divided (FSDP)",
}
YEAR = 365.25


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model", type=str, help="a published size, such as gpt2 or gpt3-175b, or a model folder"
    )
    parser.add_class_arguments(PlanOptions)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.planning.plan import make_plan

    plan = make_plan(arguments.model, options_of(PlanOptions, arguments))
    if arguments.json:
        sys.stdout.write(json.dumps(as_plain(plan), ensure_ascii=False) + "\n")
        return 0
    _show(plan)
    return 0


def as_plain(plan: Plan) -> dict[str, Any]:
    """All of a plan as dicts and numbers, with what is computed from it."""
    facts = asdict(plan)
    facts["parameters"]["total"] = plan.parameters.total
    facts["compute"]["done"] = plan.compute.done
    facts["sharding"]["memory"]["total"] = plan.sharding.memory.total
    facts["sharding"]["tokens_in_update"] = plan.sharding.rows_in_update * plan.row
    facts |= {
        "usable": plan.usable,
        "updates": plan.updates,
        "seconds": plan.seconds,
        "days": plan.days,
        "kilowatt_hours": plan.energy,
    }
    return facts


def _show(plan: Plan) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for head, said in lines(plan):
        table.add_row(head, Text(said, style="bold" if head in ("Time", "Energy") else ""))
    Console(highlight=False).print(table)


def lines(plan: Plan) -> list[tuple[str, str]]:
    """Heading and sentence of each row; rows that go on have no heading."""
    shape, compute, sharding = plan.shape, plan.compute, plan.sharding
    said = [
        (
            "Model",
            f"{plan.model}, of the family {shape.family}: {shape.layers} layers of width "
            f"{shape.width:,}, {shape.heads} heads, context {shape.context:,}, vocabulary "
            f"{shape.vocabulary:,}",
        )
    ]
    count = f"{plan.parameters.total:,}"
    if plan.published is None:
        said.append(("Parameters", count))
    else:
        said.append(("Parameters", f"{count}; published {_short(plan.published.parameters, 4)}"))
        said.append(("", f"Source: {plan.published.source}"))
    flops = f"{_power(compute.published)} FLOPs, 6 for each parameter and token"
    if plan.published is not None and plan.published.compute is not None:
        flops += f"; published {_power(plan.published.compute)}"
    said += [
        ("Tokens", f"{_short(plan.tokens.value, 3)}, {plan.tokens.source}"),
        ("Compute", flops),
        ("", _work(compute)),
        ("Device", _device(plan.device, sharding.ranks, plan.precision)),
        ("", f"Source: {plan.device.source}"),
        ("Sharding", _sharding(plan)),
        ("Memory", "of a rank, GB"),
    ]
    for part in fields(sharding.memory):
        size = getattr(sharding.memory, part.name) / 1e9
        if size:
            said.append(("", f"{size:10,.2f}  {part.name}"))
    said.append(
        (
            "",
            f"{sharding.memory.total / 1e9:10,.2f}  of {plan.usable / 1e9:,.1f}, which leaves "
            f"{plan.spare.value:.0%} of {plan.device.memory / 1e9:,.1f} free, {plan.spare.source}",
        )
    )
    if plan.probe is not None and plan.probe.memory:
        held = plan.probe.memory / 1e9
        said.append(("", f"{held:10,.2f}  of the whole process, measured now in a few updates"))
    said += [
        *_time(plan),
        ("Energy", _energy(plan)),
    ]
    if plan.energy is not None:
        said.append(("", f"PUE {plan.pue.value:g}: {plan.pue.source}"))
        if not plan.device.measured:
            said.append(("", "Hosts and network between the devices are not in it"))
    return said


def _time(plan: Plan) -> list[tuple[str, str]]:
    if plan.probe is not None:
        updates = _short(plan.updates, 3)
        each = _rounded(plan.probe.seconds, 3)
        return [("Time", f"{_days(plan.days)}: {updates} updates of {each} s, measured now")]
    again = ", a third more work for what is computed twice" if plan.sharding.recompute else ""
    return [
        ("Time", f"{_days(plan.days)} at {plan.utilisation.value:.0%} of the peak{again}"),
        ("", f"{plan.utilisation.value:.0%}: {plan.utilisation.source}"),
    ]


def _work(compute: Compute) -> str:
    said = f"Attention adds {_power(compute.attention)}, not among them"
    if compute.spared:
        said += f"; of them {_power(compute.spared)} are for tables that are only looked up"
    return said


def _device(device: Device, ranks: int, precision: str) -> str:
    said = f"{ranks:,} x {device.title}: {_rate(device.rates[precision])} in {precision}, "
    said += f"{device.memory / 1e9:,.1f} GB"
    if device.bandwidth is not None:
        said += f" at {device.bandwidth / 1e12:.2f} TB/s"
    if device.watts is not None:
        said += f", {device.watts:g} W"
    return said


def _sharding(plan: Plan) -> str:
    sharding = plan.sharding
    kind = "one rank" if sharding.ranks == 1 else SHARDINGS[sharding.kind]
    again = ", activations computed twice" if sharding.recompute else ""
    rows = f"{sharding.rows} row{'s' if sharding.rows > 1 else ''} of {plan.row:,} at once"
    rounds = f"{sharding.rounds} time{'s' if sharding.rounds > 1 else ''} an update"
    update = _short(float(sharding.rows_in_update * plan.row), 3)
    return f"{kind}{again}; {rows}, {rounds} of {update} tokens ({_batch(plan)})"


def _batch(plan: Plan) -> str:
    return f"{_short(plan.batch.value, 3)} {plan.batch.source}"


def _energy(plan: Plan) -> str:
    if plan.energy is None or plan.watts is None:
        return "not known; give the machine's power as --watts"
    kilowatt_hours = plan.energy
    said = f"{_rounded(kilowatt_hours, 3)} kWh"
    if kilowatt_hours >= 10_000:
        said = f"{_rounded(kilowatt_hours / 1000, 3)} MWh"
    watts = f"{plan.watts.value:g} W {plan.watts.source}"
    return f"{said}: {plan.sharding.ranks:,} x {watts}, PUE {plan.pue.value:g}"


def _days(days: float) -> str:
    said = f"{_rounded(days, 3)} days"
    if days < 1:
        said += f" ({_rounded(24 * days, 3)} hours)"
    elif days > 2 * YEAR:
        said += f" ({_rounded(days / YEAR, 3)} years)"
    return said


def _rate(rate: float) -> str:
    if rate >= 1e12:
        return f"{_rounded(rate / 1e12, 4)} TFLOP/s"
    return f"{_rounded(rate / 1e9, 3)} GFLOP/s"


def _short(value: float, digits: int) -> str:
    """`300B`, `0.5M` as 500k, `174.6B`."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{_rounded(value / size, digits)}{unit}"
    return f"{value:g}"


def _rounded(value: float, digits: int) -> str:
    """Significant digits, never scientific: `12.3`, `1,230`, `0.0042`."""
    if value <= 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(value)))
    text = f"{round(value, decimals):,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _power(value: float) -> str:
    """`3.14e23`."""
    return f"{value:.2e}".replace("e+", "e") if value else "0"
