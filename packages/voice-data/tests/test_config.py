"""Strict configurations: layers, types, and one error test per check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from voice_data.config import ConfigError, from_mapping, load_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    width: int = 8
    depth: int = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"Inner.width must be positive, not {self.width}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    rate: float = 1e-3
    steps: int = 10
    fast: bool = False
    mode: Literal["a", "b"] = "a"
    limit: float | None = None
    folder: Path = Path("data")
    names: tuple[str, ...] = ()
    span: tuple[float, float] = (3.0, 12.0)
    sizes: list[int] = field(default_factory=list)
    extra: Mapping[str, Any] = field(default_factory=dict)
    inner: Inner = Inner(width=16)
    spare: Inner | None = None


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_layers_defaults_then_file_then_overrides(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "name: x\nrate: 1e-4\nsteps: 5\ninner: {depth: 7}\nspan: [1, 2.5]\n")
    config = load_config(Outer, path, ["steps=6", "inner.width=4", "mode=b", "names=[p, q]"])
    assert config == Outer(
        name="x",
        rate=1e-4,
        steps=6,
        mode="b",
        names=("p", "q"),
        span=(1.0, 2.5),
        inner=Inner(width=4, depth=7),
    )


def test_partial_nested_values_keep_the_outer_default() -> None:
    assert load_config(Outer, overrides=["name=x", "inner.depth=3"]).inner == Inner(
        width=16, depth=3
    )


def test_layers_meet_in_an_optional_nested_dataclass(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "name: x\nspare: {width: 5}\n")
    assert load_config(Outer, path, ["spare.depth=9"]).spare == Inner(width=5, depth=9)
    assert load_config(Outer, path, ["spare=null"]).spare is None
    assert load_config(Outer, path, ["spare=null", "spare.depth=1"]).spare == Inner(depth=1)


def test_base_supplies_what_is_not_named() -> None:
    base = Outer(name="base", steps=99, inner=Inner(width=3))
    config = load_config(Outer, overrides=["inner.depth=5"], base=base)
    assert config == Outer(name="base", steps=99, inner=Inner(width=3, depth=5))


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("name=no", "name", "no"),
        ("name=007", "name", "007"),
        ("name=a=b", "name", "a=b"),
        ("name=", "name", ""),
        ("rate=1e-5", "rate", 1e-5),
        ("rate=2", "rate", 2.0),
        ("fast=true", "fast", True),
        ("limit=null", "limit", None),
        ("limit=3", "limit", 3.0),
        ("folder=a/b", "folder", Path("a/b")),
        ("sizes=[1, 2]", "sizes", [1, 2]),
        ("extra={k: [1]}", "extra", {"k": [1]}),
        ("spare={width: 2}", "spare", Inner(width=2)),
    ],
)
def test_overrides_are_read_as_the_field_type(override: str, key: str, value: object) -> None:
    config = load_config(Outer, overrides=["name=x", override])
    assert getattr(config, key) == value
    assert type(getattr(config, key)) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae: x", r"config\.yaml: unknown key 'nmae' in Outer; valid: .*name"),
        ("name: x\ninner: {witdh: 1}", r"unknown key 'inner\.witdh' in Inner; valid: depth, width"),
        ("name: x\nsteps: 1.5", r"config\.yaml: steps must be a whole number, not 1\.5"),
        ("name: x\nsteps: true", r"steps must be a whole number, not True"),
        ("name: no", r"name must be text \(quote it in YAML\), not False"),
        ("name: x\nfast: 1", r"fast must be true or false, not 1"),
        ("name: x\nrate: quick", r"rate must be a number, not 'quick'"),
        ("name: x\nrate: true", r"rate must be a number, not True"),
        ("name: x\nmode: c", r"mode must be one of 'a', 'b', not 'c'"),
        ("name: x\nspan: [1]", r"span: must hold 2 values, not 1"),
        ("name: x\nnames: p", r"names must be tuple\[str, \.\.\.\], not 'p'"),
        ("name: x\nextra: 3", r"extra must be .*Mapping.*, not 3"),
        ("name: x\ninner: 3", r"inner must be Inner, not 3"),
        ("name: x\nspare: {witdh: 2}", r"unknown key 'spare\.witdh' in Inner"),
        ("steps: 1", r"Outer\.name is missing"),
        ("name: x\ninner: {width: 0}", r"Inner\.width must be positive, not 0"),
        ("name: x\nname: y", r"config\.yaml: not valid YAML.*'name' is given twice"),
        ("name: [", r"config\.yaml: not valid YAML"),
        ("- 1", r"must hold 'key: value' lines, not a list"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(Outer, yaml_file(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", r"'steps' is not an override: write key=value"),
        ("=3", r"is not an override"),
        ("stpes=3", r"--set stpes=3: unknown key 'stpes'"),
        ("steps=[", r"steps must be a whole number, not '\['"),
        ("steps.x=1", r"steps must be a whole number, not \{'x'"),
    ],
)
def test_a_wrong_override_is_one_clear_error(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Outer, overrides=["name=x", override])


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot read the configuration"):
        load_config(Outer, tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml: not UTF-8"):
        load_config(Outer, tmp_path / "latin.yaml")


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config(Inner, yaml_file(tmp_path, "")) == Inner()


def test_from_mapping_names_its_source() -> None:
    assert from_mapping(Inner, {"width": 3}) == Inner(width=3)
    with pytest.raises(ConfigError, match=r"^weights: unknown key 'w' in Inner"):
        from_mapping(Inner, {"w": 3}, where="weights")
