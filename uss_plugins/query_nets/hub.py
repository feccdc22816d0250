"""Nets, settings and tokenisers in the layout of Hugging Face's hub: a local folder, or a repository.

Nothing is downloaded unless a repository is named. No pickle is read: weights come as safetensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from registry.errors import UserError, nearest
from registry.plugins import one_line
from uss_plugins.ecosystems import import_transformers

REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Source:
    """Where a net's files are.

    net: its name, for messages.
    name: a local folder, or a repository of the hub, OWNER/NAME.
    revision: branch, tag or commit of the repository; None for its main branch.
    """

    net: str
    name: str
    is_folder: bool
    revision: str | None = None

    def read(self, load: Callable[..., Any], **options: Any) -> Any:
        """What a `from_pretrained` of transformers makes of these files.

        Raises:
            UserError: they are missing, damaged or another net's, or the hub cannot be reached.
        """
        places = {"local_files_only": True} if self.is_folder else {"revision": self.revision}
        try:
            with quiet():
                return load(self.name, **places, **options)
        except Exception as error:  # whatever stops a foreign reader on foreign files
            if isinstance(error, UserError):
                raise
            raise UserError(self._failure(error)) from error

    def read_net(self, net_class: Any) -> Any:
        """A net with all its weights, in float32. Raises as `read`."""
        options = {"output_loading_info": True, "use_safetensors": True, "dtype": torch.float32}
        net, found = self.read(net_class.from_pretrained, **options)
        missing = sorted([*found["missing_keys"], *(str(key) for key in found["mismatched_keys"])])
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise UserError(
                f"query net {self.net!r}: {self.name} lacks weights ({', '.join(missing[:3])}{more}); give"
                f" the files of a {net_class.__name__}"
            )
        return net

    def _failure(self, error: Exception) -> str:
        reason = one_line(error)
        reason = reason if len(reason) <= 200 else f"{reason[:200]} ..."
        if self.is_folder:
            return (
                f"query net {self.net!r}: cannot read {self.name} ({reason}); give a folder that"
                " save_pretrained or a download from the hub has left"
            )
        return (
            f"query net {self.net!r}: {self.name!r} is no folder here, and not to be had from the hub"
            f" ({reason}); check the name and the connection, or download it elsewhere by 'hf download"
            f" {self.name} --local-dir DIR' and give DIR"
        )


def refuse_settings(net: str, *settings: Mapping[str, Any] | None) -> None:
    """Raises UserError if there are settings beside weights, which bring their own."""
    if any(settings):
        raise UserError(
            f"query net {net!r}: config and feature_extractor are for random weights; leave them out,"
            " or leave out pretrained"
        )


def find_source(net: str, where: str | Path) -> Source:
    """A local folder if there is one of that name, else a repository OWNER/NAME or OWNER/NAME@REVISION.

    Raises:
        UserError: it can be neither.
    """
    folder = Path(where).expanduser()
    if folder.is_dir():
        return Source(net, str(folder), is_folder=True)
    repository = REPOSITORY.fullmatch(str(where))
    if repository is None:
        raise UserError(
            f"query net {net!r}: pretrained {str(where)!r} is neither a folder nor a repository of the hub,"
            " OWNER/NAME or OWNER/NAME@REVISION"
        )
    return Source(net, repository["name"], is_folder=False, revision=repository["revision"])


def make_settings(net: str, parameter: str, make: Any, given: Mapping[str, Any] | None) -> Any:
    """A configuration or a feature extractor of transformers, `make`, with the values that are `given`.

    Raises:
        UserError: an unknown key, which transformers would take without a word; or a value it refuses.
    """
    given = dict(given or {})
    _check_keys(net, parameter, make().to_dict(), given)
    try:
        return make(**given)
    except Exception as error:  # of as many kinds as there are settings
        raise UserError(f"query net {net!r}: {parameter}: {one_line(error)}") from error


def _check_keys(net: str, place: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        if key not in known:
            raise UserError(f"query net {net!r}: unknown {place}.{key}; {nearest(key, known)}")
        inner = known[key]
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            _check_keys(net, f"{place}.{key}", inner, value)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing advice and progress where a user has asked for neither."""
    logging = import_transformers("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
