"""Draw the picture of the example shop's product; run it again to change it: ``python examples/shop/images/draw.py``."""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 1080  # pixels; square, which every channel of ours takes
SMOOTH = 2  # drawn larger and scaled down, for soft edges

SKY, WATER, WOOD, PLANK = "#f6e7cf", "#8fb7b3", "#a9784f", "#8a5f3c"
ENAMEL, SHADE, RIM, INSIDE, TEA = "#0b5d4e", "#084438", "#f4efe6", "#dcd3c4", "#6e3b1c"


def mug() -> Image.Image:
    """Draw a green enamel mug on a wooden quay."""
    picture = Image.new("RGB", (SIZE * SMOOTH, SIZE * SMOOTH), SKY)
    draw = ImageDraw.Draw(picture)

    def box(*edges: float) -> list[float]:
        return [edge * SMOOTH for edge in edges]

    draw.rectangle(box(0, 430, 1080, 720), fill=WATER)
    draw.ellipse(box(790, 110, 960, 280), fill="#f2b56b")
    draw.rectangle(box(0, 700, 1080, 1080), fill=WOOD)
    for y in (780, 880, 990):
        draw.line(box(0, y, 1080, y), fill=PLANK, width=8 * SMOOTH)
    draw.ellipse(box(290, 850, 800, 930), fill=PLANK)
    draw.arc(box(570, 430, 890, 740), 270, 450, fill=SHADE, width=52 * SMOOTH)
    draw.rectangle(box(310, 330, 740, 850), fill=ENAMEL)
    draw.ellipse(box(310, 790, 740, 900), fill=ENAMEL)
    draw.rectangle(box(640, 345, 740, 850), fill=SHADE)
    draw.pieslice(box(540, 790, 740, 900), 270, 450, fill=SHADE)
    draw.ellipse(box(296, 270, 754, 390), fill=RIM)
    draw.ellipse(box(320, 288, 730, 374), fill=INSIDE)
    draw.ellipse(box(340, 312, 710, 372), fill=TEA)
    for x in (430, 520, 610):
        draw.arc(box(x, 110, x + 60, 190), 90, 270, fill=RIM, width=9 * SMOOTH)
        draw.arc(box(x, 182, x + 60, 262), 270, 450, fill=RIM, width=9 * SMOOTH)
    return picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    mug().quantize(48, dither=Image.Dither.NONE).save(Path(__file__).with_name("harbour-mug.png"), optimize=True)
