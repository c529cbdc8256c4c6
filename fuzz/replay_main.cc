// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: over every file of a corpus, then over random changes of
// them. The same seed makes the same inputs; a failing one is left in a file of its own.
//   TARGET_replay [--mutations N] [--seed S] FILE-OR-FOLDER...
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kInputBytesMax = 4096;
constexpr const char* kFailingInput = "failing_input.bin";

std::string current;  // for the handler

// Keeps the input that made the target abort. Not strictly safe in a handler; the process is lost
// anyway, and the input is worth the try.
void keep_input(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  if (std::FILE* const file = std::fopen(kFailingInput, "wb")) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
    std::fprintf(stderr, "the failing input, %zu bytes, is in %s\n", current.size(), kFailingInput);
  }
  std::raise(signal_number);
}

void run(std::string input) {
  current = std::move(input);
  // A copy of the exact size, so that a sanitizer sees reads behind the end.
  const std::vector<std::uint8_t> bytes(current.begin(), current.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::string mutate(const std::vector<std::string>& inputs, std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) { return bound == 0 ? 0 : random() % bound; };
  std::string input = inputs[below(inputs.size())];
  for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
    const std::size_t at = below(input.size() + 1);
    const std::string& other = inputs[below(inputs.size())];
    switch (below(6)) {
      case 0:
        input.insert(at, 1, static_cast<char>(random()));
        break;
      case 1:
        input.erase(at, 1 + below(4));
        break;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(random());
        break;
      case 3:
        input.insert(at, input.substr(below(input.size() + 1), 1 + below(12)));
        break;
      case 4:
        input.insert(at, other.substr(below(other.size() + 1), 1 + below(40)));
        break;
      case 5:
        input.resize(at);
        break;
    }
  }
  input.resize(std::min(input.size(), kInputBytesMax));
  return input;
}

bool number(const char* text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  return error == std::errc() && *end == '\0';
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t mutations = 0;
  std::uint64_t seed = 1;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--mutations" || argument == "--seed") {
      std::uint64_t& value = argument == "--seed" ? seed : mutations;
      if (++i == argc || !number(argv[i], value)) {
        std::fprintf(stderr, "%s needs a number\n", argv[i - 1]);
        return 2;
      }
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::directory_iterator(argument)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else {
      files.emplace_back(argument);
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot read\n", path.c_str());
      return 1;
    }
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (inputs.empty()) {
    std::fprintf(stderr, "usage: %s [--mutations N] [--seed S] FILE-OR-FOLDER...\n", argv[0]);
    return 2;
  }
  std::signal(SIGABRT, keep_input);
  std::signal(SIGSEGV, keep_input);
  for (const std::string& input : inputs) run(input);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < mutations; ++i) run(mutate(inputs, random));
  std::printf("%zu inputs and %llu mutations, seed %llu\n", inputs.size(),
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  return 0;
}
