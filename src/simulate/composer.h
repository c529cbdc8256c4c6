// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "simulate/grammar.h"
#include "simulate/random.h"
#include "simulate/simulator.h"
#include "simulate/topics.h"

namespace tidewatch {

// Composes the texts of posts from the bundled grammar: how many sentences, in which tone, with
// which hashtags, emoticons and slang. Who writes and when is the simulator's business.
// Every call appends to `out`. The grammar and the random numbers must outlive it. Not thread-safe.
class Composer {
 public:
  // What a text may say about its author and moment. The views must live until the next begin().
  struct Moment {
    std::string_view city;
    std::string_view daypart;
    std::string_view other_user;  // somebody to mention
    std::string_view url;
  };

  // Precondition: the grammar has every symbol that a post needs (the bundled one has).
  Composer(const Grammar& grammar, Random& random);

  void begin(const Moment& moment);

  // A post of its own. `topic` is an index of kSimulatedTopics.
  void original(std::size_t topic, Emotion emotion, std::string& out);

  // What somebody says when passing another post on.
  void comment(Emotion emotion, std::string& out);

  // A post about a planted event.
  void about_event(const PlantedEvent& event, Emotion emotion, std::string& out);

  // A comment on a post about a planted event; carries the hashtag now and then.
  void event_comment(const PlantedEvent& event, Emotion emotion, std::string& out);

  // The text that a copy-paste flood repeats.
  void flood(const PlantedEvent& event, std::string& out);

  // An advertisement.
  void spam(std::string& out);

 private:
  using Symbols = std::array<Grammar::SymbolId, kSimulatedEmotions.size()>;  // by emotion

  Grammar::SymbolId symbol(std::string_view name) const;
  Symbols by_emotion(std::string_view prefix) const;
  void set_event(const PlantedEvent& event, Emotion emotion);
  void decorate(Emotion emotion, std::string& out);
  void digest(std::size_t topic, std::uint32_t sentences, std::string& out);
  void roughen(std::string& out);
  void join(Emotion emotion, std::string& out);
  void pause(std::string& out);
  void end(Emotion emotion, std::string& out);

  const Grammar& grammar_;
  Random& random_;
  Expansion expansion_;
  std::array<Symbols, kSimulatedTopics.size()> core_{};  // by topic
  std::array<Grammar::SymbolId, kSimulatedTopics.size()> tag_{};
  Symbols open_, close_, joint_, end_, slang_, emoticon_, emoji_, short_, repost_, event_, detail_;
  Grammar::SymbolId mention_, link_, spam_, flood_, digest_, diary_;
  std::string scratch_;   // a general detail
  std::string tag_text_;  // "#…#"
};

}  // namespace tidewatch
