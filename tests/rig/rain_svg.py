#!/usr/bin/python3
"""rain_svg.py VIEW.json [GAUGE] >rain.svg: the rain curve of a gauge, drawn from the gateway's own GET /api/v1/rain.

Bars are 5-min amounts, the line is the sum since the curve begins; below stand the sums against their thresholds."""
import json
import sys
from datetime import datetime
from html import escape

WIDTH, LEFT, RIGHT = 960, 60, 60
CURVE_TOP, CURVE_HEIGHT = 96, 260
ROW_HEIGHT = 30
COLOURS = {"heavy": "#5b8c5a", "moderate": "#5b8c5a", "rainstorm": "#5b8c5a", "blue": "#1f6feb", "yellow": "#d4a106",
           "orange": "#e8710a", "red": "#d1242f", "prepare": "#8250df", "move-now": "#a40e26"}
WORDS = {"heavy": "大雨", "moderate": "中雨", "rainstorm": "暴雨", "blue": "暴雨蓝色标准", "yellow": "暴雨黄色标准",
         "orange": "暴雨橙色标准", "red": "暴雨红色标准", "prepare": "准备转移", "move-now": "立即转移"}
SUMS = {1: "1h", 3: "3h", 6: "6h", 12: "12h", 24: "24h"}
FONT = "font-family=\"'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei',sans-serif\""


def text(x, y, words, size=13, fill="#1f2328", anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def nice(most):
    """The next round number above, for an axis."""
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if most <= step:
            return float(step)
    return most


def draw(view, gauge):
    """An SVG as text."""
    first = next((n for n, point in enumerate(gauge["curve"]) if point["mm"] > 0), 0)
    curve = gauge["curve"][max(0, first - 6):]
    curve = curve if len(curve) >= 36 else gauge["curve"][-36:]
    total, sums = 0.0, []
    for point in curve:
        total += point["mm"]
        sums.append(total)
    most_bar, most_sum = nice(max(point["mm"] for point in curve)), nice(max(total, 1))
    wide = (WIDTH - LEFT - RIGHT) / len(curve)
    bottom = CURVE_TOP + CURVE_HEIGHT
    rows = [row for row in view["thresholds"] if row["window_h"] in SUMS]
    height = bottom + 70 + ROW_HEIGHT * len(rows) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" {FONT}>',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           text(LEFT, 34, f'{gauge["name"]}　降雨过程线 Rain curve', 20, weight="bold"),
           text(LEFT, 58, f'24小时 {gauge["sums_mm"]["24h"]:.1f} 毫米（{gauge["grade_24h"]["zh"]}），12小时 '
                          f'{gauge["sums_mm"]["12h"]:.1f} 毫米（{gauge["grade_12h"]["zh"]}）　'
                          f'24 h {gauge["sums_mm"]["24h"]:.1f} mm ({gauge["grade_24h"]["en"]})'),
           text(LEFT, 80, f'截至 {view["at"][:16].replace("T", " ")}　等级按 GB/T 28592-2012；预警信号以气象部门发布为准', 12, "#57606a")]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = bottom - CURVE_HEIGHT * share
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d8dee4"/>')
        out.append(text(LEFT - 6, y + 4, f"{most_bar * share:g}", 11, "#0969da", "end"))
        out.append(text(WIDTH - RIGHT + 6, y + 4, f"{most_sum * share:g}", 11, "#cf222e"))
    out.append(text(LEFT - 6, CURVE_TOP - 8, "5分钟 mm", 11, "#0969da", "end"))
    out.append(text(WIDTH - RIGHT + 6, CURVE_TOP - 8, "累计 mm", 11, "#cf222e"))
    line = []
    for n, (point, so_far) in enumerate(zip(curve, sums)):
        x = LEFT + wide * n
        tall = CURVE_HEIGHT * point["mm"] / most_bar
        if point["mm"] > 0:
            out.append(f'<rect x="{x:.1f}" y="{bottom - tall:.1f}" width="{max(wide - 1, 1):.1f}" height="{tall:.1f}" fill="#54aeff"/>')
        line.append(f'{x + wide:.1f},{bottom - CURVE_HEIGHT * so_far / most_sum:.1f}')
        at = datetime.fromisoformat(point["at"])
        if at.minute == 0 and (len(curve) <= 60 or at.hour % 3 == 0):
            out.append(text(x + wide, bottom + 18, at.strftime("%H:%M"), 11, "#57606a", "middle"))
    out.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="#cf222e" stroke-width="2"/>')
    y = bottom + 52
    out.append(text(LEFT, y, "观测雨量与阈值 Observed amounts and thresholds", 14, weight="bold"))
    scale = (WIDTH - LEFT - RIGHT - 330) / max([row["mm"] for row in rows] + [gauge["sums_mm"]["24h"], 1])
    for row in rows:
        y += ROW_HEIGHT
        fell, colour = gauge["sums_mm"][SUMS[row["window_h"]]], COLOURS.get(row["name"], "#57606a")
        met = fell >= row["mm"]
        out.append(text(LEFT, y, f'{WORDS.get(row["name"], row["name"])}　{row["window_h"]:g} 小时 ≥ {row["mm"]:g} 毫米', 13,
                        colour if met else "#57606a", weight="bold" if met else "normal"))
        x = LEFT + 250
        out.append(f'<rect x="{x}" y="{y - 12}" width="{scale * fell:.1f}" height="14" fill="{colour}" opacity="{1 if met else 0.35}"/>')
        mark = x + scale * row["mm"]
        out.append(f'<line x1="{mark:.1f}" y1="{y - 16}" x2="{mark:.1f}" y2="{y + 6}" stroke="#1f2328" stroke-width="2"/>')
        out.append(text(max(mark, x + scale * fell) + 8, y, f'{fell:.1f} mm{"　达到 met" if met else ""}', 12))
    return "\n".join(out + ["</svg>", ""])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        view = json.load(file)
    gauges = [gauge for gauge in view["gauges"] if gauge["curve"]]
    wanted = [gauge for gauge in gauges if len(sys.argv) < 3 or gauge["id"] == sys.argv[2]]
    if not wanted:
        sys.exit(f"no rain gauge {sys.argv[2:]}; there are {[gauge['id'] for gauge in gauges]}")
    sys.stdout.reconfigure(encoding="utf-8")
    print(draw(view, wanted[0]), end="")


if __name__ == "__main__":
    main()
