"""Names of months in seven languages, as `%b` reads them."""

import re
import unicodedata

import pyarrow as pa

# Names of months that formats with %b and %B read, besides the English ones: German, French,
# Spanish, Italian, Portuguese and Dutch.
_MONTH_NAMES = {
    "Jan": "january januar jänner jän janvier janv enero ene gennaio gen janeiro januari",
    "Feb": "february februar feber février févr fév febrero febbraio fevereiro fev februari",
    "Mar": "march märz mrz mär mars marzo março maart mrt",
    "Apr": "april avril avr abril abr aprile",
    "May": "mai mayo maggio mag maio mei",
    "Jun": "june juni juin junio giugno giu junho",
    "Jul": "july juli juillet juil julio luglio lug julho",
    "Aug": "august août agosto ago augustus",
    "Sep": "sept september septembre septiembre setiembre settembre set setembro",
    "Oct": "okt october oktober octobre octubre ottobre ott outubro out",
    "Nov": "november novembre noviembre novembro",
    "Dec": "dez december dezember décembre déc diciembre dic dicembre dezembro",
}
_MONTHS = {name: month for month, names in _MONTH_NAMES.items() for name in names.split()}
_WORD = re.compile(r"[^\W\d_]{3,}")
_AFTER_MONTH = re.compile(r"(?<=[^\W\d_]{3})\.(?= |-|/|$)")
_BETWEEN = re.compile(r"(?<=\d)(?:st|nd|rd|th|er)\b|\bde ")  # 1st March, 1er mars, 1 de marzo


def in_english(texts: pa.Array) -> pa.Array:
    """Writes the names of months as `%b` reads them.

    Args:
        texts: Times, with ordinals such as 1st or without.
    """
    written = [
        None
        if text is None
        else _AFTER_MONTH.sub(
            "",
            _WORD.sub(
                lambda match: _MONTHS.get(match[0].lower(), match[0]),
                _BETWEEN.sub("", unicodedata.normalize("NFC", text)),
            ),
        )
        for text in texts.to_pylist()
    ]
    return pa.array(written, pa.string())
