"""Parsing a template, by the rules and with the error texts of Go's text/template."""

from __future__ import annotations

from ligan.cli.templates.gofmt import quote
from ligan.cli.templates.lexer import Lexer, Token
from ligan.cli.templates.literals import LiteralError, number, unquote
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
    Mark,
    Nil,
    Node,
    Pipeline,
    Text,
    Variable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

_OPERANDS = frozenset(
    (
        "bool",
        "char constant",
        "dot",
        "field",
        "identifier",
        "number",
        "nil",
        "raw string",
        "string",
        "variable",
        "(",
    )
)


class ParseError(Exception):
    """The text is no template: the message, and the line where reading it stopped."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Parser:
    """Reads one text; `templates` then holds the trees of all names, that of the text being ""."""

    def __init__(self, text: str, functions: Container[str]) -> None:
        self.tokens = Lexer(text).tokenize()
        self.functions = functions
        self.next = 0
        self.furthest = 0
        self.variables = ["$"]
        self.ranges = 0
        self.action_line = 0
        self.templates: dict[str, tuple[Node, ...]] = {}

    def parse(self) -> dict[str, tuple[Node, ...]]:
        """Return the trees by name. Raises ParseError."""
        nodes: list[Node] = []
        while self._peek().type != "eof":
            here = self.next
            if self._take().type == "left" and self._take_word().type == "define":
                self._definition()
                continue
            self.next = here
            node = self._text_or_action()
            if isinstance(node, Mark):
                raise self._error(f"unexpected {node}")
            nodes.append(node)
        self._add("", tuple(nodes))
        return self.templates

    def _add(self, name: str, tree: tuple[Node, ...]) -> None:
        if _is_empty(self.templates.get(name, ())):
            self.templates[name] = tree
        elif not _is_empty(tree):
            raise self._error(f"template: multiple definition of template {quote(name)}")

    def _peek(self) -> Token:
        self.furthest = max(self.furthest, self.next)
        return self.tokens[self.next]

    def _take(self) -> Token:
        token = self._peek()
        self.next = min(self.next + 1, len(self.tokens) - 1)
        return token

    def _peek_word(self) -> Token:
        """Return the next token that is no space; the spaces are then behind."""
        while self._peek().type == "space":
            self.next += 1
        return self._peek()

    def _take_word(self) -> Token:
        self._peek_word()
        return self._take()

    def _expect(self, token_type: str, context: str) -> Token:
        token = self._take_word()
        if token.type != token_type:
            raise self._unexpected(token, context)
        return token

    def _error(self, message: str) -> ParseError:
        return ParseError(message, self.tokens[self.furthest].line)

    def _unexpected(self, token: Token, context: str) -> ParseError:
        if token.type != "error":
            return self._error(f"unexpected {token} in {context}")
        if self.action_line in (0, token.line):
            return self._error(token.text)
        started = f" started at :{self.action_line}"
        return self._error(
            token.text + (started if token.text.endswith(" action") else " in action" + started)
        )

    def _definition(self) -> None:
        context = "define clause"
        name = self._name(self._take_word(), context)
        self._expect("right", context)
        outer, self.variables = self.variables, ["$"]
        outer_ranges, self.ranges = self.ranges, 0
        body, end = self._list()
        if end.keyword != "end":
            raise self._error(f"unexpected {end} in {context}")
        self.variables, self.ranges = outer, outer_ranges
        self._add(name, body)

    def _name(self, token: Token, context: str) -> str:
        if token.type not in ("string", "raw string"):
            raise self._unexpected(token, context)
        return self._unquote(token)

    def _unquote(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except LiteralError as error:
            raise self._error(str(error)) from None

    def _list(self) -> tuple[tuple[Node, ...], Mark]:
        """Take nodes up to and with the `end` or `else` that belongs to none of them."""
        nodes: list[Node] = []
        while self._peek_word().type != "eof":
            node = self._text_or_action()
            if isinstance(node, Mark):
                return tuple(nodes), node
            nodes.append(node)
        raise self._error("unexpected EOF")

    def _text_or_action(self) -> Node:
        token = self._take_word()
        if token.type == "text":
            return Text(token.start, token.text)
        if token.type != "left":
            raise self._unexpected(token, "input")
        self.action_line = token.line
        node = self._action()
        self.action_line = 0
        return node

    def _action(self) -> Node:
        token = self._peek_word()
        keyword = token.type
        if keyword in ("if", "range", "with"):
            self._take()
            return self._branch(token)
        if keyword in ("break", "continue"):
            self._take()
            return self._jump(token)
        if keyword == "template":
            self._take()
            return self._call()
        if keyword == "block":
            self._take()
            return self._block()
        if keyword == "end":
            self._take()
            return Mark(self._expect("right", "end").start, "end")
        if keyword == "else":
            self._take()
            if self._peek_word().type not in ("if", "with"):
                self._expect("right", "else")
            return Mark(token.start, "else")
        pipeline = self._pipeline("command", "right")
        return Action(token.start, pipeline, _lone_field(pipeline))

    def _jump(self, keyword: Token) -> Node:
        token = self._take_word()
        if token.type != "right":
            raise self._unexpected(token, f"{{{{{keyword.text}}}}}")
        if not self.ranges:
            raise self._error(f"{{{{{keyword.text}}}}} outside {{{{range}}}}")
        return Jump(keyword.start, keyword.text)

    def _branch(self, keyword: Token) -> Branch:
        known = len(self.variables)
        pipeline = self._pipeline(keyword.text, "right")
        self.ranges += keyword.text == "range"
        body, mark = self._list()
        self.ranges -= keyword.text == "range"
        otherwise: tuple[Node, ...] = ()
        if mark.keyword == "else":
            following = self._peek()
            if following.type == keyword.type and keyword.text in ("if", "with"):
                self._take()
                otherwise = (self._branch(following),)
            else:
                otherwise, mark = self._list()
                if mark.keyword != "end":
                    raise self._error(f"expected end; found {mark}")
        del self.variables[known:]
        return Branch(keyword.start, keyword.text, pipeline, body, otherwise)

    def _call(self) -> Call:
        token = self._take_word()
        name = self._name(token, "template clause")
        pipeline = None
        if self._peek_word().type == "right":
            self._take()
        else:
            pipeline = self._pipeline("template clause", "right")
        return Call(token.start, name, pipeline)

    def _block(self) -> Call:
        context = "block clause"
        token = self._take_word()
        name = self._name(token, context)
        pipeline = self._pipeline(context, "right")
        outer, self.variables = self.variables, ["$"]
        outer_ranges, self.ranges = self.ranges, 0
        body, end = self._list()
        if end.keyword != "end":
            raise self._error(f"unexpected {end} in {context}")
        self.variables, self.ranges = outer, outer_ranges
        self._add(name, body)
        return Call(token.start, name, pipeline)

    def _pipeline(self, context: str, end: str) -> Pipeline:
        start = self._peek_word().start
        targets, assigns = self._targets(context)
        commands: list[Command] = []
        while (token := self._peek_word()).type != end:
            if token.type not in _OPERANDS:
                self._take()
                raise self._unexpected(token, context)
            commands.append(self._command())
        self._take()
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.words[0], (Constant, Dot, Nil)):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return Pipeline(start, tuple(commands), tuple(targets), assigns)

    def _targets(self, context: str) -> tuple[list[str], bool]:
        """Take the variables before `:=` or `=`, if there are any."""
        targets: list[str] = []
        while self._peek_word().type == "variable":
            here = self.next
            variable = self._take()
            following = self._peek_word()
            if following.type in ("assign", "declare"):
                self._take()
                targets.append(variable.text)
                self.variables.append(variable.text)
                return targets, following.type == "assign"
            if (following.type, following.text) != ("char", ","):
                self.next = here
                break
            self._take()
            targets.append(variable.text)
            self.variables.append(variable.text)
            if context != "range" or len(targets) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_word().type not in ("variable", "right", ")"):
                raise self._error("range can only initialize variables")
        return targets, False

    def _command(self) -> Command:
        start = self._peek_word().start
        words: list[Node] = []
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                words.append(operand)
            token = self._peek()
            if token.type == "space":
                continue
            if token.type in ("pipe", "right", ")"):
                break
            self._take()
            raise self._unexpected(token, "operand")
        if token.type == "pipe":
            self._take()
        if not words:
            raise self._error("empty command")
        return Command(start, tuple(words))

    def _operand(self) -> Node | None:
        term = self._term()
        following = self._peek()
        if term is None or following.type != "field":
            return term
        names: list[str] = []
        while self._peek().type == "field":
            names.append(self._take().text[1:])
        if isinstance(term, Field):
            return Field(following.start, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(following.start, term.name, tuple(names))
        if isinstance(term, (Constant, Nil, Dot)):
            raise self._error(f"unexpected . after term {quote(str(term))}")
        return Chain(following.start, term, tuple(names))

    def _term(self) -> Node | None:
        token = self._peek_word()
        if token.type not in _OPERANDS:
            return None
        self._take()
        start, text = token.start, token.text
        if token.type == "field":
            return Field(start, (text[1:],))
        if token.type == "identifier":
            if text not in self.functions:
                raise self._error(f"function {quote(text)} not defined")
            return Identifier(start, text)
        if token.type == "variable":
            if text not in self.variables:
                raise self._error(f"undefined variable {quote(text)}")
            return Variable(start, text)
        if token.type == "dot":
            return Dot(start)
        if token.type == "nil":
            return Nil(start)
        if token.type == "(":
            return self._pipeline("parenthesized pipeline", ")")
        return self._constant(token)

    def _constant(self, token: Token) -> Constant:
        if token.type == "bool":
            return Constant(token.start, token.text, token.text == "true")
        if token.type in ("string", "raw string"):
            return Constant(token.start, token.text, self._unquote(token))
        try:
            value = number(token.text)
        except LiteralError as error:
            raise self._error(str(error)) from None
        return Constant(token.start, token.text, value, isinstance(value, int) and value >= 1 << 63)


def _is_empty(tree: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in tree)


def _lone_field(pipeline: Pipeline) -> str:
    words = pipeline.commands[0].words
    if len(pipeline.commands) == len(words) == 1 and not pipeline.targets:
        word = words[0]
        if isinstance(word, Field) and len(word.names) == 1:
            return word.names[0]
    return ""
