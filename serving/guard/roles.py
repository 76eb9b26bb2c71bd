"""What an operator of the console may do."""

from enum import StrEnum


class Role(StrEnum):
    """One kind of operator; each may do what the one before may."""

    OPERATOR = "operator"  # 派单员: work on cases
    SUPERVISOR = "supervisor"  # 主管: also force decisions, take cases over, see quality and system
    ADMIN = "admin"  # 管理员: also change rules, bundles and operators

    @property
    def word(self) -> str:
        """The word for it: 派单员, 主管 or 管理员."""
        return _WORDS[self]

    def may(self, needed: "Role") -> bool:
        """Whether who has this role may do what asks for `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


_WORDS = {Role.OPERATOR: "派单员", Role.SUPERVISOR: "主管", Role.ADMIN: "管理员"}
