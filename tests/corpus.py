"""Files of every sort, made in code: good ones, broken ones, evil ones."""

import io
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable, Mapping

import docx
import openpyxl
import pypdf
from PIL import ExifTags, Image
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def pdf(*pages: str, password: str = "", owner_password: str = "") -> bytes:
    """A PDF with one line of text a page."""
    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(width=300, height=300)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
    if password or owner_password:
        writer.encrypt(
            user_password=password, owner_password=owner_password or None, algorithm="AES-256"
        )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def word(*paragraphs: str, table: tuple[tuple[str, ...], ...] = ()) -> bytes:
    """A DOCX with paragraphs and one table behind them."""
    document = docx.Document()
    document.add_heading("A heading", level=2)
    for text in paragraphs:
        document.add_paragraph(text)
    if table:
        grid = document.add_table(rows=len(table), cols=len(table[0]))
        for row, values in zip(grid.rows, table, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def excel(sheets: Mapping[str, list[list[object]]]) -> bytes:
    """An XLSX with the given rows in each sheet."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def picture(
    width: int = 40,
    height: int = 20,
    *,
    kind: str = "JPEG",
    gps: bool = False,
    turned: bool = False,
) -> bytes:
    """A picture, red on its left and blue on its right; with camera data if asked for."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    exif = Image.Exif()
    if turned:
        exif[ExifTags.Base.Orientation] = 6
    if gps:
        exif[ExifTags.Base.Model] = "SecretCam 3000"
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    out = io.BytesIO()
    image.save(out, kind, exif=exif)
    return out.getvalue()


def giant_picture() -> bytes:
    """A PNG of a few kilobytes that claims to have 900 million pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack("!I", len(body)) + name + body + struct.pack("!I", crc)

    header = struct.pack("!IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        PNG_MAGIC
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def sound(seconds: float = 0.5) -> bytes:
    """A silent WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(b"\0\0" * int(8000 * seconds))
    return out.getvalue()


def archive(members: Mapping[str, bytes]) -> bytes:
    """A ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, body in members.items():
            target.writestr(name, body)
    return out.getvalue()


def bomb(mebibytes: int = 100) -> bytes:
    """A ZIP whose one member is a thousand times its size."""
    return archive({"zeros.txt": b"\0" * (mebibytes * 2**20)})


def nested(depth: int) -> bytes:
    """A ZIP in a ZIP, so many times."""
    inner = archive({"leaf.txt": b"leaf"})
    for _level in range(depth):
        inner = archive({"inner.zip": inner})
    return inner


def encrypted_archive() -> bytes:
    """A ZIP whose member is marked as encrypted, in both of its headers."""
    data = bytearray(archive({"secret.txt": b"secret"}))
    data[6] |= 1
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    return bytes(data)


WINDOWS_PROGRAM = b"MZ\x90\x00" + b"\0" * 200
LINUX_PROGRAM = b"\x7fELF\x02\x01\x01" + b"\0" * 200

# name → (bytes, media type, kind, a piece of the text that is read)
READABLE: Mapping[str, tuple[Callable[[], bytes], str, str, str]] = {
    "notes.txt": (lambda: b"first line\r\nsecond line", "text/plain", "text", "second line"),
    "latin.txt": (lambda: "Grüße à tous".encode("latin-1"), "text/plain", "text", "Grüße"),
    "wide.txt": (lambda: "Grüße, 世界".encode("utf-16"), "text/plain", "text", "世界"),
    "bare-wide.txt": (
        lambda: ("plain words " * 20).encode("utf-16-le"), "text/plain", "text", "plain words",
    ),
    "marked.txt": ("\ufeffmarked".encode, "text/plain", "text", "marked"),
    "read.md": (lambda: b"# Title\n\ntext", "text/markdown", "text", "# Title"),
    "code.py": (lambda: b"def f():\n    return 1\n", "text/plain", "text", "return 1"),
    "data.json": (lambda: b'{"answer": 42}', "application/json", "text", "42"),
    "data.xml": (lambda: b"<?xml version='1.0'?><a>in it</a>", "application/xml", "text", "in it"),
    "page.html": (
        lambda: b"<!doctype html><html><head><title>T</title><style>p{}</style></head>"
        b"<body><p>Shown &amp; told</p><script>steal()</script></body></html>",
        "text/html", "document", "Shown & told",
    ),
    "table.csv": (lambda: b"name;age\nAnn;31\nBea;27\n", "text/csv", "table", "Ann,31"),
    "table.tsv": (
        lambda: b"name\tage\nAnn\t31\n", "text/tab-separated-values", "table", "Ann,31",
    ),
    "two.pdf": (lambda: pdf("Alpha", "Beta"), "application/pdf", "document", "[Page 2]\nBeta"),
    "owned.pdf": (
        lambda: pdf("Readable", owner_password="x"), "application/pdf", "document", "Readable",
    ),
    "letter.docx": (
        lambda: word("Dear reader", table=(("a", "b"), ("c", "d"))),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "document", "Dear reader\na | b\nc | d",
    ),
    "book.xlsx": (
        lambda: excel({"Sales": [["month", "sum"], ["May", 12.5]], "Empty": []}),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "table", "## Sales\nmonth\tsum\nMay\t12.5",
    ),
    "pack.zip": (
        lambda: archive({"a/one.txt": b"1", "two.txt": b"22"}),
        "application/zip", "archive", "two.txt\t2 bytes",
    ),
}  # fmt: skip
