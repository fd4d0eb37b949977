"""Which web pages may use the server: only its own viewer."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from tf_symgnn.server.protocol import RequestError


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is of this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def require_own_origin(method: str, headers: Mapping[str, str], *, loopback: bool) -> None:
    """Check that a request is not made by a web page of another origin. Programs send none of these headers but Host.

    Args:
        method: of the request.
        headers: of the request, by name in lower case.
        loopback: whether the server listens on this machine only. Then a page that has rebound its own name to this
            machine is recognized by that name.

    Raises:
        RequestError: status 403, it is.
    """
    host = headers.get("host", "")
    if loopback and not is_loopback(_split(f"//{host}").hostname or ""):
        raise _refused(f"Host {host!r}", "localhost, since the server listens on this machine only")
    origin = headers.get("origin")
    if origin is not None and _split(origin).netloc.lower() != host.lower():
        raise _refused(f"Origin {origin!r}", "that of the server")
    site = headers.get("sec-fetch-site", "none")
    # A link on another page may open the viewer.
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("none", "same-origin") and not is_link:
        raise _refused(f"Sec-Fetch-Site {site!r}", "same-origin")


def _split(address: str) -> SplitResult:
    """Return the parts of an address; none of one that is not well-formed, such as `//[`."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _refused(found: str, expected: str) -> RequestError:
    text = found if len(found) <= 100 else found[:97] + "..."
    return RequestError(HTTPStatus.FORBIDDEN, f"found {text}, expected {expected}")
