"""What an API key may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    """One kind of use; none contains another."""

    INTAKE = "intake"  # 受理: route cases
    OPERATOR = "operator"  # 经办: decide, return, review
    DATA = "data"  # 数据: read what is stored, measured, published
    ADMIN = "admin"  # 管理: rules, bundles; with operator, force a decision
