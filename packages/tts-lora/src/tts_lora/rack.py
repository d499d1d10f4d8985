"""The adapters that are resident beside one network, and the hooks that add them to its layers.

A hook adds ``x Aᵀ Bᵀ`` to what a linear layer returns, with a pair of matrices per batch row. The
network's modules, parameters and state are not touched.
Letters: B batch, T steps, I in features, O out features, K rank, padded to the largest.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from tts_lora.stack import Part, Stack, added, mixed, part_of, stacked
from tts_lora.targets import AdapterError, adaptable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tts_lora.folder import Adapter
    from voice_data.speech import Condition

Mix = tuple[tuple[str, float], ...]
"""Names of adapters with their weights; empty is the base model."""

_KEPT_PLANS = 4
_chosen: ContextVar[Mapping[int, Plan]] = ContextVar("tts_lora_rows", default={})  # noqa: B039
_racks: weakref.WeakKeyDictionary[nn.Module, Rack] = weakref.WeakKeyDictionary()
_registry = threading.Lock()


class Resident(NamedTuple):
    """An adapter in memory, by layer."""

    parts: Mapping[str, Part]
    condition: Condition | None


class Plan:
    """Which mix of adapters each row of a batch gets; without ``rows`` every row gets ``mixes``."""

    def __init__(
        self, mixes: Sequence[Mix], residents: Mapping[str, Resident], rows: int | None
    ) -> None:
        self.rows, self._mixes = rows, list(mixes)
        if len(set(mixes)) == 1 and rows is not None:
            self._mixes = self._mixes[:1]
        self._residents = {name: residents[name] for mix in mixes for name, _ in mix}
        self._stacks: dict[str, Stack | None] = {}

    def stack(self, layer: str) -> Stack | None:
        """The parts at a layer, made when it is first called; ``None`` if no row has any."""
        if layer not in self._stacks:
            self._stacks[layer] = self._made(layer)
        return self._stacks[layer]

    def _made(self, layer: str) -> Stack | None:
        made = {mix: self._mixed(layer, mix) for mix in set(self._mixes)}
        some = next((part for part in made.values() if part is not None), None)
        if some is None:
            return None
        if len(made) == 1:
            return Stack(*some)
        return stacked([made[mix] for mix in self._mixes], some)

    def _mixed(self, layer: str, mix: Mix) -> Part | None:
        found = [(self._residents[name].parts.get(layer), weight) for name, weight in mix]
        return mixed([(part, weight) for part, weight in found if part is not None and weight])


class Rack:
    """Use :func:`rack_of`: a network has one."""

    def __init__(self, network: nn.Module) -> None:
        self._network = weakref.ref(network)
        self._residents: dict[str, Resident] = {}
        self._layers: dict[str, nn.Module] = {}
        self._hooks: dict[str, Any] = {}
        self._plans: dict[tuple[Mix, ...], Plan] = {}
        self._worn: list[str] = []
        self._default = Plan([()], {}, None)
        self._open = 0
        self._lock = threading.RLock()

    @property
    def names(self) -> list[str]:
        """The resident adapters, in the order in which they came."""
        return list(self._residents)

    def resident(self, name: str) -> Resident:
        """An adapter's matrices and its condition.

        Raises:
            AdapterError: if there is none of that name.
        """
        try:
            return self._residents[name]
        except KeyError:
            raise AdapterError(
                f"no adapter {name!r} is resident; there: {', '.join(self.names) or 'none'}"
            ) from None

    def add(self, name: str, adapter: Adapter) -> None:
        """Make an adapter resident.

        Raises:
            AdapterError: if the name is taken, the adapter does not fit the network, or it changes
                something that is not a linear layer.
        """
        network = self._network()
        if network is None or name in self._residents:
            raise AdapterError(f"an adapter {name!r} is resident: unload it first")
        if adapter.settings.train_also:
            raise AdapterError(
                f"the adapter stores whole modules ({', '.join(adapter.settings.train_also)}), "
                "which rows of one batch cannot share: load it without hot, by itself"
            )
        layers = self._layers = self._layers or adaptable(network)
        adapter.check_tensors(network, layers)
        parts = {
            key: part_of(adapter.settings, tensors, key, layers[key])
            for key, tensors in adapter.layers.items()
        }
        with self._lock:
            self._residents[name] = Resident(parts, adapter.condition)
            for key in parts:
                if key not in self._hooks:
                    self._hooks[key] = layers[key].register_forward_hook(_Hook(self, key))

    def remove(self, name: str) -> None:
        """Forget an adapter. A batch that is being computed with it goes on with it.

        Raises:
            AdapterError: if there is none of that name.
        """
        self.resident(name)
        with self._lock:
            del self._residents[name]
            self._plans.clear()
            if name in self._worn:
                self._worn.remove(name)
                self._rewear()
            self._prune()

    def wear(self, name: str) -> None:
        """Let every row that nobody chose for have this adapter."""
        self.resident(name)
        with self._lock:
            self._worn = [*(each for each in self._worn if each != name), name]
            self._rewear()

    def unwear(self, name: str) -> None:
        """The opposite of :meth:`wear`; the adapter stays resident."""
        with self._lock:
            if name in self._worn:
                self._worn.remove(name)
                self._rewear()

    def worn(self, name: str) -> bool:
        """Whether the adapter is given to rows that nobody chose for."""
        return bool(self._worn) and self._worn[-1] == name

    @contextmanager
    def rows(self, mixes: Sequence[Mix]) -> Iterator[None]:
        """Row ``i`` of every batch inside the block, in this thread or task, gets ``mixes[i]``.

        Raises:
            AdapterError: if an adapter is not resident.
        """
        with self._lock:
            for name in {name for mix in mixes for name, _ in mix}:
                self.resident(name)
            key = tuple(mixes)
            plan = self._plans.pop(key, None) or Plan(mixes, self._residents, len(mixes))
            self._plans[key] = plan
            while len(self._plans) > _KEPT_PLANS:
                del self._plans[next(iter(self._plans))]
        with self._using(plan):
            yield

    @contextmanager
    def bare(self) -> Iterator[None]:
        """The base model inside the block, in this thread or task."""
        with self._using(Plan([()], {}, None)):
            yield

    def plan(self) -> Plan:
        """What the rows of the running batch get."""
        return _chosen.get().get(id(self), self._default)

    @contextmanager
    def _using(self, plan: Plan) -> Iterator[None]:
        token = _chosen.set({**_chosen.get(), id(self): plan})
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            _chosen.reset(token)
            with self._lock:
                self._open -= 1
                self._prune()

    def _rewear(self) -> None:
        mix: Mix = ((self._worn[-1], 1.0),) if self._worn else ()
        self._default = Plan([mix], self._residents, None)

    def _prune(self) -> None:
        """Drop hooks that nothing needs, once no batch is being computed."""
        if self._open:
            return
        needed = {key for resident in self._residents.values() for key in resident.parts}
        for key in [key for key in self._hooks if key not in needed]:
            self._hooks.pop(key).remove()


class _Hook:
    """Adds what the running batch's rows have at one layer."""

    def __init__(self, rack: Rack, layer: str) -> None:
        self._rack, self._layer = rack, layer

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Any:
        plan = self._rack.plan()
        stack = plan.stack(self._layer)
        if stack is None:
            return None
        if stack.down.dim() == 3 and len(output) != plan.rows:
            raise AdapterError(
                f"the layer {self._layer} was called with {len(output)} rows and adapters were "
                f"chosen for {plan.rows}: choose one per row of the network's batch"
            )
        return added(stack, inputs[0], output, getattr(module, "bias", None))


def rack_of(network: nn.Module) -> Rack:
    """The rack of a network; it is made when it is first asked for."""
    with _registry:
        if network not in _racks:
            _racks[network] = Rack(network)
        return _racks[network]
