"""Reads `--runner`, which says where stacks are trained. It is not part of a spec, since it changes no result."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from tasks.errors import BadInput

VARIABLE = "BAKEOFF_RUNNER"
"""The environment variable for it, which a deployment may set."""
_WHERE = "--runner"
_ACCEPTED = "local, dask (workers of its own on this machine), or dask=ADDRESS (a scheduler that runs)"
_SECONDS = 5.0
"""How long a scheduler may take to answer."""
_TLS = ("ca-file", "client.cert", "client.key")


@dataclass(frozen=True)
class DaskRunner:
    """Stacks are trained through Dask.

    Args:
        address: A scheduler's, `tls://HOST:PORT` or, on this machine, `tcp://HOST:PORT`. None: a scheduler and workers
            are started for the run and end with it.
    """

    address: str | None


def read_runner(said: str) -> DaskRunner | None:
    """Returns who trains; None: this process. A scheduler that is named must answer.

    Args:
        said: `local` or empty, `dask`, or `dask=ADDRESS`.

    Raises:
        BadInput: it says something else, Dask is not installed, or the scheduler can't be used.
    """
    if said in ("", "local"):
        return None
    name, equals, address = said.partition("=")
    if name != "dask" or (equals and not address):
        raise BadInput("there is no such runner", where=_WHERE, got=said, accepted=_ACCEPTED)
    if find_spec("distributed") is None:
        raise BadInput(
            "Dask is not installed",
            where=_WHERE,
            got=said,
            remedy="install the project's extra named dask (.venv/bin/uv pip install --python .venv/bin/python -e "
            "'.[dask]'), or leave --runner out",
        )
    if not address:
        return DaskRunner(None)
    _check_address(address)
    return DaskRunner(address)


def _check_address(address: str) -> None:
    accepted = "tls://HOST:PORT, or tcp://127.0.0.1:PORT for a scheduler on this machine"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    host = parts.hostname
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("tcp", "tls") or not host or port is None or not plain:
        raise BadInput("this is no address of a scheduler", where=_WHERE, got=address, accepted=accepted)
    if parts.scheme == "tcp" and not _is_here(host):
        raise BadInput(
            "a scheduler on another machine needs a connection by TLS",
            where=_WHERE,
            got=address,
            accepted=accepted,
            remedy="start scheduler and workers with --protocol tls and certificates: anyone who can connect "
            "to them can run any code as you (SECURITY.md)",
        )
    if parts.scheme == "tls":
        _check_certificates(address)
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise BadInput(
            "no scheduler answers at this address",
            where=_WHERE,
            got=f"{address}: {error.strerror or error}",
            remedy="start one with `dask scheduler --host HOST`, and workers with `dask worker ADDRESS --nthreads 1`",
        ) from None


def _is_here(host: str) -> bool:
    """Whether a host is this machine under an address that no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_certificates(address: str) -> None:
    import dask
    import distributed  # noqa: F401 - which brings the settings

    missing = [name for name in _TLS if not dask.config.get(f"distributed.comm.tls.{name}", None)]
    if missing:
        raise BadInput(
            "there is no certificate to speak to the scheduler with",
            where=_WHERE,
            got=f"{address} without {', '.join(f'distributed.comm.tls.{name}' for name in missing)}",
            remedy="say them in Dask's own settings, such as DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            "..__TLS__CLIENT__CERT and ..__TLS__CLIENT__KEY",
        )
