"""What STOP, START and HELP mean, by language; pure.

A whole message counts, never a word within one: "stop by the shop" is talk. Case, accents, spaces and
punctuation around and between do not matter, as carriers and Twilio read it.
Source: CTIA Messaging Principles 5.1.3; 47 CFR 64.1200(a)(10); French carriers' charter for ARRET.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Literal

Meaning = Literal["stop", "start", "help"]

#: language → words that withdraw consent; all languages are heard, whatever the person speaks
STOP = {
    "en": ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "OPT OUT", "REVOKE"),
    "de": ("STOPP", "ABMELDEN", "ABBESTELLEN"),
    "fr": ("ARRET", "ARRÊT", "DESABONNER"),
    "es": ("BAJA", "ALTO", "DETENER"),
    "it": ("DISISCRIVI", "FERMA"),
    "pt": ("PARAR", "SAIR"),
    "nl": ("AFMELDEN", "STOPPEN"),
    "pl": ("REZYGNUJE",),
}
#: YES is missing on purpose: it answers many questions, and consent must not come by mistake
START = {"en": ("START", "UNSTOP"), "fr": ("REPRENDRE",), "de": ("ANMELDEN",), "es": ("ALTA",)}
HELP = {
    "en": ("HELP", "INFO"),
    "de": ("HILFE",),
    "fr": ("AIDE",),
    "es": ("AYUDA",),
    "it": ("AIUTO",),
    "pt": ("AJUDA",),
}

#: language → how a message says it; GSM-7 letters only, so that the line never moves a text to UCS-2
OPT_OUT_LINES = {
    "en": "Reply {word} to opt out",
    "de": "Abmelden: Antwort {word}",
    "fr": "Répondez {word} pour vous désinscrire",
    "es": "Responda {word} para darse de baja",
    "it": "Rispondi {word} per non ricevere altri SMS",
    "pt": "Responda {word} para cancelar",
    "nl": "Antwoord {word} om te stoppen",
    "pl": "Odpisz {word} aby zrezygnowac",
}
OPT_OUT_LINKS = {"en": "Opt out: {url}", "de": "Abmelden: {url}", "fr": "Se désinscrire : {url}", "es": "Baja: {url}"}


def folded(text: str) -> str:
    """Reduce a message to its bare letters and digits: no case, accents, spaces or punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if char.isalnum())


def _folded(words: dict[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset(folded(word) for those in words.values() for word in those)


_KNOWN: tuple[tuple[Meaning, frozenset[str]], ...] = (
    ("stop", _folded(STOP)),
    ("start", _folded(START)),
    ("help", _folded(HELP)),
)


def meaning(text: str, *, stop: Collection[str] = (), start: Collection[str] = ()) -> Meaning | None:
    """Tell what a whole message asks for; None when it is talk.

    Args:
        stop: further words that withdraw consent; *start*: that grant it. Withdrawing wins.
    """
    said = folded(text)
    if not said:
        return None
    if said in {folded(word) for word in stop}:
        return "stop"
    for told, words in _KNOWN:
        if said in words:
            return told
    return "start" if said in {folded(word) for word in start} else None


def opt_out_line(locale: str, *, word: str = "", url: str = "", text: str = "") -> str:
    """Write how to stop in the language of *locale*, English where we have no line; *text* overrides it."""
    language = locale.replace("_", "-").split("-")[0].lower()
    lines = OPT_OUT_LINKS if url else OPT_OUT_LINES
    return (text or lines.get(language, lines["en"])).replace("{word}", word).replace("{url}", url)
