"""What a processor can do and numba has no name for: instructions of LLVM, as functions that numba's kernels call."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def load64(typing_context, data, i):
    """Eight bytes of a contiguous uint8 array from `i`, as a little-endian uint64; the caller
    sees to it that i + 8 <= data.size."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        pointer = builder.bitcast(address, ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def store64(typing_context, data, i, word):
    """Writes a uint64 as eight bytes, the lowest first, to a contiguous uint8 array from `i`; the caller
    sees to it that i + 8 <= data.size."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        pointer = builder.bitcast(address, ir.IntType(64).as_pointer())
        builder.store(arguments[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


@intrinsic
def trailing_zeros(typing_context, word):
    """Number of zero bits below the lowest set bit of a uint64; 64 for zero."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(word), generate


@intrinsic
def multiply_high(typing_context, one, other):
    """The upper 64 of the 128 bits of a product of two uint64."""

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        left, right = (builder.zext(argument, wide) for argument in arguments)
        return builder.trunc(builder.lshr(builder.mul(left, right), ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def prefetch(typing_context, array, i):
    """Asks for the cache line of element `i` of a contiguous array, without waiting for it."""

    def generate(context, builder, signature, arguments):
        values = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(values.data, [arguments[1]]), byte)
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        )
        # to be read, kept in every cache, data
        builder.call(ask, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@intrinsic
def big_endian64_at(typing_context, address):
    """Eight bytes at an address of memory (int64) as a big-endian uint64, so that words sort as their bytes do; the
    caller sees to it that they are there."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.bswap(builder.load(pointer, align=1))

    return types.uint64(types.int64), generate


@intrinsic
def int32_at(typing_context, address):
    """The int32 at an address of memory (int64); the caller sees to it that it is there."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return builder.load(pointer, align=1)

    return types.int32(types.int64), generate
