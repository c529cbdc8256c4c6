# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks that plant waves into a simulated stream share."""
import datetime
import math

REGIONS = ["广东", "四川", "湖北", "浙江", "河南", "陕西", "辽宁", "福建", "云南", "江苏", "山东", "湖南"]
TOPICS = ["edu", "finance", "travel", "car", "tech", "house", "world", "entertainment", "sports", "agriculture"]


def seconds(text):
    """Unix seconds of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def write_wave(file, run, name, hashtag, start, duration, posts, negative_share):
    """Writes the events file of `tidewatch simulate` with one wave; each run has another topic and province."""
    file.write_text(
        f'[[event]]\nname = "{name}"\ntopic = "{TOPICS[run % len(TOPICS)]}"\nkind = "wave"\nstart = {start}\n'
        f'duration = {duration}\nposts = {posts}\nnegative_share = {negative_share}\n'
        f'regions = ["{REGIONS[run % len(REGIONS)]}"]\nhashtag = "{hashtag}"\n', encoding="utf-8")


def quantile(values, share):
    """Of delays in which None is later than any; None when that is what the quantile is."""
    ordered = sorted(values, key=lambda value: math.inf if value is None else value)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def delay_text(value, digits):
    return "none" if value is None else f"{value:.{digits}f}"
