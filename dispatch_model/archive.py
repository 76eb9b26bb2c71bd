"""The zip file an xlsx is, opened only when nothing in it can harm: no bomb, macro, password or outside link.

What a file declares is checked before anything is unpacked, and unpacking stops where it lied. XML is
read by expat, and a document type (the door of entity bombs) is refused before its first entity.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.parsers import expat

from dispatch_model.errors import DispatchError, ErrorKind

MOST_UNPACKED = 64 * 2**20
MOST_PARTS = 1000
DEEPEST = 64  # elements inside one another; a parser keeps every open one
_MOST_RATIO = 250  # a sheet of equal rows packs about 1:100, a bomb 1:1000
_SMALL = 2**20  # below this no ratio matters
_BLOCK = 2**17
_ZIP, _OLE = (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound
_PASSWORD_BIT = 1
_MACROS = ("vbaproject.bin", "xl/workbook.bin", "xl/macrosheets/", "xl/dialogsheets/")
_LINKS = ("xl/externallinks/", "xl/connections.xml", "xl/querytables/")
_OTHERS = {"word/": "Word 文档", "ppt/": "演示文稿", "content.xml": "OpenDocument 表格"}
_RESAVE = "请在表格软件中另存为“Excel 工作簿 (*.xlsx)”后重试"


def is_workbook(content: bytes) -> bool:
    """Whether a file is a spreadsheet by its first bytes, whatever its name: xlsx, or one that must be refused."""
    return content.startswith((*_ZIP, _OLE))


class Archive:
    """The parts of an xlsx.

    :param file: how messages name it.
    :raises DispatchError: it is no xlsx, or holds what must not be opened; the message says what to do.
    """

    def __init__(self, content: bytes, file: str, kind: ErrorKind) -> None:
        self.file, self.kind = file, kind
        if content.startswith(_OLE):
            locked = _ENCRYPTED in content
            raise self.error(f"是{'加了密码的工作簿，请去掉密码，' if locked else '旧版 .xls 文件，'}{_RESAVE}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise self.broken() from error
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        self._check_entries()
        self._check_kind()

    def __contains__(self, part: str) -> bool:
        return part in self._entries

    def error(self, *told: str) -> DispatchError:
        """The refusal of this file over one problem or several, for the caller to raise."""
        message = f"：{told[0]}" if len(told) == 1 else f" 有 {len(told)} 处错误，请逐条改正后重新载入"
        details = () if len(told) == 1 else told
        return DispatchError(self.kind, self.file + message, field=self.file, details=details)

    def broken(self, part: str = "") -> DispatchError:
        """The refusal of a file that is damaged, in `part` if that is known."""
        return self.error(f"文件已损坏{f'（{part}）' if part else ''}，请重新导出，或{_RESAVE.removeprefix('请')}")

    def parse(self, part: str, parser: expat.XMLParserType) -> None:
        """Feed the whole of `part` to `parser`."""
        for _ in self.feed(part, parser):
            pass

    def feed(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """Feed `part` to `parser` block by block, so that the caller can stop early.

        :raises DispatchError: the part is missing, damaged, or declares a document type.
        """
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            with self._zip.open(self._entries[part]) as stream:
                while block := stream.read(_BLOCK):
                    parser.Parse(block, False)
                    yield
            parser.Parse(b"", True)
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
            raise self.broken(part) from error
        yield

    def _refuse_doctype(self, *_: object) -> None:
        raise self.error(f"含有文档类型声明（DOCTYPE），可能是恶意文件；{_RESAVE}")

    def _check_entries(self) -> None:
        entries = self._zip.infolist()
        if len(entries) > MOST_PARTS or len(self._entries) != len(entries):
            raise self.error(f"压缩包内有 {len(entries)} 个部件或部件重名，不像正常的工作簿；{_RESAVE}")
        if any(entry.flag_bits & _PASSWORD_BIT for entry in entries):
            raise self.error(f"是加了密码的压缩包，请去掉密码，{_RESAVE}")
        if any(entry.compress_type not in _METHODS for entry in entries):
            raise self.error(f"压缩方式不是工作簿所用的；{_RESAVE}")
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > MOST_UNPACKED:
            most = MOST_UNPACKED // 2**20
            raise self.error(f"解压后有 {unpacked / 2**20:.0f} MiB，最多 {most} MiB；请删去空行、多余的表和图片")
        for entry in entries:
            if entry.file_size > _SMALL and entry.file_size > _MOST_RATIO * entry.compress_size:
                told = f"压缩比 {entry.file_size // max(entry.compress_size, 1)} 倍，超过 {_MOST_RATIO} 倍"
                raise self.error(f"部件 {entry.filename} {told}，可能是压缩炸弹；{_RESAVE}")

    def _check_kind(self) -> None:
        names = [name.lower() for name in self._entries]
        if found := next((name for name in names if name.endswith(_MACROS) or name.startswith(_MACROS)), None):
            raise self.error(f"带有宏或是二进制工作簿（{found}），不接受；请另存为不带宏的“Excel 工作簿 (*.xlsx)”")
        if found := next((name for name in names if name.startswith(_LINKS)), None):
            raise self.error(f"引用了外部文件或数据源（{found}）；请在“数据—编辑链接”中断开全部链接后重新保存")
        if "[Content_Types].xml" not in self or "xl/workbook.xml" not in self:
            other = next((word for start, word in _OTHERS.items() if any(name.startswith(start) for name in names)), "")
            raise self.error(f"不是 Excel 工作簿{f'，而是{other}' if other else ''}；请用 xlsx 或 CSV 文件")
