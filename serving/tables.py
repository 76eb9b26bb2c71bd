"""Every table the service reads, loaded and cross-checked: `dispatch labels check`."""

from importlib.resources import as_file, files

from dispatch_model.access_list import AccessList
from dispatch_model.calendar import Calendar
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City, cities
from dispatch_model.explain import Cues
from dispatch_model.gazetteer import read_landmarks
from dispatch_model.labels import LabelMaps
from dispatch_model.triggers import Triggers


def count_tables() -> dict[str, int]:
    """Rows by table, in the order they are read.

    :raises DispatchError: from the first table that is wrong, with all its errors.
    """
    maps = LabelMaps.load()
    cues = Cues.load(maps)
    counts = {"诉求类别": len(maps.categories), "职能": len(maps.functions), "提示词": len(cues.functions)}
    for slug in dict.fromkeys(cities().values()):
        city = City.load(slug, maps)
        counts |= {
            f"{city.name} 区域": len(city.regions),
            f"{city.name} 单位": len(city.units),
            f"{city.name} 地标": len(read_landmarks(city)),
        }
        with as_file(files("configs") / slug) as folder:
            counts |= {
                f"{city.name} 准入清单": len(AccessList.load(folder / "access_list.csv", maps, city).rows),
                f"{city.name} 派单目录": len(Catalogue.load(folder / "catalogue.csv", maps).rows),
                f"{city.name} 节假日例外": len(Calendar.of(folder).overrides),
                f"{city.name} 触发词": len(Triggers.load(folder / "triggers.csv").rows),
            }
    return counts
