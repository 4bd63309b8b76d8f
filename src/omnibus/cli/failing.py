"""What went wrong, in one line, with an exit code that scripts can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from omnibus.errors import Conflict, DeliveryError, Forged, InputError, OmnibusError

CHECK, INPUT, OUTSIDE = 1, 2, 3  # a check failed; wrong input; store or provider in trouble


@contextmanager
def told(ctx: click.Context) -> Iterator[None]:
    """Turn our errors into lines on stderr and an exit code; faults of ours stay tracebacks."""
    try:
        yield
    except (InputError, Conflict, Forged) as error:
        fail(ctx, str(error), INPUT)
    except DeliveryError as error:
        fail(ctx, f"the provider said {type(error).__name__}: {error}", OUTSIDE)
    except OmnibusError as error:
        fail(ctx, str(error), OUTSIDE)
    except BrokenPipeError:
        raise  # click ends quietly when nobody reads on
    except OSError as error:
        fail(ctx, ": ".join(each for each in (error.filename, error.strerror or type(error).__name__) if each), OUTSIDE)


def fail(ctx: click.Context, text: str, code: int) -> NoReturn:
    """Say an error and leave."""
    for line in text.splitlines() or [""]:
        click.echo(f"error: {line}", err=True)
    ctx.exit(code)
