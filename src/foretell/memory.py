"""What numba has no word for: ask for memory ahead, read by address, read eight bytes at once.

Numba compiles a loop anew for every number of arrays; addresses keep it one, where which array is
read is known only while the loop runs. What is read by address must be an array of 4-byte numbers
that lives as long as the loop does.
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
    """Begin to load array[row]; changes nothing, and any row is allowed.

    Source: the LLVM language reference, `llvm.prefetch`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shape = context.make_array(signature.args[0])(context, builder, arguments[0])
        (stride, *_) = cgutils.unpack_tuple(builder, shape.strides)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        start = builder.bitcast(shape.data, byte)
        address = builder.gep(start, [builder.mul(arguments[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(instruction, [address, *(number(each) for each in (READ, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _place(builder: Any, arguments: Any, kind: Any) -> Any:
    start = builder.inttoptr(arguments[0], kind.as_pointer())
    return builder.gep(start, [arguments[1]])


@intrinsic
def number_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th uint32 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, ir.IntType(32)))

    return types.uint32(types.uint64, types.int64), generate


@intrinsic
def fraction_at(typing_context, address, index):  # type: ignore[no-untyped-def]
    """The index-th float32 from an address on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, arguments, ir.FloatType()))

    return types.float32(types.uint64, types.int64), generate


@intrinsic
def send_for(typing_context, address, index):  # type: ignore[no-untyped-def]
    """Begin to load the index-th number from an address on; changes nothing, and any is allowed.

    Source: the LLVM language reference, `llvm.prefetch`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(_place(builder, arguments, number), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(instruction, [place, *(number(each) for each in (READ, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(types.uint64, types.int64), generate


@intrinsic
def eight_at(typing_context, array, index):  # type: ignore[no-untyped-def]
    """The 8 bytes from index on, of an array (n,) of bytes that has as many, in one number: the
    first is the lowest on the machines that are made today."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        loaded = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(array, types.int64), generate


@intrinsic
def trailing_zeros(typing_context, number):  # type: ignore[no-untyped-def]
    """How many low bits of a number that is not 0 are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate
