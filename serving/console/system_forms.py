"""The forms of the system page: what is done with one that was sent, and what is said of it afterwards."""

from collections.abc import Callable, Mapping

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import Swap
from serving.console.system_steps import Steps
from serving.guard.roles import Role

Form = Mapping[str, str]


def perform(steps: Steps, form: Form) -> str:
    """Do what a form asks for; returns what to say.

    :param form: its fields by name; `step` says which form it is.
    :raises DispatchError: INVALID_PARAMETER for a form this page does not have, and what the step raises.
    """
    step = _STEPS.get(form.get("step", ""))
    if step is None:
        told = "页面已更新，这一项不再有；请刷新页面后重试。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="step", value=form.get("step"))
    return step(steps, form)


def _load(steps: Steps, form: Form) -> str:
    dry_run = bool(form.get("dry_run"))
    swap = steps.load(form.get("bundle", ""), form.get("note", ""), replaces=form.get("replaces", ""), dry_run=dry_run)
    if swap.bundle.version == swap.replaced:
        return f"{swap.replaced} 就是现行模型包，没有更换。"
    if dry_run:
        return f"模型包 {swap.bundle.version} 核对、试算无误，没有生效；现行仍为 {swap.replaced}。"
    return _swapped(swap)


def _roll_back(steps: Steps, form: Form) -> str:
    swap = steps.roll_back(form.get("version", ""), form.get("note", ""))
    return _swapped(swap) if swap.revision else f"{swap.replaced} 就是现行模型包，没有更换。"


def _swapped(swap: Swap) -> str:
    return f"模型包 {swap.bundle.version} 已生效，替换 {swap.replaced}。"


def _begin_shadow(steps: Steps, form: Form) -> str:
    percent = form.get("percent", "").strip()
    number = float(percent) if percent.replace(".", "", 1).isdecimal() else None
    order = steps.begin_shadow(form.get("bundle", ""), number, form.get("note", ""))
    return f"模型包 {order.bundle.version} 已在影子中运行，取 {order.share:.0%} 的工单。"


def _end_shadow(steps: Steps, _: Form) -> str:
    steps.end_shadow()
    return "影子已停止，已存的答复保留。"


def _add(steps: Steps, form: Form) -> str:
    role = form.get("role", "")
    if role not in {one.value for one in Role}:
        raise DispatchError(ErrorKind.INVALID_PARAMETER, "没有这一角色；请从列表中选。", field="role", value=role)
    added = steps.add(form.get("login", ""), form.get("name", ""), Role(role), form.get("password", ""))
    return f"已添加{added.role.word} {added.name}（{added.login}），请把密码当面告知本人。"


def _disable(steps: Steps, form: Form) -> str:
    found = steps.disable(form.get("login", ""))
    return f"{found.name}（{found.login}）已停用，并已在各处退出登录。"


def _enable(steps: Steps, form: Form) -> str:
    found = steps.enable(form.get("login", ""))
    return f"{found.name}（{found.login}）已恢复，可用原密码登录。"


def _set_password(steps: Steps, form: Form) -> str:
    found = steps.set_password(form.get("login", ""), form.get("password", ""))
    return f"{found.name}（{found.login}）的密码已重设，并已在各处退出登录。"


_STEPS: Mapping[str, Callable[[Steps, Form], str]] = {
    "load": _load,
    "roll_back": _roll_back,
    "begin_shadow": _begin_shadow,
    "end_shadow": _end_shadow,
    "add": _add,
    "disable": _disable,
    "enable": _enable,
    "set_password": _set_password,
}
