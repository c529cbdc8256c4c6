// SPDX-License-Identifier: Apache-2.0
#include "simulate/composer.h"

#include <cassert>

namespace tidewatch {
namespace {

constexpr std::size_t kTextBytesMax = 900;  // 300 Chinese characters

std::size_t at(Emotion emotion) { return static_cast<std::size_t>(emotion); }

bool ends_sentence(std::string_view text) {
  return text.ends_with("？") || text.ends_with("！") || text.ends_with("。") ||
         text.ends_with("…") || text.ends_with("]") || text.ends_with("~");
}

}  // namespace

Grammar::SymbolId Composer::symbol(std::string_view name) const {
  const Grammar::SymbolId id = grammar_.find(name);
  assert(id != Grammar::kNone);
  return id;
}

Composer::Symbols Composer::by_emotion(std::string_view prefix) const {
  Symbols symbols{};
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i] = symbol(std::string(prefix) + "." + std::string(kSimulatedEmotions[i]));
  }
  return symbols;
}

Composer::Composer(const Grammar& grammar, Random& random)
    : grammar_(grammar),
      random_(random),
      expansion_(grammar, random),
      open_(by_emotion("open")),
      close_(by_emotion("close")),
      joint_(by_emotion("joint")),
      end_(by_emotion("end")),
      slang_(by_emotion("slang")),
      emoticon_(by_emotion("emo")),
      emoji_(by_emotion("emoji")),
      short_(by_emotion("short")),
      repost_(by_emotion("repost")),
      event_(by_emotion("event")),
      detail_(by_emotion("event.detail")),
      mention_(symbol("mention")),
      link_(symbol("link")),
      spam_(symbol("spam")),
      flood_(symbol("flood")),
      digest_(symbol("digest")),
      diary_(symbol("diary")) {
  for (std::size_t i = 0; i < kSimulatedTopics.size(); ++i) {
    core_[i] = by_emotion(kSimulatedTopics[i]);
    tag_[i] = symbol("tag." + std::string(kSimulatedTopics[i]));
  }
}

void Composer::begin(const Moment& moment) {
  expansion_.begin_post();
  expansion_.set_slot(Slot::kCity, moment.city);
  expansion_.set_slot(Slot::kDaypart, moment.daypart);
  expansion_.set_slot(Slot::kUser, moment.other_user);
  expansion_.set_slot(Slot::kUrl, moment.url);
}

void Composer::join(Emotion emotion, std::string& out) {
  if (!ends_sentence(out)) expansion_.append(joint_[at(emotion)], out);
}

// Before an afterthought.
void Composer::pause(std::string& out) {
  if (!ends_sentence(out)) out += random_.chance(0.7) ? "，" : "。";
}

void Composer::end(Emotion emotion, std::string& out) {
  if (!ends_sentence(out) && random_.chance(0.72)) expansion_.append(end_[at(emotion)], out);
}

// Emoticons and emoji at the end.
void Composer::decorate(Emotion emotion, std::string& out) {
  if (random_.chance(0.30)) {
    const std::size_t start = out.size();
    expansion_.append(emoticon_[at(emotion)], out);
    const std::size_t bytes = out.size() - start;
    if (random_.chance(0.2)) {  // people type the same one three times
      out.append(out, start, bytes);
      out.append(out, start, bytes);
    }
  }
  if (random_.chance(0.12)) expansion_.append(emoji_[at(emotion)], out);
}

void Composer::original(std::size_t topic, Emotion emotion, std::string& out) {
  if (random_.chance(topic == kLife ? 0.16 : 0.02)) {
    expansion_.append(short_[at(emotion)], out);
    if (random_.chance(0.3)) end(emotion, out);
    decorate(emotion, out);
    return;
  }
  const double dice = random_.unit();
  const std::uint32_t sentences = dice < 0.50    ? 1
                                  : dice < 0.78  ? 2
                                  : dice < 0.90  ? 3
                                  : dice < 0.95  ? 4
                                  : dice < 0.985 ? 5 + random_.below(3)
                                                 : 8 + random_.below(2);
  const bool tag_first = random_.chance(0.12);
  if (tag_first) {
    out += '#';
    expansion_.append(tag_[topic], out);
    out += random_.chance(0.7) ? "# " : "#";
  }
  if (sentences >= 3 && topic != kLife && emotion == Emotion::kNeutral) {
    digest(topic, sentences, out);
    return;
  }
  if (sentences >= 4 && topic == kLife && random_.chance(0.4)) {
    expansion_.append(diary_, out);
  } else if (random_.chance(emotion == Emotion::kNeutral ? 0.12 : 0.38)) {
    expansion_.append(open_[at(emotion)], out);
  }
  expansion_.append_fresh(core_[topic][at(emotion)], out);
  for (std::uint32_t i = 1; i < sentences && out.size() < kTextBytesMax - 250; ++i) {
    const std::size_t before = out.size();
    join(emotion, out);
    // A long text also tells plain facts, and everyday things.
    const bool fact = i >= 2 && random_.chance(0.3);
    const bool aside = i >= 3 && random_.chance(0.4);
    const auto core = core_[aside ? kLife : topic][at(fact ? Emotion::kNeutral : emotion)];
    if (!expansion_.append_fresh(core, out)) {
      out.resize(before);
      break;
    }
  }
  if (random_.chance(emotion == Emotion::kNeutral ? 0.22 : 0.42)) {
    pause(out);
    expansion_.append(close_[at(emotion)], out);
  }
  if (random_.chance(0.07)) {
    pause(out);
    expansion_.append(slang_[at(emotion)], out);
  }
  end(emotion, out);
  roughen(out);
  decorate(emotion, out);
  if (!tag_first && random_.chance(0.07)) {
    out += " #";
    expansion_.append(tag_[topic], out);
    out += '#';
  }
  if (random_.chance(0.05)) {
    out += ' ';
    expansion_.append(mention_, out);
  }
  if (random_.chance(emotion == Emotion::kNeutral ? 0.10 : 0.02)) {
    out += ' ';
    expansion_.append(link_, out);
  }
}

// Unrelated facts on one topic belong into a list.
void Composer::digest(std::size_t topic, std::uint32_t sentences, std::string& out) {
  expansion_.append(digest_, out);
  for (std::uint32_t i = 1; i <= sentences && out.size() < kTextBytesMax - 200; ++i) {
    const std::size_t before = out.size();
    out += static_cast<char>('0' + i);
    out += "、";
    if (!expansion_.append_fresh(core_[topic][at(Emotion::kNeutral)], out)) {
      out.resize(before);
      break;
    }
    if (!ends_sentence(out)) out += i < sentences ? "；" : "。";
  }
  if (random_.chance(0.3)) {
    out += ' ';
    expansion_.append(link_, out);
  }
}

// Many people put spaces where a comma belongs.
void Composer::roughen(std::string& out) {
  if (!random_.chance(0.11)) return;
  constexpr std::string_view kComma = "，";
  for (auto i = out.find(kComma); i != std::string::npos; i = out.find(kComma, i)) {
    out.replace(i, kComma.size(), " ");
  }
}

void Composer::comment(Emotion emotion, std::string& out) {
  expansion_.append(repost_[at(emotion)], out);
  if (random_.chance(0.15)) end(emotion, out);
  decorate(emotion, out);
}

void Composer::set_event(const PlantedEvent& event, Emotion emotion) {
  tag_text_.assign(1, '#').append(event.hashtag).append(1, '#');
  expansion_.set_slot(Slot::kTag, tag_text_);
  expansion_.set_slot(Slot::kSubject, event.subject);
  if (event.details.empty()) {
    scratch_.clear();
    expansion_.append(detail_[at(emotion)], scratch_);
    expansion_.set_slot(Slot::kDetail, scratch_);
  } else {
    const auto count = static_cast<std::uint32_t>(event.details.size());
    expansion_.set_slot(Slot::kDetail, event.details[random_.below(count)]);
  }
}

void Composer::about_event(const PlantedEvent& event, Emotion emotion, std::string& out) {
  set_event(event, emotion);
  const bool tag_first = random_.chance(0.45);
  if (tag_first) {
    out += tag_text_;
    if (random_.chance(0.5)) out += ' ';
  }
  expansion_.append_fresh(event_[at(emotion)], out);
  const double dice = random_.unit();
  const std::uint32_t sentences = dice < 0.66 ? 1 : dice < 0.9 ? 2 : 3;
  for (std::uint32_t i = 1; i < sentences; ++i) {
    const std::size_t before = out.size();
    join(emotion, out);
    const std::string_view last = out;
    set_event(event, emotion);
    std::string next;
    const bool fresh = expansion_.append_fresh(event_[at(emotion)], next);
    // Say nothing twice: a detail that is in the text already would read like a machine.
    const bool repeated = !event.details.empty() && [&] {
      for (const std::string& detail : event.details) {
        if (next.find(detail) != std::string::npos && last.find(detail) != std::string_view::npos) {
          return true;
        }
      }
      return false;
    }();
    if (!fresh || repeated || out.size() + next.size() > kTextBytesMax) {
      out.resize(before);
      break;
    }
    out += next;
  }
  if (random_.chance(0.25)) {
    pause(out);
    expansion_.append(close_[at(emotion)], out);
  }
  end(emotion, out);
  decorate(emotion, out);
  if (!tag_first && random_.chance(0.35)) {
    out += ' ';
    out += tag_text_;
  }
  if (random_.chance(0.04)) {
    out += ' ';
    expansion_.append(mention_, out);
  }
}

void Composer::event_comment(const PlantedEvent& event, Emotion emotion, std::string& out) {
  set_event(event, emotion);
  if (random_.chance(0.45)) {
    expansion_.append(event_[at(emotion)], out);
    end(emotion, out);
  } else {
    expansion_.append(repost_[at(emotion)], out);
  }
  decorate(emotion, out);
  if (random_.chance(0.2)) out += tag_text_;
}

void Composer::flood(const PlantedEvent& event, std::string& out) {
  set_event(event, Emotion::kHappy);
  expansion_.append(flood_, out);
}

void Composer::spam(std::string& out) { expansion_.append(spam_, out); }

}  // namespace tidewatch
