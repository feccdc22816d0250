"""Fills components from a checkpoint's keys."""

from __future__ import annotations

import torch
from torch import nn

from registry.errors import UserError
from uss_plugins.query_nets.panns_network import Panns
from uss_plugins.separation.importing.accounts import Accounts
from uss_plugins.separation.importing.kernels import drop_front_end_kernels, drop_separator_kernels
from uss_plugins.separation.importing.names import UNREAD, released_separator_name, same
from uss_plugins.separation.importing.recognise import SEPARATOR
from uss_plugins.separation.model import UniversalSeparator
from uss_plugins.separators.resunet import ResUNet
from uss_plugins.separators.stft import STFT


def fill_query_net(accounts: Accounts, query_net: nn.Module, prefix: str) -> None:
    """A PANNs net from the keys under `prefix`."""
    if not isinstance(query_net, Panns):
        raise UserError(
            f"{accounts.path}: holds a query net of the PANNs family, and the recipe's is a"
            f" {type(query_net).__name__}; name cnn14, cnn14_decision_level_max or cnn_small in it"
        )
    drop_front_end_kernels(accounts, prefix, query_net.log_mel)
    accounts.fill(query_net, prefix, same)


def fill_separator(accounts: Accounts, separator: nn.Module) -> None:
    """A ResUNet from the keys under `ss_model.`."""
    if not isinstance(separator, ResUNet):
        raise UserError(
            f"{accounts.path}: holds a ResUNet, and the recipe's separator is a"
            f" {type(separator).__name__}; name resunet30 in it"
        )
    if not isinstance(separator.stft, STFT):
        raise UserError(
            f"{accounts.path}: holds a separator trained on the STFT; leave filterbank out of the recipe"
        )
    drop_separator_kernels(accounts, SEPARATOR + "base.", separator.stft)
    accounts.fill(separator, SEPARATOR, released_separator_name)
    unread = [key for key in accounts.left(SEPARATOR) if UNREAD.fullmatch(key, len(SEPARATOR))]
    accounts.drop(unread, "second batch norm and FiLM of decoder stages, which nothing reads")


def fill_bank(model: UniversalSeparator) -> str:
    """Stand in for the mean conditions of training anchors, and say how."""
    if not model.class_indexed:
        return "empty: separate by --query, or let training fill it"
    model.query_bank.copy_(torch.eye(len(model.class_names)))
    return "each class's own one-hot condition, not a mean over anchors"
