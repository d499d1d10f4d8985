"""Strict configurations: a YAML file and ``key=value`` overrides become one typed dataclass."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names key, value and what is valid."""


class _Text(str):
    """The right-hand side of an override, still to be read as the field's type."""


def load_config(
    cls: type[T],
    path: str | Path | None = None,
    overrides: Iterable[str] = (),
    *,
    base: T | None = None,
) -> T:
    """The dataclass ``cls`` from its defaults, then the YAML file, then ``key=value`` overrides.

    A dot reaches into a nested dataclass (``mel.n_fft=512``); what is not named there keeps its
    default, or the value that ``base`` has.

    >>> from voice_data.mel import MelConfig
    >>> load_config(MelConfig, overrides=["n_mels=80"]).n_mels
    80

    Raises:
        ConfigError: for an unknown key (the valid names are listed), a value of the wrong type,
            a value that ``cls`` refuses, a missing value, or a file that is not a YAML mapping.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _typed(cls, _read_yaml(Path(path)), f"{path}: ")
    for override in overrides:
        values = _merge(values, _typed(cls, _parse_override(override), f"--set {override}: "))
    return _construct(cls, values, base)


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str = "") -> T:
    """The dataclass ``cls`` from plain values, as a JSON or YAML reader returns them.

    ``where`` names the source in error messages, for example the file.

    Raises:
        ConfigError: as :func:`load_config`.
    """
    prefix = f"{where}: " if where else ""
    return _construct(cls, _typed(cls, values, prefix), None, prefix)


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_unique_key_loader())  # noqa: S506
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: must hold 'key: value' lines, not a {type(values).__name__}")
    return values


def _unique_key_loader() -> type:
    """A safe YAML loader that refuses a key given twice; the plain one silently keeps the last."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key, _ in node.value:
                name = key.value
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} is given twice", key.start_mark
                    )
                seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"{override!r} is not an override: write key=value, for example seed=7")
    value: Any = _Text(text)
    for part in reversed(parts):
        value = {part: value}
    return value


def _merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        nested = merged.get(key)
        if isinstance(value, _Nested) and isinstance(nested, _Nested):
            value = _Nested(_merge(nested, value))
        merged[key] = value
    return merged


class _Nested(dict[str, Any]):
    """Checked values of a nested dataclass that is not built yet, so that layers can be merged."""


def _typed(cls: type, values: Mapping[str, Any], where: str, parent: str = "") -> dict[str, Any]:
    """``values`` with every key known to ``cls`` and every value of its field's type."""
    hints = _hints(cls)
    names = [field.name for field in fields(cls) if field.init]
    typed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise ConfigError(
                f"{where}unknown key {parent + str(key)!r} in {cls.__name__}; "
                f"valid: {', '.join(sorted(names))}"
            )
        nested = _dataclass_in(hints[key])
        if nested is not None and isinstance(value, Mapping):
            typed[key] = _Nested(_typed(nested, value, where, f"{parent}{key}."))
        else:
            typed[key] = _convert(value, hints[key], f"{where}{parent}{key}")
    return typed


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of a class's fields; to work them out takes most of the time of reading one."""
    return get_type_hints(cls)


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that ``hint`` is, or that it allows beside None."""
    is_union = get_origin(hint) in (Union, types.UnionType)
    options = [option for option in get_args(hint) if option is not type(None)]
    kind = options[0] if is_union and len(options) == 1 else hint
    return kind if is_dataclass(kind) else None


def _construct(cls: type[T], values: Mapping[str, Any], base: T | None, where: str = "") -> T:
    built: dict[str, Any] = {}
    for field in fields(cls):  # pyright: ignore[reportArgumentType]
        if not field.init:
            continue
        value = values.get(field.name, MISSING)
        if isinstance(value, _Nested):
            nested_base = getattr(base, field.name) if base is not None else _default(field)
            nested = _dataclass_in(_hints(cls)[field.name])
            value = _construct(nested, value, nested_base, where)
        if value is not MISSING:
            built[field.name] = value
        elif base is None and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where}{cls.__name__}.{field.name} is missing: give it a value")
    try:
        return cls(**built) if base is None else replace(base, **built)  # pyright: ignore
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}{error}") from error


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else None


def _convert(value: Any, hint: Any, label: str) -> Any:
    """``value`` as the type ``hint``, or a ConfigError. Only lossless readings are accepted."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(hint), label)
    if isinstance(value, _Text):
        return _convert_text(value, hint, label)
    if hint is Any:
        return value
    if origin is Literal:
        if any(value == allowed and type(value) is type(allowed) for allowed in get_args(hint)):
            return value
    elif is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return _construct(hint, _typed(hint, value, f"{label}: "), None, f"{label}: ")
        if isinstance(value, hint):
            return value
    elif origin in (tuple, list, Sequence) or hint in (tuple, list):
        if isinstance(value, (list, tuple)):
            return _convert_sequence(value, hint, label)
    elif origin in (dict, Mapping) or hint in (dict, Mapping):
        if isinstance(value, Mapping):
            item = (get_args(hint) or (str, Any))[1]
            return {
                str(key): _convert(entry, item, f"{label}.{key}") for key, entry in value.items()
            }
    else:
        return _convert_scalar(value, hint, label)
    raise _mismatch(value, hint, label)


def _convert_union(value: Any, hints: Sequence[Any], label: str) -> Any:
    if type(None) in hints and (value is None or str(value).lower() in ("null", "none", "~")):
        return None
    error = ConfigError(f"{label}: no type to read it as")
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _convert(value, hint, label)
        except ConfigError as caught:
            error = caught
    raise error


def _convert_text(value: _Text, hint: Any, label: str) -> Any:
    """An override's text: as it stands where a string is wanted, otherwise read as YAML."""
    import yaml

    text = str(value)
    if hint is str or (get_origin(hint) is Literal and text in get_args(hint)):
        return text
    if hint is Path:
        return Path(text)
    try:
        return _convert(yaml.safe_load(text), hint, label)
    except yaml.YAMLError as error:
        raise _mismatch(text, hint, label) from error


def _convert_sequence(value: Sequence[Any], hint: Any, label: str) -> Any:
    arguments = [a for a in get_args(hint) if a is not Ellipsis]
    fixed = get_origin(hint) is tuple and Ellipsis not in get_args(hint) and bool(arguments)
    if fixed and len(value) != len(arguments):
        raise ConfigError(f"{label}: must hold {len(arguments)} values, not {len(value)}")
    kinds = arguments if fixed else [(arguments or [Any])[0]] * len(value)
    items = [
        _convert(v, kind, f"{label}[{i}]")
        for i, (v, kind) in enumerate(zip(value, kinds, strict=True))
    ]
    return items if (get_origin(hint) or hint) is list else tuple(items)


def _convert_scalar(value: Any, hint: Any, label: str) -> Any:
    if hint is float and not isinstance(value, bool):
        # YAML 1.1 reads 1e-4 (without a dot) as text.
        if isinstance(value, (int, float, str)):
            try:
                return float(value)
            except ValueError:
                pass
    elif hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise _mismatch(value, hint, label)


def _mismatch(value: Any, hint: Any, label: str) -> ConfigError:
    if get_origin(hint) is Literal:
        wanted = "one of " + ", ".join(repr(allowed) for allowed in get_args(hint))
    else:
        wanted = getattr(hint, "__name__", str(hint)) if not get_args(hint) else str(hint)
        wanted = {
            "str": "text (quote it in YAML)",
            "int": "a whole number",
            "float": "a number",
        }.get(wanted, {"bool": "true or false"}.get(wanted, wanted))
    return ConfigError(f"{label} must be {wanted}, not {value!r}")
