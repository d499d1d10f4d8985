"""Not working yet: the parts of a hypernetwork are here, and no command that joins them."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
