"""What numba has no word for: ask for memory ahead, read and write by address, eight bytes at once.

Where a function is given an array, numba counts one more reference to it, with an instruction
that locks the memory, even if the function is inlined: in a loop over words that took longer than
the words. Addresses are numbers, and are not counted. Which array is read may also be known only
while the loop runs. What is read by address must live as long as the loop does: an argument of
the function that numba's caller calls.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

READ, KEEP, DATA = 0, 3, 1


@intrinsic
def prefetch(typing_context, array, row):  # type: ignore[no-untyped-def]
    """Begin to load array[row]; changes nothing, and any row is allowed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shape = context.make_array(signature.args[0])(context, builder, arguments[0])
        (stride, *_) = cgutils.unpack_tuple(builder, shape.strides)
        start = builder.bitcast(shape.data, _number(8).as_pointer())
        _send(builder, builder.gep(start, [builder.mul(arguments[1], stride)]))
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _send(builder: Any, address: Any) -> None:
    """Source: the LLVM language reference, `llvm.prefetch`."""
    byte, number = _number(8).as_pointer(), _number(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(instruction, [address, *(number(each) for each in (READ, KEEP, DATA))])


def _place(builder: Any, arguments: Any, kind: Any) -> Any:
    start = builder.inttoptr(arguments[0], kind.as_pointer())
    return builder.gep(start, [arguments[1]])


def _number(bits: int) -> Any:
    return ir.IntType(bits)


@intrinsic
def number_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th uint32 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, _number(32)))

    return types.uint32(types.uint64, types.int64), generate


@intrinsic
def fraction_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th float32 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, ir.FloatType()))

    return types.float32(types.uint64, types.int64), generate


@intrinsic
def whole_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th int64 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, _number(64)))

    return types.int64(types.uint64, types.int64), generate


@intrinsic
def put_whole(typing_context, address, index, value):  # type: ignore[no-untyped-def]
    """Write the index-th int64 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, arguments, _number(64)))
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64, types.int64), generate


@intrinsic
def byte_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th byte from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, _number(8)))

    return types.uint8(types.uint64, types.int64), generate


@intrinsic
def eight_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The 8 bytes from the index-th byte from an address on, in one number: the first is the
    lowest on the machines that are made today."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(builder, arguments, _number(8))
        loaded = builder.load(builder.bitcast(place, _number(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(types.uint64, types.int64), generate


@intrinsic
def send_for(typing_context, address, index):  # type: ignore[no-untyped-def]
    """Begin to load the index-th 4 bytes from an address on; changes nothing, any is allowed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(_place(builder, arguments, _number(32)), _number(8).as_pointer())
        _send(builder, place)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64), generate


@intrinsic
def trailing_zeros(typing_context, number):  # type: ignore[no-untyped-def]
    """How many low bits of a number that is not 0 are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate
