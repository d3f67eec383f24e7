"""Which reader takes which provider's files."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bailiwick_sidecar.invoices import anthropic, aws_cur, azure, openai
from bailiwick_sidecar.invoices.fields import text_of
from bailiwick_sidecar.invoices.model import Export, InvoiceError

READERS: Final[Mapping[str, Callable[[str, str], Export]]] = {
    "openai": openai.read,
    "anthropic": anthropic.read,
    "azure": azure.read,
    "aws-cur": aws_cur.read,
}


def read_files(provider: str, paths: Sequence[Path]) -> tuple[Export, str]:
    """All lines of the files, and a mark that names provider and content.

    Raises:
        InvoiceError: a file is unreadable or not this provider's, the same file is given twice, or
            there is nothing in them.
    """
    lines: list[Export] = []
    marks: list[str] = []
    for path in paths:
        text = text_of(path)
        marks.append(hashlib.sha256(text.encode()).hexdigest()[:12])
        if marks[-1] in marks[:-1]:
            raise InvoiceError(f"{path} has the same content as a file before: give each once")
        lines.append(READERS[provider](path.name, text))
    whole = Export(
        tuple(line for export in lines for line in export.lines),
        sum(export.skipped for export in lines),
        all(export.more for export in lines),
    )
    if not whole.lines:
        raise InvoiceError(
            f"there is no line of {provider}'s models in {', '.join(map(str, paths))} "
            f"({whole.skipped} of other things): is it the right file and --provider?"
        )
    return whole, f"{provider} {' '.join(marks)}"
