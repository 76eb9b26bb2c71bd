"""How well personal data are found, form by form, and what masking costs.

    OMP_NUM_THREADS=1 python -m bench.masking     # a few seconds, in this process

The examples are those of `tests/masking_examples.py`; times are CPU microseconds for one text, warm and right after the
ONNX session of the shipped bundle has run.
"""

import statistics
import sys
import time
from collections.abc import Callable

from dispatch_model.bundle import Bundle
from dispatch_model.encoder import Encoder
from dispatch_model.labels import LabelMaps
from dispatch_model.privacy import mask
from tests.masking_examples import FILES, examples, scores

PLAIN = (
    "市民来电反映，龙华区某小区门口每天晚上七点以后都有流动摊贩占道经营，卖烧烤和水果，油烟很大，垃圾随地乱扔，喇叭一直叫卖到"
    "凌晨一点多，严重影响周边居民休息。之前也打过几次电话，来人的时候摊贩就走，人一走又回来摆，希望有关部门能够安排人员经常巡查，"
    "彻底解决这个问题，并给市民一个答复，谢谢。"
)
DENSE = (
    "我叫陈蕉国，住在海府路8号阳光城3栋2单元501室，电话13876543210，身份证460100198512310012，车牌琼A12345，楼上601从2024年3月5日"
    "晚上10点开始装修，噪音很大，座机66123456，邮箱chen@example.com，微信chen_1985，谢谢。"
)
ROUNDS = 400


def main() -> None:
    """Two tables to standard output: found and left per form, then time."""
    for name in FILES:
        cases = examples(name)
        sys.stdout.write(f"{name}: {sum(bool(case.spans) for case in cases)} with, ")
        sys.stdout.write(f"{sum(not case.spans for case in cases)} without personal data\n")
        for form, score in scores(cases).items():
            sys.stdout.write(f"  {form:<18}{score.hidden:5} of {score.pieces:4} hidden {score.recall:7.4f}")
            sys.stdout.write(f"{score.right:6} of {score.masked:4} masked right {score.precision:7.4f}\n")
    encoder = Encoder(Bundle.open(None, LabelMaps.load()))
    feeds = encoder.feeds(PLAIN)
    for text in (PLAIN, DENSE):
        warm = _median(text, lambda: None)
        after = _median(text, lambda: encoder.backend.run(feeds))
        sys.stdout.write(f"{len(text)} characters, {len(mask(text).spans)} masked: ")
        sys.stdout.write(f"{warm:.0f} µs warm, {after:.0f} µs after the session\n")


def _median(text: str, before: Callable[[], object]) -> float:
    """Median CPU microseconds of masking `text`, `before` not counted."""
    spent = []
    for _ in range(ROUNDS):
        before()
        started = time.thread_time()
        mask(text)
        spent.append(time.thread_time() - started)
    return statistics.median(spent) * 1e6


if __name__ == "__main__":
    main()
