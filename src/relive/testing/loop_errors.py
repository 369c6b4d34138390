"""What a `SimLoop` does about errors that nobody awaits: what asyncio's own loops do."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class ErrorTelling(asyncio.AbstractEventLoop):
    """The part of an event loop that tells of errors."""

    _exception_handler: ExceptionHandler | None = None

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Have `handler(loop, context)` told of errors that nobody awaits; `None` for the default, which logs them."""
        self._exception_handler = handler

    def get_exception_handler(self) -> ExceptionHandler | None:
        """Return what `set_exception_handler` was given."""
        return self._exception_handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell the exception handler, in the context of the task, future or handle concerned."""
        tell = partial(self._exception_handler or type(self).default_exception_handler, self, context)
        thing: Any = context.get("task") or context.get("future") or context.get("handle")
        try:
            thing.get_context().run(tell) if hasattr(thing, "get_context") else tell()
        except Exception as error:  # noqa: BLE001 - the handler's own error is told, not raised
            problem = {"message": "Unhandled error in exception handler", "exception": error, "context": context}
            self.default_exception_handler(problem)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log `context` to the logger `asyncio`, in the words of the stdlib."""
        lines = [context.get("message") or "Unhandled exception in event loop"]
        for key in sorted(context.keys() - {"message", "exception"}):
            value = context[key]
            text = "".join(traceback.format_list(value)).rstrip() if key == "source_traceback" else repr(value)
            lines.append(f"{key}: {text}")
        logging.getLogger("asyncio").error("\n".join(lines), exc_info=context.get("exception"))
