"""How a Chinese character may be read."""

from functools import lru_cache

_CHINESE = ("\u4e00", "\u9fff")


@lru_cache(maxsize=8192)
def sounds(character: str) -> tuple[str, ...]:
    """All readings in lower-case letters without tones, ü as v; none of what is no Chinese character.

    The dictionary is loaded with the first of them: most processes never need one.
    """
    if not _CHINESE[0] <= character <= _CHINESE[1]:
        return ()
    from pypinyin import Style, pinyin

    return tuple(dict.fromkeys(pinyin(character, style=Style.NORMAL, heteronym=True)[0]))
