"""What a component of universal source separation is, and how to find and build the installed ones.

For authors of plug-ins: `hookimpl`, and the contracts in `registry.contracts`.
For those who use components: `load_plugins().build(kind, name, **parameters)`.
"""

from registry.errors import UserError
from registry.hookspecs import Register, hookimpl
from registry.loading import load_plugins
from registry.parameters import Parameter, ParameterError
from registry.plugins import (
    BrokenComponentError,
    BrokenPlugin,
    CollisionError,
    ComponentSpec,
    Plugin,
    Plugins,
    UnknownComponentError,
)

__all__ = [
    "BrokenComponentError",
    "BrokenPlugin",
    "CollisionError",
    "ComponentSpec",
    "Parameter",
    "ParameterError",
    "Plugin",
    "Plugins",
    "Register",
    "UnknownComponentError",
    "UserError",
    "hookimpl",
    "load_plugins",
]
