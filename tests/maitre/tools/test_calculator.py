"""The calculator: exact where people expect it, a sentence where there is no value, and never out of bounds."""

from __future__ import annotations

import pytest

from maitre.errors import ToolFault
from maitre.tools.calculator import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2", "3"),
        ("0.1 + 0.2", "0.3"),
        ("1.10 * 3", "3.3"),
        ("2^10", "1024"),
        ("2**100", "1267650600228229401496703205376"),
        ("-2**2", "-4"),
        ("12.50 × 3 ÷ 5 − 1", "6.5"),
        ("10 / 4", "2.5"),
        ("1/3", "0.333333333333333333333333333333"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 % 3", "1"),
        ("-7 % 3", "2"),
        ("-0.0", "0"),
        ("100 * 1.20", "120"),
        ("10000000", "10000000"),
        ("1e-30", "1E-30"),
        ("round(2.345, 2)", "2.35"),
        ("round(-2.5)", "-3"),
        ("round(1234.5, -2)", "1200"),
        ("sqrt(2)", "1.41421356237309504880168872421"),
        ("2 ** 0.5", "1.41421356237309504880168872421"),
        ("floor(-1.5) + ceil(1.2)", "0"),
        ("max(1, 2, 3) - min(4, 5)", "-1"),
        ("sum(1, 2, 3) * abs(-2)", "12"),
        ("pi", "3.14159265358979323846264338328"),
        ("log10(1000) + ln(e)", "4"),
        ("exp(1000)", "1.97007111401704699388887935224E+434"),
    ],
)
def test_a_value(expression: str, value: str) -> None:
    """Decimal numbers as they are written, to thirty digits."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "no arithmetic"),
        ("1 +", "no arithmetic"),
        ("1; 2", "no arithmetic"),
        ("\0", "no arithmetic"),
        ("\ud800", "no arithmetic"),
        ("x = 1", "no arithmetic"),
        ("(" * 240 + "1" + ")" * 240, "no arithmetic"),
        ("-" * 400 + "1", "too deeply"),
        ("1" * 501, "longer than 500"),
        ("__import__('os')", "Only numbers"),
        ("().__class__", "Only numbers"),
        ("'a' * 9", "Only numbers"),
        ("[1, 2]", "Only numbers"),
        ("lambda: 1", "Only numbers"),
        ("1 if 1 else 2", "Only numbers"),
        ("True + 1", "Only numbers"),
        ("1j", "Only numbers"),
        ("1 < 2", "Only numbers"),
        ("min()", "Only numbers"),
        ("round(1, ndigits=2)", "Only numbers"),
        ("eval(1)", "Only numbers"),
        ("sqrt(1, 2)", "one number"),
        ("9**9**9", "exponent"),
        ("9**999**9", "exponent"),
        ("999**999", "too large"),
        ("1e999999", "too large"),
        ("exp(1e9)", "too large"),
        ("round(pi, 1e9)", "places"),
        ("1/0", "division by zero"),
        ("1//0", "division by zero"),
        ("0/0", "no value"),
        ("0**0", "no value"),
        ("sqrt(-1)", "no value"),
        ("(-8)**(1/3)", "no value"),
        ("ln(0)", "no value"),
        ("0x10", "no value"),
        ("9e2000 * 10", "too large"),
    ],
)
def test_no_value(expression: str, says: str) -> None:
    """Whatever a model writes is a number or a sentence."""
    with pytest.raises(ToolFault, match=says):
        calculate(expression)
