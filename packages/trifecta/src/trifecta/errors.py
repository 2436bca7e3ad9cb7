"""The error tree and what each error means for the exit code.

TrifectaError            (never raised itself)
├── InvalidInputError    exit 2   a bad URI, no such segment, unknown module, a link out of it, …
├── SourceError          exit 3   the source was read but does not parse
└── OutputError          exit 1   the answer could not be written to standard output

Caching trouble is no error: it costs an event and a recomputation (see ``sqlite_cache``).
"""


class TrifectaError(Exception):
    """What went wrong, as fields and as one sentence."""

    exit_code = 1

    def __init__(self, kind: str, message: str, **fields: object) -> None:
        """Keep the kind and the fields (expected, found, where, hint, line, col)."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.fields = fields

    def as_dict(self) -> dict[str, object]:
        """Give the ``error`` object of the JSON answer."""
        return {"kind": self.kind, "message": self.message, **self.fields}

    def sentence(self) -> str:
        """Give the one line for standard error."""
        parts = [self.message]
        for name, label in (("expected", "expected"), ("found", "found"), ("where", "at")):
            value = self.fields.get(name)
            if value not in {None, ""}:
                parts.append(f"{label} {value}")
        hint = self.fields.get("hint")
        text = ", ".join(parts) + (f"; {hint}" if hint else "")
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class InvalidInputError(TrifectaError):
    """The question cannot be answered as it was put."""

    exit_code = 2


class SourceError(TrifectaError):
    """The source file was read and does not parse."""

    exit_code = 3


class OutputError(TrifectaError):
    """The answer could not be delivered."""

    exit_code = 1
