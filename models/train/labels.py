# SPDX-License-Identifier: Apache-2.0
"""The tasks: their names, the order of their labels, and what counts as negative."""

EMOTIONS = ["angry", "fear", "happy", "neutral", "sad", "surprise"]
NEGATIVE = ["angry", "fear", "sad"]
TOPICS = [
    "agriculture", "car", "culture", "edu", "entertainment", "finance", "game",
    "house", "military", "sports", "story", "tech", "travel", "world",
]
# Helper tasks: they shape the encoder while it is trained and are not exported.
EMOTIONS_8 = ["anger", "disgust", "fear", "happiness", "like", "none", "sadness", "surprise"]
SENTIMENTS = ["0", "1"]

TASKS = {"emotion": EMOTIONS, "topic": TOPICS, "emotion8": EMOTIONS_8, "sentiment": SENTIMENTS}
EXPORTED = ["emotion", "topic"]
