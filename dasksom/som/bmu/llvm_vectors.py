"""Vectors and array accesses in LLVM functions under construction.

The Numba intrinsics of `dasksom.som.bmu.llvm_kernels` and `dasksom.som.bmu.pruned_search` are built from them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numpy.lib.mixins import NDArrayOperatorsMixin

LANES = 16
"""Number of samples per tile: one AVX-512 register of float32."""
GROUP = 16 if binding.get_host_cpu_features().get("avx512f") else 4
"""Number of units per group. Their totals of a tile must fit the registers."""
I32, I64 = ir.IntType(32), ir.IntType(64)


class Lanes(NDArrayOperatorsMixin):
    """A vector of an LLVM function under construction; supports NumPy's arithmetic."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc not in _EMIT or method != "__call__" or kwargs:
            return NotImplemented
        values = (x.value if isinstance(x, Lanes) else constant(self.value.type, float(x)) for x in inputs)
        return Lanes(self.builder, _EMIT[ufunc](self.builder, *values))


def call_elementwise(builder: Any, name: str, *vectors: Any) -> Any:
    """Emit a call of an elementwise LLVM function."""
    vector = vectors[0].type
    name = f"llvm.{name}.v{vector.count}{vector.element.intrinsic_name}"
    function = ir.FunctionType(vector, [vector] * len(vectors))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), vectors)


def where(builder: Any, comparison: str, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """Emit a lane-wise selection by an ordered comparison, which is false for NaN."""
    return builder.select(builder.fcmp_ordered(comparison, a, b), yes, no)


_EMIT: dict[np.ufunc, Callable[..., Any]] = {
    np.add: lambda builder, a, b: builder.fadd(a, b),
    np.subtract: lambda builder, a, b: builder.fsub(a, b),
    np.multiply: lambda builder, a, b: builder.fmul(a, b),
    np.absolute: lambda builder, a: call_elementwise(builder, "fabs", a),
    np.maximum: lambda builder, a, b: where(builder, ">", a, b, a, b),
    np.minimum: lambda builder, a, b: where(builder, "<", a, b, a, b),
}


def constant(vector: Any, value: Any) -> Any:
    """Emit a vector with one constant in all lanes."""
    return ir.Constant(vector, [value] * vector.count)


def spread_scalar(builder: Any, scalar: Any) -> Any:
    """Emit a vector with one value in all lanes."""
    first = builder.insert_element(ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(first, first, constant(ir.VectorType(I32, LANES), 0))


class ArrayMemory:
    """Reads and writes of a C-contiguous array in the function under construction."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        struct = context.make_array(array_type)(context, builder, array)
        self.builder, self.data = builder, struct.data
        self.shape = [builder.extract_value(struct.shape, axis) for axis in range(array_type.ndim)]
        self.scalar = context.get_data_type(array_type.dtype)
        self.vector = ir.VectorType(self.scalar, LANES)
        self.size = context.get_abi_sizeof(self.scalar)

    def point(self, *index: Any) -> Any:
        """Return the address of one value."""
        place = I64(0)
        for length, i in zip(self.shape, index, strict=True):
            place = self.builder.add(self.builder.mul(place, length), I64(i) if isinstance(i, int) else i)
        return self.builder.gep(self.data, [place])

    def load(self, *index: Any) -> Any:
        """Load one value."""
        return self.builder.load(self.point(*index))

    def load_lanes(self, *index: Any) -> Any:
        """Load a vector that starts at an index."""
        return self.builder.load(self.builder.bitcast(self.point(*index), self.vector.as_pointer()), align=self.size)

    def store_lanes(self, lanes: Any, *index: Any) -> None:
        """Store a vector that starts at an index."""
        pointer = self.builder.bitcast(self.point(*index), self.vector.as_pointer())
        self.builder.store(lanes, pointer, align=self.size)


def array_memories(context: Any, builder: Any, signature: Any, values: Any) -> list[ArrayMemory]:
    """Return the arrays among a function's arguments."""
    arguments = zip(signature.args, values, strict=True)
    return [ArrayMemory(context, builder, kind, value) for kind, value in arguments if isinstance(kind, types.Array)]
