"""Running a parsed template over a value, by the rules and with the error texts of Go."""

from __future__ import annotations

from ligan.cli.tables import Method
from ligan.cli.templates.functions import FunctionError
from ligan.cli.templates.gofmt import default, quote
from ligan.cli.templates.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Identifier,
    Jump,
    Nil,
    Node,
    Pipeline,
    Text,
    Variable,
)
from ligan.cli.templates.values import (
    NIL_POINTER,
    NO_VALUE,
    Int,
    RawList,
    RawMap,
    Row,
    Struct,
    go_type,
    is_true,
    kind,
    to_bytes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import NoReturn

    from ligan.cli.templates.functions import Function

_MISSING = object()  # no value comes down the pipeline
_MAX_INT = (1 << 63) - 1


class ExecutionError(Exception):
    """The template fails on this value: the reason, the template's name and the node at fault."""

    def __init__(self, reason: str, name: str, node: Node | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name
        self.node = node


class Execution:
    """One run of a template over one value; `output` holds what it printed."""

    __slots__ = ("boxed", "functions", "name", "node", "output", "strict", "templates", "variables")

    def __init__(
        self,
        templates: Mapping[str, tuple[Node, ...]],
        functions: Mapping[str, Function],
        value: object,
        *,
        strict: bool,
    ) -> None:
        self.templates = templates
        self.functions = functions
        self.strict = strict
        self.name = ""
        self.node: Node | None = None
        self.output: list[str] = []
        self.variables: list[tuple[str, object, bool]] = [("$", value, False)]
        self.boxed = False  # whether the dot is held in a Go interface, as its errors tell

    def run(self, nodes: Iterable[Node], dot: object) -> str:
        """Print the nodes; return the keyword of the jump that ended them early, if any."""
        for node in nodes:
            if type(node) is Text:
                self.output.append(node.text)
            elif type(node) is Action:
                self._act(node, dot)
            elif type(node) is Branch:
                known = len(self.variables)
                self.node = node
                jump = self._range(node, dot) if node.keyword == "range" else self._choose(node, dot)
                del self.variables[known:]
                if jump:
                    return jump
            elif type(node) is Jump:
                return node.keyword
            elif type(node) is Call:
                self._template(node, dot)
        return ""

    def error(self, reason: str) -> ExecutionError:
        return ExecutionError(reason, self.name, self.node)

    def _act(self, action: Action, dot: object) -> None:
        value = dot.get(action.field, _MISSING) if action.field and type(dot) is Row else _MISSING
        if value is not _MISSING and type(value) is not Method:
            if callable(value):
                value = value()
        else:
            value = self._pipeline(action.pipeline, dot)
            if action.pipeline.targets:
                return
        self.output.append(value if type(value) is str else default(value))

    def _choose(self, node: Branch, dot: object) -> str:
        value = self._pipeline(node.pipeline, dot)
        if not is_true(value):
            return self.run(node.otherwise, dot)
        if node.keyword == "if":
            return self.run(node.body, dot)
        boxed, self.boxed = self.boxed, False
        jump = self.run(node.body, value)
        self.boxed = boxed
        return jump

    def _range(self, node: Branch, dot: object) -> str:
        value = self._pipeline(node.pipeline, dot)
        targets = node.pipeline.targets
        base = len(self.variables)
        boxed, self.boxed = self.boxed, isinstance(value, (RawList, RawMap))
        empty = True
        for index, element in self._elements(node, value):
            empty = False
            if len(targets) > 1:
                self._set(node.pipeline, targets[0], index, False)
            if targets:
                self._set(node.pipeline, targets[-1], element, self.boxed)
            jump = self.run(node.body, element)
            del self.variables[base:]
            if jump == "break":
                break
        self.boxed = boxed
        return self.run(node.otherwise, dot) if empty else ""

    def _elements(self, node: Branch, value: object) -> Iterator[tuple[object, object]]:
        if isinstance(value, list):
            for index, element in enumerate(value):
                yield Int(index), element
        elif isinstance(value, dict) and not isinstance(value, Struct):
            for key in sorted(value, key=to_bytes):
                yield key, value[key]
        elif isinstance(value, int) and kind(value) in ("int", "uint"):
            if len(node.pipeline.targets) > 1:
                raise self.error(f"can't use {default(value)} to iterate over more than one variable")
            for number in range(value):
                yield NO_VALUE, type(value)(number)
        elif kind(value) != "nil":
            raise self.error(f"range can't iterate over {default(value)}")

    def _set(self, pipeline: Pipeline, name: str, value: object, boxed: bool = False) -> None:
        """Declare the variable, or give the innermost one of that name another value."""
        if not pipeline.assigns:
            self.variables.append((name, value, boxed))
            return
        at = len(self.variables) - 1
        while self.variables[at][0] != name:
            at -= 1
            if at < 0:
                raise self.error(f"undefined variable: {name}")
        self.variables[at] = (name, value, boxed)

    def _template(self, node: Call, dot: object) -> None:
        self.node = node
        if node.name not in self.templates:
            raise self.error(f"template {quote(node.name)} not defined")
        value = self._pipeline(node.pipeline, dot) if node.pipeline else NO_VALUE
        outer = self.name, self.variables, self.boxed
        self.name, self.variables, self.boxed = node.name, [("$", value, False)], False
        self.run(self.templates[node.name], value)
        self.name, self.variables, self.boxed = outer

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        self.node = pipeline
        value: object = _MISSING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
            if value is None:
                value = NO_VALUE
        for name in pipeline.targets:
            self._set(pipeline, name, value)
        return value

    def _command(self, command: Command, dot: object, final: object) -> object:
        words = command.words
        first = words[0]
        if isinstance(first, Field):
            return self._field(first, dot, words, final)
        if isinstance(first, Identifier):
            return self._function(first, command, words[1:], dot, final)
        if isinstance(first, Chain):
            return self._chain(first, dot, words, final)
        if isinstance(first, Variable):
            return self._variable(first, words, final)
        if not isinstance(first, Pipeline):
            self.node = first
        self._refuse_arguments(words, final)
        if isinstance(first, Pipeline):
            return self._pipeline(first, dot)
        if isinstance(first, Nil):
            raise self.error("nil is not a command")
        return self._plain(first, dot)

    def _plain(self, node: Node, dot: object) -> object:
        if isinstance(node, Constant):
            if node.overflows:
                raise self.error(f"{node.source} overflows int")
            return node.value
        assert isinstance(node, Dot)
        return dot

    def _refuse_arguments(self, words: tuple[Node, ...], final: object) -> None:
        if len(words) > 1 or final is not _MISSING:
            raise self.error(f"can't give argument to non-function {words[0]}")

    def _field(self, node: Field, dot: object, words: tuple[Node, ...], final: object) -> object:
        self.node = node
        member = dot.get(node.names[0]) if isinstance(dot, dict) and len(node.names) == 1 else None
        if isinstance(member, Method):
            return self._method(member, node, dot, words, final)
        return self._look_up(dot, self.boxed, node.names, words, final)

    def _method(
        self, method: Method, node: Field, dot: object, words: tuple[Node, ...], final: object
    ) -> str:
        given = [*words[1:], *([] if final is _MISSING else [final])]
        if len(given) != 1:
            raise self.error(f"wrong number of args for {node.names[0]}: want 1 got {len(given)}")
        text = (
            self._argument(words[1], "string", dot) if final is _MISSING else self._checked(final, "string")
        )
        return method.call(str(text))

    def _chain(self, node: Chain, dot: object, words: tuple[Node, ...], final: object) -> object:
        self.node = node
        if isinstance(node.term, Nil):
            raise self.error(f"indirection through explicit nil in {node}")
        value = self._argument(node.term, "", dot)
        return self._look_up(value, False, node.names, words, final)

    def _variable(self, node: Variable, words: tuple[Node, ...], final: object) -> object:
        self.node = node
        known = next((variable for variable in reversed(self.variables) if variable[0] == node.name), None)
        if known is None:
            raise self.error(f"undefined variable: {node.name}")
        _name, value, boxed = known
        if not node.names:
            self._refuse_arguments(words, final)
            return value
        return self._look_up(value, boxed, node.names, words, final)

    def _look_up(
        self,
        value: object,
        boxed: bool,
        names: tuple[str, ...],
        words: tuple[Node, ...],
        final: object,
    ) -> object:
        """Return the field at the end of `names`; only the last one may be given arguments."""
        for name in names[:-1]:
            boxed, value = isinstance(value, (RawMap, RawList)), self._member(value, name, boxed, 0)
        arguments = max(len(words) - 1, 0) + (final is not _MISSING)
        return self._member(value, names[-1], boxed, arguments)

    def _member(self, value: object, name: str, boxed: bool, arguments: int) -> object:
        if isinstance(value, Struct):
            if name in value:
                return self._struct_member(value, name, arguments)
        elif isinstance(value, dict):
            if arguments:
                raise self.error(f"{name} is not a method but has arguments")
            if name in value:
                return value[name]
            if self.strict:
                raise self.error(f"map has no entry for key {quote(name)}")
            return NO_VALUE
        elif value is NO_VALUE:
            if self.strict:
                raise self.error(f"nil data; no entry for key {quote(name)}")
            return NO_VALUE
        elif value is None or value is NIL_POINTER:
            raise self.error(
                f"nil pointer evaluating {'interface {}' if value is None else '*struct'}.{name}"
            )
        raise self.error(f"can't evaluate field {name} in type {_static_type(value, boxed)}")

    def _struct_member(self, struct: Struct, name: str, arguments: int) -> object:
        member = struct[name]
        if arguments and (isinstance(struct, Row) or callable(member)):
            raise self.error(f"wrong number of args for {name}: want 0 got {arguments}")
        if arguments:
            raise self.error(f"{name} has arguments but cannot be invoked as function")
        if callable(member):
            return member()
        return NIL_POINTER if member is None else member

    def _function(
        self, node: Identifier, whole: Node, arguments: tuple[Node, ...], dot: object, final: object
    ) -> object:
        self.node = node
        name = node.name
        function = self.functions[name]
        parameters, rest = function.parameters, function.rest
        given = len(arguments) + (final is not _MISSING)
        if rest:
            if given < len(parameters):
                raise self.error(
                    f"wrong number of args for {name}: want at least {len(parameters)} got {len(arguments)}"
                )
        elif given != len(parameters):
            raise self.error(f"wrong number of args for {name}: want {len(parameters)} got {given}")
        if name in ("and", "or"):
            return self._short_circuit(name == "or", arguments, dot, final)
        types = (*parameters, *(rest,) * (given - len(parameters)))
        values = [self._argument(word, want, dot) for word, want in zip(arguments, types, strict=False)]
        if final is not _MISSING:
            values.append(self._checked(final, types[-1]))
        try:
            if name == "call":
                self._refuse_call(arguments, values)
            return function.call(*values)
        except FunctionError as error:
            self.node = whole
            raise self.error(f"error calling {name}: {error}") from None
        except (MemoryError, OverflowError):
            self.node = whole
            raise self.error(f"error calling {name}: runtime error: makeslice: len out of range") from None

    def _short_circuit(self, wanted: bool, arguments: tuple[Node, ...], dot: object, final: object) -> object:
        value: object = NO_VALUE
        for word in arguments:
            value = self._argument(word, "value", dot)
            if is_true(value) == wanted:
                return value
        return value if final is _MISSING else final

    def _refuse_call(self, arguments: tuple[Node, ...], values: list[object]) -> NoReturn:
        if values[0] is None or values[0] is NO_VALUE:
            raise FunctionError("call of nil")
        shown = str(arguments[0]) if arguments else default(values[0])
        raise FunctionError(f"non-function {shown} of type {go_type(values[0])}")

    def _argument(self, node: Node, want: str, dot: object) -> object:
        """Return the value of an argument, which must be of the Go type `want` (any if empty)."""
        self.node = node
        if isinstance(node, Nil):
            if want in ("string", "int"):
                raise self.error(f"cannot assign nil to {want}")
            return NO_VALUE if want == "value" else None
        if isinstance(node, Constant):
            return self._constant_argument(node, want)
        if isinstance(node, Dot):
            return self._checked(dot, want)
        if isinstance(node, Field):
            return self._checked(self._field(node, dot, (), _MISSING), want)
        if isinstance(node, Variable):
            return self._checked(self._variable(node, (), _MISSING), want)
        if isinstance(node, Pipeline):
            return self._checked(self._pipeline(node, dot), want)
        if isinstance(node, Identifier):
            return self._checked(self._function(node, node, (), dot, _MISSING), want)
        assert isinstance(node, Chain)
        return self._checked(self._chain(node, dot, (), _MISSING), want)

    def _constant_argument(self, node: Constant, want: str) -> object:
        value = node.value
        if want == "string" and not isinstance(value, str):
            raise self.error(f"expected string; found {node}")
        if want == "[]string":
            raise self.error(f"can't handle {node} for arg of type []string")
        if want == "int":
            if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_INT:
                value = Int(value)
            if not isinstance(value, int) or isinstance(value, bool):
                raise self.error(f"expected integer; found {node}")
        return self._plain(node, None) if want != "int" else value

    def _checked(self, value: object, want: str) -> object:
        if want == "":
            return value
        if want in ("string", "int", "[]string"):
            if value is NO_VALUE and want != "[]string":
                raise self.error(f"invalid value; expected {want}")
            actual = "interface {}" if value is None else go_type(value)
            if actual != want and value is not NO_VALUE:
                raise self.error(f"wrong type for value; expected {want}; got {actual}")
        return None if value is NO_VALUE and want in ("any", "[]string") else value


def _static_type(value: object, boxed: bool) -> str:
    return "interface {}" if boxed else f"*{go_type(value)}" if isinstance(value, Row) else go_type(value)
