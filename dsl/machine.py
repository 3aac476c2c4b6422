"""The LALR machine: it takes tokens one by one, says what it could take, and can go back to an earlier state.

All that is known of Lark's inside stands here and in tables.py.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from lark.exceptions import UnexpectedToken

from .tables import parser
from .tokens import Word

# The machines share their callbacks: hold this while one is at work.
LOCK = Lock()
Misfit = UnexpectedToken
State = tuple[list[Any], list[Any]]


class Machine:
    """One parse. Where a token does not fit, `feed` raises `Misfit`, and what the callbacks raise passes through it."""

    def __init__(self) -> None:
        lark: Any
        lark, builder = parser()
        builder.reset()
        self._parser: Any = lark.parse_interactive()

    def feed(self, token: Word) -> Any:
        """Take one token. The result of the whole comes back for the token `$END`."""
        return self._parser.feed_token(token)

    def expected(self) -> frozenset[str]:
        """The kinds of token that would have fitted where the last one did not."""
        return frozenset(self._parser.accepts())

    def state(self) -> State:
        state = self._parser.parser_state
        return list(state.state_stack), list(state.value_stack)

    def go_back(self, state: State) -> None:
        """Return to a state of this machine, which stays good for another return."""
        current = self._parser.parser_state
        current.state_stack[:], current.value_stack[:] = state
