"""Ask the processor for memory that will be read soon, for which numba has no word."""

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
