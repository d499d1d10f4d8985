"""An ONNX model, node by node, written as the protobuf that it is: no package ``onnx`` needed.

The numbers of fields and types are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

IR_VERSION, OPSET = 10, 20
SLOW_FUSION = "SkipLayerNormFusion"
"""What this makes of a sum and its norm is slower than the two on a CPU."""
CONTRIB = "com.microsoft"
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5

Attribute = int | float | str | Sequence[int]


class Graph:
    """A graph that grows: values are names, and every method that computes returns one.

    >>> graph = Graph()
    >>> x = graph.input("x", "float32", ("rows", 2))
    >>> y = graph.matmul(x, np.eye(2, dtype=np.float32))
    >>> graph.output(y, "y", "float32", ("rows", 2))
    >>> run(graph.session(), {"x": np.ones((1, 2), np.float32)})
    [array([[1., 1.]], dtype=float32)]
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = [_text(2, "jepa_tts")]
        self._count = 0
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> str:
        """A value that the caller gives; letters in ``shape`` stand for any size."""
        self._parts.append(_field(11, _value(name, kind, shape)))
        return name

    def output(self, value: str, name: str, kind: str, shape: Sequence[int | str]) -> None:
        """Give ``value`` to the caller as ``name``."""
        self._node("Identity", [value], [name], "", {})
        self._parts.append(_field(12, _value(name, kind, shape)))

    def constant(self, array: np.ndarray | float | Sequence[int]) -> str:
        """A tensor of the model; equal ones are stored once. Plain numbers: float32, int64."""
        array = np.asarray(array, np.float32 if isinstance(array, float) else None)
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._name()
            dims = b"".join(_number(1, size) for size in array.shape)
            kind = _number(2, _TYPES[array.dtype.name])
            tensor = dims + kind + _text(8, name) + _field(9, key[2])
            self._parts.append(_field(5, tensor))
            self._constants[key] = name
        return self._constants[key]

    def node(
        self,
        kind: str,
        *inputs: str | np.ndarray | float | Sequence[int],
        domain: str = "",
        **attributes: Attribute,
    ) -> str:
        """One operator with one output; arrays and numbers among the inputs become constants."""
        return self.nodes(kind, 1, *inputs, domain=domain, **attributes)[0]

    def nodes(
        self,
        kind: str,
        outputs: int,
        *inputs: str | np.ndarray | float | Sequence[int],
        domain: str = "",
        **attributes: Attribute,
    ) -> list[str]:
        """One operator with several outputs."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        made = [self._name() for _ in range(outputs)]
        self._node(kind, names, made, domain, attributes)
        return made

    def matmul(self, x: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
        """``x`` [..., I] times ``weight`` [I, O], plus ``bias`` [O]."""
        y = self.node("MatMul", x, weight)
        return y if bias is None else self.node("Add", y, bias)

    def expose(self, value: str, kind: str, shape: Sequence[int | str]) -> str:
        """Give ``value`` to the caller under its own name, which is returned: nothing is copied."""
        self._parts.append(_field(12, _value(value, kind, shape)))
        return value

    def serialized(self) -> bytes:
        """The bytes of an ``.onnx`` file."""
        domains = (("", OPSET), (CONTRIB, 1))
        opsets = (_text(1, domain) + _number(2, version) for domain, version in domains)
        model = [_number(1, IR_VERSION), *(_field(8, opset) for opset in opsets)]
        return b"".join([*model, _field(7, b"".join(self._parts))])

    def session(self) -> InferenceSession:
        """The graph, ready to run on one core: products so small are not worth dividing."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self.serialized(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=[SLOW_FUSION],
        )

    def _node(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        domain: str,
        attributes: dict[str, Attribute],
    ) -> None:
        names = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs]
        named = [_field(5, _attribute(name, value)) for name, value in attributes.items()]
        parts = [*names, _text(4, kind), *named, _text(7, domain)]
        self._parts.append(_field(1, b"".join(parts)))

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"


def run(session: InferenceSession, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of a graph, in the order in which they were declared."""
    return cast("list[np.ndarray]", session.run(None, dict(inputs)))


def _value(name: str, kind: str, shape: Sequence[int | str]) -> bytes:
    sizes = (_number(1, s) if isinstance(s, int) else _text(2, s) for s in shape)
    dims = b"".join(_field(1, size) for size in sizes)
    tensor = _number(1, _TYPES[kind]) + _field(2, dims)
    return _text(1, name) + _field(2, _field(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        body = _key(2, _FIXED32) + np.float32(value).tobytes() + _number(20, 1)
    elif isinstance(value, int):
        body = _number(3, value) + _number(20, 2)
    elif isinstance(value, str):
        body = _text(4, value) + _number(20, 3)
    else:
        body = b"".join(_number(8, int(each)) for each in value) + _number(20, 7)
    return _text(1, name) + body


def _field(number: int, data: bytes) -> bytes:
    return _key(number, _LENGTH) + _varint(len(data)) + data


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    return bytes(_groups(value & (2**64 - 1)))


def _groups(value: int) -> Iterator[int]:
    """Seven bits at a time, lowest first, the eighth set on all but the last."""
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
