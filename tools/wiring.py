"""python -m tools.wiring: draw docs/wiring-*.svg. What goes where is read from board.toml.

The Pico is drawn to scale, its pins where they are; a module is drawn with its pins in the order
that crosses no wires.
"""

import re
from html import escape

from . import boards

DOCS = boards.ROOT / "docs"

_COLORS = {
    "VCC": "#d03b3b",
    "GND": "#3c4043",
    "INT": "#8a4fbf",
    "RESET": "#d9772b",
    "SI": "#2f6fd0",
    "SCK": "#c79a16",
    "CS": "#2c9a4b",
    "SO": "#1795a5",
}
_ALIAS = {"3.3V": "VCC", "RST": "RESET", "MOSI": "SI", "MISO": "SO"}

_MM = 10  # pixels
_PICO = (70, 62, 21 * _MM, 51 * _MM)  # x, y, width, height
_PITCH = 2.54 * _MM
_MODULE = (500, 196, 200, 348)

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" \
font-family="'DejaVu Sans', Verdana, sans-serif" font-size="13">
<rect width="{w}" height="{h}" rx="12" fill="#fbfbf8"/>
{body}
</svg>
"""


def main():
    """Write the pictures."""
    for name, svg in pictures().items():
        (DOCS / name).write_text(svg)


def pictures():
    """Return {file name in docs/: SVG}."""
    return {
        "wiring-enc28j60.svg": _pico("ENC28J60", wires("ENC28J60_PICO")),
        "wiring-w5500.svg": _pico("W5500", wires("W5500_EVB_PICO")),
        "wiring-nucleo.svg": _nucleo(),
    }


def wires(name):
    """Return {pin of the module: (what the Pico calls its pin, that pin's number)}."""
    text = " ".join(boards.board(name)["wiring"])
    found = re.findall(r"(\w+) to ([\w()]+), pin (\d+)", text)
    if found:
        return {theirs: (ours, int(pin)) for theirs, ours, pin in found}
    # The W5500-EVB-Pico has the pins of a Pico.
    found = re.findall(r"(\d+) (?:is )?([A-Z]+)\b", text)
    power = {"3.3V": ("3V3(OUT)", 36), "GND": ("GND", 23)}
    return power | {theirs: (f"GP{gp}", _pin(int(gp))) for gp, theirs in found}


def _pin(gp):
    """Return the number of the Pico's pin that GPIO 16 to 21 is on."""
    return gp + 5 if gp < 18 else gp + 6


def _pico(chip, table):
    """A Pico, a module and the wires between them."""
    x, y, w, h = _PICO
    ends = sorted(table.items(), key=lambda item: -item[1][1])  # from the top down
    mx, my, mw, mh = _MODULE
    step = (mh - 60) / (len(ends) - 1)
    lines, pads, names = [], [], []
    used = {pin: ours for ours, pin in table.values()}
    for pin in range(1, 41):
        pads.append(_pad(pin, used.get(pin)))
    for i, (theirs, (_, pin)) in enumerate(ends):
        x0, y0 = x + w, _pin_y(pin)
        y1 = my + 30 + i * step
        half = (x0 + mx) / 2
        path = f"M{x0 - 5:g} {y0:g} C{half:g} {y0:g} {half:g} {y1:g} {mx + 9:g} {y1:g}"
        color = _COLORS[_ALIAS.get(theirs, theirs)]
        lines.append(f'<path d="{path}" stroke="#fbfbf8" stroke-width="8" fill="none"/>')
        lines.append(
            f'<path d="{path}" stroke="{color}" stroke-width="4" fill="none" '
            'stroke-linecap="round"/>'
        )
        names.append(_module_pin(mx, y1, theirs))
    note = "Modules differ in the order of their pins: go by the names. Give it 3.3 V, never 5 V."
    body = [
        _pico_board(x, y, w, h),
        *pads,
        _module_board(chip, mx, my, mw, mh),
        *lines,
        *names,
        _text(430, 604, note, "#5f6368", 12, "middle"),
    ]
    return _SVG.format(w=860, h=624, body="\n".join(body))


def _pin_y(pin):
    row = 40 - pin if pin > 20 else pin - 1
    return round(_PICO[1] + 1.37 * _MM + row * _PITCH, 1)


def _pad(pin, name):
    """A pin at the Pico's edge; if it is used, with its name."""
    x, _, w, _ = _PICO
    right = pin > 20
    at = x + w - 11 if right else x + 11
    y = _pin_y(pin)
    pad = f'<rect x="{at - 11:g}" y="{y - 8:g}" width="22" height="16" rx="4" fill="#d9b44a"/>'
    pad += f'<circle cx="{at + (3 if right else -3):g}" cy="{y:g}" r="4.5" fill="#14532d"/>'
    inner = at - 18 if right else at + 18
    anchor = "end" if right else "start"
    number = _text(inner, y + 3.5, pin, "#a7d7b8" if name else "#5fa67c", 10, anchor)
    if not name:
        return pad + number
    return pad + number + _text(inner - 19, y + 4.5, name, "#ffffff", 13, "end", bold=True)


def _pico_board(x, y, w, h):
    cx = x + w / 2
    return "\n".join(
        (
            f'<path d="M{cx:g} {y - 14:g} V18" stroke="#5f6368" stroke-width="9"/>',
            _text(cx + 14, 30, "USB, to the PC", "#5f6368"),
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="#1a7a45"/>',
            f'<rect x="{cx - 40:g}" y="{y - 13}" width="80" height="56" rx="5" fill="#c9ced3" '
            'stroke="#8d949b"/>',
            f'<rect x="{cx - 58:g}" y="{y + 76}" width="28" height="40" rx="4" fill="#e8eaed"/>',
            f'<circle cx="{cx - 44:g}" cy="{y + 96}" r="9" fill="#ffffff" stroke="#9aa0a6"/>',
            f'<rect x="{cx - 35:g}" y="{y + 222}" width="70" height="70" rx="5" fill="#202124"/>',
            _text(cx, y + 262, "RP2040", "#e8eaed", 13, "middle"),
            _text(cx, y + 200, "Pico", "#ffffff", 22, "middle", bold=True),
        )
    )


def _module_board(chip, x, y, w, h):
    jack = y + h / 2 - 75
    return "\n".join(
        (
            f'<path d="M{x + w + 36:g} {jack + 75:g} H852" stroke="#3f7fbf" stroke-width="11"/>',
            _text(852, jack + 58, "to the network", "#5f6368", 13, "end"),
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="#1f5fa8"/>',
            f'<rect x="{x + w - 90:g}" y="{jack:g}" width="126" height="150" rx="5" '
            'fill="#c9ced3" stroke="#8d949b"/>',
            f'<rect x="{x + w + 8:g}" y="{jack + 40:g}" width="28" height="70" rx="3" '
            'fill="#3c4043"/>',
            f'<rect x="{x + 78}" y="{y + 22}" width="78" height="64" rx="5" fill="#202124"/>',
            _text(x + 117, y + 58, chip, "#e8eaed", 12, "middle"),
            _text(x + 120, y + h - 28, "module", "#ffffff", 16, "middle", bold=True),
        )
    )


def _module_pin(x, y, name):
    return (
        f'<circle cx="{x + 14:g}" cy="{y:g}" r="8" fill="#d9b44a"/>'
        f'<circle cx="{x + 14:g}" cy="{y:g}" r="4" fill="#12365f"/>'
        + _text(x + 28, y + 4.5, name, "#ffffff", 13, bold=True)
    )


def _nucleo():
    """Where the cables go: the ST-Link's end and the other one."""
    x, y, w, h = 196, 30, 560, 294
    middle = y + h / 2
    pins = [
        f'<rect x="{x + 190}" y="{at}" width="344" height="20" rx="3" fill="#202124"/>'
        for at in (y + 26, y + h - 46)
    ]
    body = [
        f'<path d="M{x + 10} {middle:g} H30" stroke="#5f6368" stroke-width="9"/>',
        f'<path d="M{x + w} {middle:g} H930" stroke="#3f7fbf" stroke-width="11"/>',
        _text(30, middle - 20, "USB, to the PC:", "#5f6368"),
        _text(30, middle + 30, "power, console,", "#5f6368"),
        _text(30, middle + 48, "make flash", "#5f6368"),
        _text(812, middle - 20, "to the network", "#5f6368"),
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="10" fill="#f4f6f8" '
        'stroke="#b6bcc2" stroke-width="2"/>',
        f'<path d="M{x + 150} {y} V{y + h}" stroke="#b6bcc2" stroke-width="2" '
        'stroke-dasharray="14 9"/>',
        f'<rect x="{x - 10}" y="{middle - 22:g}" width="46" height="44" rx="4" fill="#c9ced3" '
        'stroke="#8d949b"/>',
        _text(x + 46, middle + 6, "CN1", "#202124", 16, bold=True),
        _text(x + 75, y + h - 22, "ST-Link", "#5f6368", 13, "middle"),
        *pins,
        f'<rect x="{x + 262}" y="{middle - 46:g}" width="92" height="92" rx="5" fill="#202124"/>',
        _text(x + 308, middle + 5, "STM32", "#e8eaed", 16, "middle"),
        f'<rect x="{x + w - 98}" y="{middle - 50:g}" width="112" height="100" rx="5" '
        'fill="#c9ced3" stroke="#8d949b"/>',
        f'<rect x="{x + w - 14}" y="{middle - 26:g}" width="28" height="52" rx="3" '
        'fill="#3c4043"/>',
        _text(x + w - 88, middle + 6, "CN14", "#202124", 16, bold=True),
        _text(
            x + w / 2,
            y + h + 34,
            "Nucleo-144, from above; not all that is on it is drawn",
            "#5f6368",
            12,
            "middle",
        ),
    ]
    return _SVG.format(w=960, h=378, body="\n".join(body))


def _text(x, y, text, color, size=13, anchor="start", bold=False):
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{color}" font-size="{size}" text-anchor="{anchor}"'
        f"{weight}>{escape(str(text))}</text>"
    )


if __name__ == "__main__":
    main()
