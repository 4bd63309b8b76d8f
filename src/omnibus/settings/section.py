"""What all sections have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from omnibus.model.duration import read_duration

Duration = Annotated[timedelta, BeforeValidator(read_duration)]


class Section(BaseModel):
    """Be the base of all sections: unknown keys are refused, values stay out of errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)
