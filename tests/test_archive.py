import io
import zipfile
from collections.abc import Mapping
from xml.parsers import expat

import pytest

from dispatch_model.archive import MOST_PARTS, MOST_UNPACKED, Archive, is_workbook
from dispatch_model.errors import DispatchError, ErrorKind

CORE = {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


def pack(parts: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return file.getvalue()


def refused(content: bytes) -> str:
    with pytest.raises(DispatchError) as caught:
        Archive(content, "a.xlsx", ErrorKind.INVALID_RULES)
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("a.xlsx：")
    return caught.value.message


def test_a_file_is_known_by_its_first_bytes() -> None:
    assert is_workbook(pack(CORE))
    assert is_workbook(OLE)
    assert not is_workbook(b"id,matter\n")
    assert not is_workbook(b"")


def test_a_plain_workbook_opens() -> None:
    archive = Archive(pack(CORE), "a.xlsx", ErrorKind.INVALID_RULES)
    assert "xl/workbook.xml" in archive
    assert "xl/styles.xml" not in archive


def test_an_old_and_an_encrypted_workbook_are_told_apart() -> None:
    assert "旧版 .xls 文件，请在表格软件中另存为" in refused(OLE)
    assert "加了密码" in refused(OLE + "EncryptedPackage".encode("utf-16-le"))


@pytest.mark.parametrize("cut", [40, -30])
def test_a_broken_zip(cut: int) -> None:
    assert "文件已损坏" in refused(pack(CORE)[:cut])


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("xl/vbaProject.bin", "带有宏"),
        ("xl/VBAPROJECT.BIN", "带有宏"),
        ("xl/macrosheets/sheet1.xml", "带有宏"),
        ("xl/workbook.bin", "二进制工作簿"),
        ("xl/externalLinks/externalLink1.xml", "引用了外部文件"),
        ("xl/connections.xml", "数据源"),
    ],
)
def test_macros_and_links_are_refused_by_name(part: str, told: str) -> None:
    assert told in refused(pack(CORE | {part: "x"}))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("word/document.xml", "而是Word 文档"),
        ("content.xml", "而是OpenDocument 表格"),
        ("a.txt", "不是 Excel 工作簿；"),
    ],
)
def test_a_zip_of_another_kind(part: str, told: str) -> None:
    assert told in refused(pack({"[Content_Types].xml": "<Types/>", part: "x"}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack(CORE | {f"xl/media/{number}": bytes(MOST_UNPACKED // 4) for number in range(5)})
    packed = pack(CORE | {"xl/worksheets/sheet1.xml": bytes(8 * 2**20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    assert "解压后有 80 MiB，最多 64 MiB" in refused(bomb)
    assert "可能是压缩炸弹" in refused(packed)


def test_a_part_that_lies_about_its_size_is_not_unpacked_beyond_it() -> None:
    content = bytearray(pack(CORE | {"xl/styles.xml": b"<a>" + b" " * 2**22 + b"</a>"}))
    size = (2**22 + 7).to_bytes(4, "little")
    while (at := content.find(size)) >= 0:
        content[at : at + 4] = (1000).to_bytes(4, "little")
    archive = Archive(bytes(content), "a.xlsx", ErrorKind.INVALID_RULES)
    with pytest.raises(DispatchError, match=r"文件已损坏（xl/styles\.xml）"):
        archive.parse("xl/styles.xml", expat.ParserCreate())


def test_methods_that_unpack_without_a_bound_are_refused() -> None:
    assert "压缩方式" in refused(pack(CORE, zipfile.ZIP_BZIP2))


def test_too_many_parts_and_parts_of_one_name() -> None:
    many = pack(CORE | {f"xl/{number}": "" for number in range(MOST_PARTS)})
    assert f"{MOST_PARTS + 2} 个部件" in refused(many)
    file = io.BytesIO(pack(CORE))
    with zipfile.ZipFile(file, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("xl/workbook.xml", "<other/>")
    assert "部件重名" in refused(file.getvalue())


def test_a_password_on_the_zip() -> None:
    content = bytearray(pack(CORE))
    directory = content.find(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert "加了密码的压缩包" in refused(bytes(content))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_entity_bomb_is_refused_at_its_document_type(encoding: str) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{bomb}'.encode(encoding)
    archive = Archive(pack(CORE | {"xl/styles.xml": declared}), "a.xlsx", ErrorKind.INVALID_RULES)
    with pytest.raises(DispatchError, match="DOCTYPE"):
        archive.parse("xl/styles.xml", expat.ParserCreate())


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/gone.xml"])
def test_a_part_that_is_no_xml_or_not_there(part: str) -> None:
    archive = Archive(pack(CORE | {"xl/workbook.xml": "<a><b></a>"}), "a.xlsx", ErrorKind.INVALID_RULES)
    with pytest.raises(DispatchError, match=f"文件已损坏（{part}）"):
        archive.parse(part, expat.ParserCreate())


def test_several_problems_are_details() -> None:
    error = Archive(pack(CORE), "a.xlsx", ErrorKind.INVALID_RULES).error("甲", "乙")
    assert error.message == "a.xlsx 有 2 处错误，请逐条改正后重新载入"
    assert error.details == ("甲", "乙")
