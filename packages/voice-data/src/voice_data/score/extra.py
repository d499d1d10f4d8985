"""The libraries of the ``[metrics]`` extra, imported where a metric first needs them."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator
from types import ModuleType


def require(module: str) -> ModuleType:
    """Import ``module`` quietly: several metric libraries print or warn about their own imports.

    Raises:
        ImportError: naming the missing library and the extra that brings it.
    """
    try:
        with quiet():
            return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"scoring needs {error.name or module}, which is missing or broken ({error}): "
            "install it with: pip install 'voice-data[metrics]'",
            name=error.name,
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no prints from other people's code inside the block."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use ``threads`` threads inside the block, and as many as before after it."""
    torch = require("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
