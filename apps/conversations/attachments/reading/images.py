"""Pictures: drawn anew, so that nothing but the picture itself is kept."""

import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from apps.conversations.attachments.reading.report import (
    BROKEN,
    UNSAFE,
    Options,
    Report,
    Unreadable,
)

MAX_PIXELS = 50_000_000
THUMBNAIL_PIXELS = 512
VISION_PIXELS = 2048
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_PLAIN_MODES = {"RGB", "L"}


def _open(file: BinaryIO) -> tuple[Image.Image, dict[str, object], list[str]]:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
            frames = int(getattr(image, "n_frames", 1))
            image.load()
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise Unreadable(UNSAFE, reason="pixels") from None
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise Unreadable(BROKEN, reason=type(error).__name__) from None
        upright = ImageOps.exif_transpose(image)
    meta: dict[str, object] = {"width": upright.width, "height": upright.height}
    if frames > 1:
        meta["frames"] = frames
    return _plain(upright), meta, ["first_frame_only"] if frames > 1 else []


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in _PLAIN_MODES:
        return image
    if image.mode in {"I;16", "I;16B", "I;16L", "I"}:
        # Pillow would clip 16 bits to white.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB")


def _save(image: Image.Image, folder: Path, stem: str, *, lossless: bool) -> tuple[str, str]:
    # A fresh image: `info` carries EXIF, comments and profiles into what Pillow writes.
    fresh = Image.new(image.mode, image.size)
    fresh.paste(image)
    if lossless or image.mode == "RGBA":
        name, media_type = f"{stem}.png", "image/png"
        fresh.save(folder / name, "PNG")
    else:
        name, media_type = f"{stem}.jpg", "image/jpeg"
        fresh.save(folder / name, "JPEG", quality=92)
    return name, media_type


def clean(file: BinaryIO, folder: Path, options: Options) -> Report:
    """Draw the picture anew in its size, and smaller for models where it is large.

    EXIF, GPS, comments and thumbnails inside the file are gone, its orientation is applied.

    Raises:
        Unreadable: It is broken or has absurdly many pixels.
    """
    image, meta, notes = _open(file)
    lossless = options.media_type in {"image/png", "image/gif", "image/bmp"}
    files = {"content": _save(image, folder, "content", lossless=lossless)}
    if max(image.size) > VISION_PIXELS:
        small = image.copy()
        small.thumbnail((VISION_PIXELS, VISION_PIXELS), Image.Resampling.LANCZOS)
        files["vision"] = _save(small, folder, "vision", lossless=False)
    return Report(media_type=files["content"][1], meta=meta, notes=notes, files=files)


def thumbnail(file: BinaryIO, folder: Path, options: Options) -> Report:
    """Draw the picture small.

    Raises:
        Unreadable: It is broken or has absurdly many pixels.
    """
    del options  # a thumbnail is a thumbnail
    image, _meta, _notes = _open(file)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
    fresh = Image.new(image.mode, image.size)
    fresh.paste(image)
    fresh.save(folder / "thumbnail.webp", "WEBP", quality=80)
    return Report(files={"thumbnail": ("thumbnail.webp", "image/webp")})
