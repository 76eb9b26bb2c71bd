"""The model card that travels in the bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_card(path: Path, fields: Mapping[str, Any], rows: Mapping[str, int]) -> None:
    """What the model is, what it was trained on, what it must not be used for."""
    config = fields["config"]
    parity = "\n".join(
        f"| {row['step']} | {row['head']} | {row['flips']:.2%} | {row['f1_loss']:.2%} |"
        for row in fields["metrics"]["parity"]
    )
    scores = "\n".join(
        f"| {head} | {one['value']:.3f} | {one['low']:.3f}–{one['high']:.3f} | {one['n']} |"
        for head, one in fields["metrics"]["validation"].items()
    )
    path.write_text(
        f"""# 模型卡 {fields["name"]}

- 生成：{fields["created"]}，代码 {fields["git_commit"]}，训练数据指纹 {fields["training_data"]}
- 编码器：{Path(config["encoder"]["base"]).name}，前 {config["encoder"]["layers"]} 层；宽支路字符 n-gram \
{config["ngrams"]["size"]} 个；动态 int8
- 训练行数：{rows.get("train", 0)}；验证 {rows.get("validation", 0)}；测试 {rows.get("test", 0)}（从不参与选择）
- 混合权重（应办 / 实办）：{fields["blend"]}；β = {fields["beta"]}

## 知道什么
诉求类别（DB44/T 2479-2024）、主责职能、层级、诉求类型和标记。它不认识任何单位：单位由职能、层级、区域查表得出。

## 有多准（验证集首选命中，int8，95 % 自助法区间；测试集见 docs/experiments.md）
| 头 | 命中 | 区间 | n |
|---|---|---|---|
{scores}

## 弱在哪里
村居层级的真实样本极少；少见职能（国资平台、群团、退役军人等）样本不足；2018 年以前的机构职责与现行“三定”不同。

## 不得用于
不经准入清单直接派单；对个人作评价；海口以外城市未经核对即自动派发。

## 量化一致性（验证集）
| 步骤 | 头 | 翻转 | 宏 F1 损失 |
|---|---|---|---|
{parity}
""",
        encoding="utf-8",
    )
