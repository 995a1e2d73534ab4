"""All checks together, as the options ask for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp

from clew_console.access.host import is_loopback, loopback_only, no_domain
from clew_console.access.origin import OriginCheck
from clew_console.access.token import LOGIN, MIN_TOKEN_CHARACTERS, AccessError, TokenCheck, Tokens
from clew_console.options import Options


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may ask this console.

    Attributes:
        tokens: None where nobody is asked for one.
    """

    is_loopback: bool
    tokens: Tokens | None

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application behind the checks."""
        inner = OriginCheck(app)
        behind_token = inner if self.tokens is None else TokenCheck(inner, self.tokens)
        if self.is_loopback:
            return loopback_only(behind_token)
        # A stranger's domain that leads here brings no cookie of this console: the token is check enough.
        return no_domain(behind_token) if self.tokens is None else behind_token

    def is_metadata_allowed(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """Tell whether a gRPC call carries the token, if one is asked for."""
        if self.tokens is None:
            return True
        values = [str(value) for key, value in metadata if key == "authorization"]
        return len(values) == 1 and self.tokens.is_bearer(values[0])

    def login(self, url: str) -> str:
        """Return the address that opens the console to one browser; "" where no token is asked for."""
        return f"{url}{LOGIN}?key={self.tokens.once}" if self.tokens else ""


def guard(options: Options) -> Guard:
    """Return the checks.

    Raises:
        AccessError: the console would listen to strangers without a token, or the token is short.
    """
    if options.token and len(options.token) < MIN_TOKEN_CHARACTERS:
        raise AccessError(f"the token is shorter than {MIN_TOKEN_CHARACTERS} characters; take a longer one")
    if not options.token and not options.is_open and not is_loopback(options.host):
        raise AccessError(
            f"{options.host} can be reached from other machines: set CLEW_CONSOLE_TOKEN to a secret of at least "
            f"{MIN_TOKEN_CHARACTERS} characters, or let everyone in with --no-token"
        )
    return Guard(is_loopback(options.host), Tokens(options.token) if options.token else None)
