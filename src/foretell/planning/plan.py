"""A training run on paper: a sharding that fits, days, energy.

    seconds = FLOPs done / (ranks x peak x utilisation), a third more with recomputation
    kWh     = ranks x watts x hours x PUE

Of the shardings that fit, the one that does least beyond the work itself: nothing computed twice
before something is; then what sends least (ddp, zero1, fsdp); then the most rows at once. Knows
nothing of networks between devices, of tensors or layers spread over devices, of broken devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path
from re import fullmatch

from foretell.contracts.errors import ForetellError
from foretell.planning.hardware import Device, find_device, measure_machine
from foretell.planning.options import PlanOptions
from foretell.planning.probe import LONGEST, Probe, try_updates
from foretell.planning.published import MODELS, Published, find_published
from foretell.planning.resources import (
    AGAIN,
    SHARDINGS,
    Compute,
    Memory,
    count_compute,
    count_memory,
)
from foretell.planning.shapes import Parameters, Shape, count_parameters, read_shape

BUSY = 8192
"""Tokens read at once that keep a device busy; an assumption. More would only take memory."""
TOKENS_EACH = 20
"""Tokens for each parameter where none are published (Hoffmann et al. 2022, table 3)."""
BATCH = 0.5e6
"""Tokens in an update where none are published, as of GPT-2 and the small GPT-3."""
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Assumed:
    """A number that is not computed here, and where it is from."""

    value: float
    source: str


UTILISATION = Assumed(
    0.40, "Llama 3 405B reached 0.38 to 0.43 on H100s (Grattafiori et al. 2024, table 4)"
)
UTILISATION_HERE = Assumed(
    0.60, "networks here reached 0.61 to 0.75 on one core (docs/decisions/planning.md)"
)
SPARE = Assumed(0.10, "for driver, libraries, buffers and gaps, an assumption")
SPARE_HERE = Assumed(
    0.45, "as processes here took 1.2 to 1.8 times what is counted (docs/decisions/planning.md)"
)
PUE = Assumed(
    1.10, "Thoppilan et al. 2022, section 10; the average building has 1.58 (Uptime Institute 2023)"
)
PUE_HERE = Assumed(1.0, "no building around this machine is counted")
GIVEN = "as given"


@dataclass(frozen=True)
class Sharding:
    """How the ranks divide the work, and what one of them holds."""

    kind: str
    """One of resources.SHARDINGS; with one rank there is nothing to divide, and it is ddp."""
    ranks: int
    rows: int
    """Read at once by a rank."""
    rounds: int
    """How often it does so in an update."""
    recompute: bool
    memory: Memory

    @property
    def rows_in_update(self) -> int:
        return self.ranks * self.rows * self.rounds


@dataclass(frozen=True)
class Plan:
    """All that `foretell plan` says."""

    model: str
    published: Published | None
    shape: Shape
    parameters: Parameters
    tokens: Assumed
    batch: Assumed
    row: int
    """Tokens in a row."""
    compute: Compute
    device: Device
    precision: str
    sharding: Sharding
    spare: Assumed
    """Share of a device's memory that is left free."""
    utilisation: Assumed
    watts: Assumed | None
    """Of one device; None: not known."""
    pue: Assumed
    probe: Probe | None = None
    """What an update took, where it could be tried."""

    @property
    def usable(self) -> float:
        """Bytes of a rank that may be filled."""
        return (1 - self.spare.value) * self.device.memory

    @property
    def updates(self) -> float:
        return self.tokens.value / (self.sharding.rows_in_update * self.row)

    @property
    def seconds(self) -> float:
        if self.probe is not None:
            return self.probe.warm_up + self.updates * self.probe.seconds
        work = self.compute.done * (AGAIN if self.sharding.recompute else 1.0)
        peak = self.device.rates[self.precision]
        return count_seconds(work, self.sharding.ranks, peak, self.utilisation.value)

    @property
    def days(self) -> float:
        return self.seconds / SECONDS_A_DAY

    @property
    def energy(self) -> float | None:
        """kWh; None where the devices' power is not known."""
        if self.watts is None:
            return None
        return count_energy(self.sharding.ranks, self.watts.value, self.seconds, self.pue.value)


def count_seconds(work: float, devices: int, peak: float, utilisation: float) -> float:
    """Of so many FLOPs on devices of so many FLOP/s each."""
    return work / (devices * peak * utilisation)


def count_energy(devices: int, watts: float, seconds: float, pue: float) -> float:
    """kWh. The devices' own power and the building's share; hosts and network are not in it."""
    return devices * watts * seconds * pue / 3.6e6


def make_plan(model: str, options: PlanOptions) -> Plan:
    """For a published size by name, or a model folder.

    Without options.gpu and options.gpus it is for this machine, which is measured. Raises
    ForetellError for what is not known or cannot be; if nothing fits, with what would.
    """
    published, shape = _find(model)
    device, ranks = _find_devices(options)
    parameters = count_parameters(shape)
    tokens = _choose_tokens(options, published, parameters)
    batch = _choose_batch(options, published)
    row = _choose_row(options, shape)
    precision = options.precision or device.fastest
    if precision not in device.rates:
        raise ForetellError(
            f"{device.title} multiplies in {' and '.join(device.rates)}, not in {precision}; "
            f"give --precision {device.fastest}"
        )
    updates_rows = max(1, int(batch.value // row))
    if updates_rows < ranks:
        raise ForetellError(
            f"an update of {batch.value:,.0f} tokens has {updates_rows:,} rows of {row:,}, too few "
            f"for {ranks:,} ranks; give --gpus {updates_rows} or --batch {ranks * row}"
        )
    here = device.measured
    spare = SPARE_HERE if here else SPARE
    usable = (1 - spare.value) * device.memory
    sharding = choose_sharding(
        shape, ranks=ranks, rows=updates_rows, row=row, precision=precision, usable=usable
    )
    if sharding is None:
        raise ForetellError(_advise(model, shape, device, ranks, row, precision, usable))
    compute = count_compute(shape, tokens.value, row=row)
    utilisation = _share(options.utilisation, UTILISATION_HERE if here else UTILISATION)
    probe = None
    if here and options.utilisation is None and precision == device.fastest:
        update = compute.done * sharding.rows_in_update * row / tokens.value
        expected = count_seconds(update, 1, device.rates[precision], utilisation.value)
        if expected < LONGEST and not sharding.recompute:
            probe = try_updates(shape, rows=sharding.rows, rounds=sharding.rounds, row=row)
    return Plan(
        model=model if published is None else published.name,
        published=published,
        shape=shape,
        parameters=parameters,
        tokens=tokens,
        batch=batch,
        row=row,
        compute=compute,
        device=device,
        precision=precision,
        sharding=sharding,
        spare=spare,
        utilisation=utilisation,
        watts=_choose_watts(options, device),
        pue=_choose_pue(options, PUE_HERE if here else PUE),
        probe=probe,
    )


def choose_sharding(
    shape: Shape, *, ranks: int, rows: int, row: int, precision: str, usable: float
) -> Sharding | None:
    """The first that fits, in the order that the module says; None if none does.

    rows: of an update, all ranks together, at least one a rank; row: tokens in one.
    """
    kinds = SHARDINGS if ranks > 1 else SHARDINGS[:1]
    most = max(1, min(rows // ranks, BUSY // row))
    halvings = [most >> halved for halved in range(most.bit_length())]
    for recompute, kind, at_once in product((False, True), kinds, halvings):
        memory = count_memory(
            shape,
            sharding=kind,
            ranks=ranks,
            rows=at_once,
            row=row,
            precision=precision,
            recompute=recompute,
        )
        if memory.total <= usable:
            rounds = max(1, round(rows / (ranks * at_once)))
            return Sharding(kind, ranks, at_once, rounds, recompute, memory)
    return None


def least_ranks(shape: Shape, *, row: int, precision: str, usable: float) -> int | None:
    """The fewest on which it fits, a row at a time and recomputed; None: it fits on no number."""
    alone = choose_sharding(shape, ranks=1, rows=1, row=row, precision=precision, usable=usable)
    if alone is not None:
        return 1
    few, most = (
        count_memory(
            shape,
            sharding="fsdp",
            ranks=ranks,
            rows=1,
            row=row,
            precision=precision,
            recompute=True,
        )
        for ranks in (2, 4)
    )
    # What is divided falls by half from two ranks to four; the rest stays.
    divided = 4 * (few.total - most.total)
    rest = few.total - divided / 2
    if rest >= usable:
        return None
    return max(2, ceil(divided / (usable - rest)))


def _advise(
    model: str, shape: Shape, device: Device, ranks: int, row: int, precision: str, usable: float
) -> str:
    """Why nothing fits, and what would."""
    least = count_memory(
        shape,
        sharding="ddp" if ranks == 1 else "fsdp",
        ranks=ranks,
        rows=1,
        row=row,
        precision=precision,
        recompute=True,
    ).total
    where = device.title if device.measured else f"{ranks:,} {device.name}"
    said = (
        f"{model} does not fit on {where}: at its smallest a rank takes {least / 1e9:,.1f} GB, "
        f"and may take {usable / 1e9:,.1f}"
    )
    wanted = find_device("h100") if device.measured else device
    room = (1 - SPARE.value) * wanted.memory
    needed = least_ranks(shape, row=row, precision=wanted.fastest, usable=room)
    if needed is None:
        said += (
            f"; no number of {wanted.name} holds it unless tensors or layers are divided as well, "
            "which is not planned here; give a smaller --context"
        )
    else:
        said += f"; it would on --gpus {needed} --gpu {wanted.name}"
    if device.measured:
        smaller = [each for each in MODELS if _fits_alone(each.shape, precision, usable)]
        if smaller:
            largest = max(smaller, key=lambda each: each.parameters)
            said += f"; of the published sizes {largest.name} is the largest that fits here"
    return said


def _fits_alone(shape: Shape, precision: str, usable: float) -> bool:
    found = choose_sharding(
        shape, ranks=1, rows=1, row=shape.context, precision=precision, usable=usable
    )
    return found is not None


def _find(model: str) -> tuple[Published | None, Shape]:
    known = any(each.name == model.lower() for each in MODELS)
    if not known and Path(model).is_dir():
        return None, read_shape(Path(model))
    published = find_published(model)
    return published, published.shape


def _find_devices(options: PlanOptions) -> tuple[Device, int]:
    if options.gpus is not None and options.gpus < 1:
        raise ForetellError(f"--gpus must be 1 or more, not {options.gpus}")
    if options.gpu is not None:
        return find_device(options.gpu), options.gpus or 1
    if options.gpus is not None:
        raise ForetellError(f"say which GPUs the {options.gpus} are, such as --gpu h100")
    return measure_machine(), 1


def _choose_tokens(
    options: PlanOptions, published: Published | None, parameters: Parameters
) -> Assumed:
    if options.tokens is not None:
        return Assumed(parse_count(options.tokens, "--tokens"), GIVEN)
    if published is not None and published.tokens is not None:
        return Assumed(published.tokens, "as published")
    source = f"{TOKENS_EACH} for each parameter (Hoffmann et al. 2022)"
    return Assumed(float(TOKENS_EACH * parameters.total), source)


def _choose_batch(options: PlanOptions, published: Published | None) -> Assumed:
    if options.batch is not None:
        return Assumed(parse_count(options.batch, "--batch"), GIVEN)
    if published is not None and published.batch is not None:
        return Assumed(published.batch, "as published")
    return Assumed(BATCH, "assumed, as of GPT-2")


def _choose_row(options: PlanOptions, shape: Shape) -> int:
    row = shape.context if options.context is None else options.context
    if not 1 <= row <= shape.context:
        raise ForetellError(f"--context must be from 1 to the model's {shape.context}, not {row}")
    return row


def _choose_watts(options: PlanOptions, device: Device) -> Assumed | None:
    if options.watts is not None:
        return Assumed(_positive(options.watts, "--watts"), GIVEN)
    return None if device.watts is None else Assumed(device.watts, "as the maker rates it")


def _choose_pue(options: PlanOptions, usual: Assumed) -> Assumed:
    if options.pue is None:
        return usual
    if not options.pue >= 1:
        raise ForetellError(f"--pue must be 1 or more, not {options.pue}")
    return Assumed(options.pue, GIVEN)


def _share(given: float | None, usual: Assumed) -> Assumed:
    if given is None:
        return usual
    if not 0 < given <= 1:
        raise ForetellError(f"--utilisation must be above 0 and at most 1, not {given}")
    return Assumed(given, GIVEN)


def _positive(value: float, option: str) -> float:
    if not value > 0:
        raise ForetellError(f"{option} must be above 0, not {value}")
    return value


def parse_count(text: str, option: str) -> float:
    """`300B`, `0.5M`, `2e9`. Raises ForetellError for anything else, and for less than one."""
    match = fullmatch(r"([0-9.]+(?:e\+?[0-9]+)?)\s*([kMBT]?)", text.strip().replace(",", ""))
    try:
        count = float(match[1]) * UNITS[match[2]] if match else 0.0
    except ValueError:
        count = 0.0
    if not 1 <= count < float("inf"):
        raise ForetellError(f"cannot read {option} {text}; write a number such as 300B or 0.5M")
    return count
