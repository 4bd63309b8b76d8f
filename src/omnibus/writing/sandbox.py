"""What a template can reach: data, and nothing that acts. Plain dicts and lists, which nearly all data are, go first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from omnibus.settings.words import suggest
from omnibus.writing.values import clean

LIMIT = 65_536  # characters of one rendered text
TOP = "top:"  # before a name that is missing on top level
STATE = "slots of this rendering"  # no template can name it

Form = Literal["plain", "skeleton"]


class TemplateMistake(Exception):
    """Say what is wrong in a template; *line* counts from 1 within it, None where it has none."""

    def __init__(self, what: str, *, line: int | None = None, fix: str = "") -> None:
        self.what, self.line, self.fix = what, line, fix
        super().__init__(what)


class Slots:
    """Take the values of one rendering, and see to it that the text stays bounded."""

    __slots__ = ("form", "size", "values")

    def __init__(self, form: Form) -> None:
        self.form, self.size = form, 0
        self.values: list[str] = []

    def grow(self, by: int) -> None:
        """Count characters.

        Raises:
            TemplateMistake: the text grows too long.
        """
        self.size += by
        if self.size > LIMIT:
            raise TemplateMistake(f"the text is longer than {LIMIT} characters", fix="shorten it")


class Names(Context):
    """Hold the names of one draft for all its texts, without what Jinja prepares for blocks, imports and exports.

    Args:
        parent: the names, or another's names with the slots beside them, as Jinja's own ``generate`` gives them.
    """

    slots: Slots

    def __init__(
        self, environment: Any, parent: dict[str, Any], name: str | None = None, blocks: Any = None, globals: Any = None
    ) -> None:  # fmt: skip
        self.environment, self.parent, self.name = environment, parent, name
        self.vars, self.exported_vars, self.blocks, self.globals_keys = {}, set(), {}, set()
        self.eval_ctx = environment.evaluation
        if STATE in parent:
            self.slots = parent[STATE]

    def afresh(self, form: Form) -> Slots:
        """Forget what a text before has set, and give the slots of the next one."""
        if self.vars:
            self.vars.clear()
        self.slots = Slots(form)
        return self.slots


class Missing(StrictUndefined):
    """Name what is missing in words; raised wherever it is used."""

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if owner is missing:
            return f"`{name}` is missing\0{TOP}{name}"
        if not isinstance(owner, Mapping):
            return f"`{name}` is missing" if isinstance(name, str) else f"entry {name} is missing"
        return f"`{name}` is missing\0{suggest(str(name), map(str, owner))}"


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """Reach data only: keys of mappings, places of lists, the loop; never attributes of objects, never a call."""

    context_class = Names
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=Missing, finalize=finalize, lstrip_blocks=True)
        self.globals.clear()
        self.evaluation = EvalContext(self)  # one for all: nothing here turns escaping on or off

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Take a key, so that ``cart.items`` is the data's and not the dict's."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return str(obj)  # raises, naming what is missing first
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Take a key or a place."""
        if type(obj) is list and type(argument) is int and 0 <= argument < len(obj):
            return obj[argument]
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, Sequence) and isinstance(argument, slice):
            return obj[argument]
        if isinstance(obj, Sequence) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        if isinstance(obj, Undefined):
            return str(obj)
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """Refuse every call."""
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse powers, and texts made long by multiplication."""
        if operator == "**" or isinstance(left, Sequence) or isinstance(right, Sequence):
            raise SecurityError(f"`{operator}` is not allowed here")
        return super().call_binop(context, operator, left, right)


@pass_context
def finalize(context: Names, value: Any) -> str:
    """Turn every ``{{ … }}`` into a clean text, or into the slot that will hold it."""
    text, slots = clean(value if type(value) is str else shown(value)), context.slots
    if slots.form == "plain" or not text:
        return text
    slots.grow(len(text))
    slots.values.append(text)
    return f"\ue000{len(slots.values) - 1}\ue001"


def shown(value: Any) -> str:
    """Write a value that is no text.

    Raises:
        TemplateMistake: it is neither text nor number.
    """
    if isinstance(value, Undefined):
        return str(value)  # raises
    if value is None:
        raise TemplateMistake("a value is empty", fix='give one, or write {{ … | default("…", true) }}')
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = "a table or list" if isinstance(value, Mapping | Sequence) else "no text or number"
        raise TemplateMistake(f"a value is {what}", fix="name one of its fields, or join it")
    return str(value)
