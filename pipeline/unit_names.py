"""Units as tables write them, and their one spelling."""

import re

# Units by the text in brackets or the last word of a column name.
UNITS = {
    "k": "K", "kelvin": "K", "degc": "°C", "celsius": "°C", "°c": "°C", "fahrenheit": "°F",
    "hz": "Hz", "khz": "kHz", "mhz": "MHz", "rpm": "rpm",
    "v": "V", "mv": "mV", "kv": "kV", "volt": "V", "volts": "V",
    "a": "A", "ma": "mA", "ka": "kA", "amp": "A", "amps": "A", "ampere": "A",
    "w": "W", "kw": "kW", "mw": "MW", "watt": "W", "watts": "W", "kwh": "kWh", "wh": "Wh",
    "j": "J", "kj": "kJ", "joule": "J", "joules": "J",
    "ohm": "Ohm", "nm": "Nm", "n": "N", "kn": "kN",
    "bar": "bar", "mbar": "mbar", "pa": "Pa", "kpa": "kPa", "mpa": "MPa", "psi": "psi",
    "mm": "mm", "cm": "cm", "m": "m", "km": "km", "um": "µm", "inch": "in", "miles": "mi",
    "ns": "ns", "us": "µs", "ms": "ms",
    "s": "s", "sec": "s", "secs": "s", "seconds": "s", "min": "min",
    "minutes": "min", "h": "h", "hours": "h", "days": "d",
    "kg": "kg", "g": "g", "mg": "mg", "t": "t", "l": "l", "ml": "ml", "lpm": "l/min",
    "pct": "%", "percent": "%", "%": "%", "deg": "°", "rad": "rad", "db": "dB", "ppm": "ppm",
}  # fmt: skip
# Words that are units in a row of units, and may be anything in a name.
_TIME_UNITS = {
    "second": "s", "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "µs": "µs",
    "usec": "µs", "microsecond": "µs", "microseconds": "µs", "nsec": "ns", "nanoseconds": "ns",
}  # fmt: skip
GREEK_MU = "\u03bc"  # looks as the sign µ


def unit_text(cell: str) -> str:
    """Returns the unit that a cell of a row of units names, or an empty text.

    >>> unit_text("[bar]"), unit_text("degC"), unit_text("m/s"), unit_text("ok")
    ('bar', '°C', 'm/s', '')
    """
    text = cell.strip().strip("[](){}").strip().replace(GREEK_MU, "µ")
    if text.lower() in UNITS | _TIME_UNITS:
        return (UNITS | _TIME_UNITS)[text.lower()]
    is_unit = bool(re.search(r"[/%°µΩ²³^·]", text)) and not re.search(r"\d{2}|\s{2}", text)
    return text if is_unit and len(text) <= 12 else ""


def holds_digits(cell: str) -> bool:
    """Tells whether a cell has digits that are no part of a unit, so that it is a value.

    >>> holds_digits("[m/s2]"), holds_digits("(cm3)"), holds_digits("1/min"), holds_digits("A2")
    (False, False, False, True)
    """
    text = cell.strip()
    bare = text.strip("[](){}").strip()
    is_marked = bare != text or "/" in bare or "^" in bare
    if is_marked and re.fullmatch(r"[A-Za-zµΩ°%·*/ ]+\^?-?[1-4]|1/[A-Za-zµ]+", bare):
        return False
    return any(character.isdigit() for character in text)
