"""The calculator: exact decimal arithmetic over an expression that is parsed, never executed. Pure.

Everything is bounded: the expression's length and depth, the digits of a number and of an exponent.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from maitre.errors import ToolFault
from maitre.tools.tool import Tool

#: Characters of an expression, and how deep its parts may lie in each other.
LONGEST, DEEPEST = 500, 50

#: A power's exponent, and the decimal places of round().
LARGEST_POWER, MOST_PLACES = 1000, 100

_ARITHMETIC = Context(prec=50, Emax=2000, Emin=-2000, traps=[InvalidOperation, DivisionByZero, Overflow])
_SHOWN = Context(prec=30, rounding=ROUND_HALF_UP, Emax=2000, Emin=-2000)

#: Signs that people and models write for those that Python has.
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**"})

TOOL = Tool(
    "calculator",
    "Computes an arithmetic expression exactly. Operators: + - * / // % **, parentheses; functions: sqrt, abs, round,"
    " floor, ceil, min, max, sum, ln, log10, exp; constants: pi, e.",
    {
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "For example (17.5 * 12) / 3"}},
        "required": ["expression"],
        "additionalProperties": False,
    },
)

_CONSTANTS = {
    "pi": Decimal("3.1415926535897932384626433832795028841971693993751"),
    "e": Decimal("2.7182818284590452353602874713526624977572470937000"),
}


def use(arguments: Mapping[str, Any]) -> str:
    """The expression's value. Raises ToolFault."""
    return calculate(str(arguments["expression"]))


def calculate(expression: str) -> str:
    """The value of an expression as a plain number, to 30 digits. Raises ToolFault."""
    if len(expression) > LONGEST:
        raise ToolFault(f"The expression is longer than {LONGEST} characters.")
    written = expression.translate(_SIGNS).strip()
    try:
        parsed = ast.parse(written, mode="eval")
        return _shown(_value(parsed.body, written, 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolFault("This is no arithmetic expression.") from None
    except ZeroDivisionError:  # Decimal's DivisionByZero is one
        raise ToolFault("A division by zero has no value.") from None
    except Overflow:
        raise ToolFault("The number is too large.") from None
    except (DecimalException, ArithmeticError):
        raise ToolFault("This has no value, or one with too many digits.") from None


def _value(node: ast.expr, written: str, depth: int) -> Decimal:
    if depth > DEEPEST:
        raise ToolFault("The expression is nested too deeply.")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            # The written digits, not the nearest binary fraction.
            return _ARITHMETIC.create_decimal(ast.get_source_segment(written, node) or "")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _ARITHMETIC.minus(_value(operand, written, depth + 1))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, written, depth + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            pair = _value(left, written, depth + 1), _value(right, written, depth + 1)
            return _OPERATORS[type(op)](*pair)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and args:
            return _FUNCTIONS[name]([_value(one, written, depth + 1) for one in args])
        case _:
            raise ToolFault("Only numbers, + - * / // % **, parentheses and the named functions are allowed.")


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if abs(exponent) > LARGEST_POWER:
        raise ToolFault(f"An exponent is at most {LARGEST_POWER}.")
    return _ARITHMETIC.power(base, exponent)


def _floor_divided(left: Decimal, right: Decimal) -> Decimal:
    return _floored(_ARITHMETIC.divide(left, right))


def _rest(left: Decimal, right: Decimal) -> Decimal:
    rest = _ARITHMETIC.remainder(left, right)
    return _ARITHMETIC.add(rest, right) if rest and (rest < 0) != (right < 0) else rest  # the divisor's sign


def _floored(value: Decimal) -> Decimal:
    whole = value.to_integral_value(context=_ARITHMETIC)
    return whole if whole <= value else _ARITHMETIC.subtract(whole, Decimal(1))


def _rounded(values: Sequence[Decimal]) -> Decimal:
    value, places = values[0], values[1] if len(values) > 1 else Decimal(0)
    if places != int(places) or abs(places) > MOST_PLACES:
        raise ToolFault(f"A number is rounded to at most {MOST_PLACES} places.")
    if value.adjusted() + places > _ARITHMETIC.prec - 2:
        return value  # it has no digits to lose
    return value.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, _ARITHMETIC)


def _total(values: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _ARITHMETIC.add(total, value)
    return total


def _of_one(function: Callable[[Decimal], Decimal]) -> Callable[[Sequence[Decimal]], Decimal]:
    def of(values: Sequence[Decimal]) -> Decimal:
        if len(values) != 1:
            raise ToolFault("This function takes one number.")
        return function(values[0])

    return of


_OPERATORS: Mapping[type, Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: _ARITHMETIC.add,
    ast.Sub: _ARITHMETIC.subtract,
    ast.Mult: _ARITHMETIC.multiply,
    ast.Div: _ARITHMETIC.divide,
    ast.FloorDiv: _floor_divided,
    ast.Mod: _rest,
    ast.Pow: _power,
}

_FUNCTIONS: Mapping[str, Callable[[Sequence[Decimal]], Decimal]] = {
    "sqrt": _of_one(_ARITHMETIC.sqrt),
    "abs": _of_one(_ARITHMETIC.abs),
    "floor": _of_one(_floored),
    "ceil": _of_one(lambda value: -_floored(-value)),
    "ln": _of_one(_ARITHMETIC.ln),
    "log10": _of_one(_ARITHMETIC.log10),
    "exp": _of_one(_ARITHMETIC.exp),
    "round": _rounded,
    "min": min,
    "max": max,
    "sum": _total,
}


def _shown(value: Decimal) -> str:
    if not value.is_finite():
        raise ToolFault("This has no value.")
    whole = value.adjusted() < _ARITHMETIC.prec and value == value.to_integral_value()
    short = value if whole else _SHOWN.plus(value)
    if not short:
        return "0"
    if whole or -20 <= short.adjusted() < 30:
        text = format(short, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(short.normalize(_SHOWN))
