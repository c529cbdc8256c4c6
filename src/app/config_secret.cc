// SPDX-License-Identifier: Apache-2.0
#include "app/config_secret.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tidewatch {
namespace {

constexpr std::size_t kSecretBytesMax = 4'096;

}  // namespace

void read_secret(ConfigTable& t, const std::string& key, std::string& value) {
  const std::string env_key = key + "_env";
  const std::string file_key = key + "_file";
  std::string env;
  std::string file;
  t.text(key.c_str(), value);
  t.text(env_key.c_str(), env);
  t.text(file_key.c_str(), file);
  const int given = (value.empty() ? 0 : 1) + (env.empty() ? 0 : 1) + (file.empty() ? 0 : 1);
  if (given > 1) {
    const toml::node* node = t.take(env.empty() ? file_key.c_str() : env_key.c_str());
    return t.fail(*node, key,
                  fmt::format("is given twice; use one of {0}, {0}_env, {0}_file", key));
  }
  if (!env.empty()) {
    const char* read = std::getenv(env.c_str());
    if (read == nullptr || *read == '\0') {
      return t.fail(*t.take(env_key.c_str()), env_key,
                    fmt::format("names the environment variable {}, which is not set", env));
    }
    value = read;
  }
  if (!file.empty()) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    value = text.str();
    while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
    if (!in || value.empty() || value.size() > kSecretBytesMax) {
      value.clear();
      return t.fail(*t.take(file_key.c_str()), file_key,
                    fmt::format("names the file {}, which cannot be read, is empty or holds more "
                                "than {} bytes",
                                file, kSecretBytesMax));
    }
  }
}

}  // namespace tidewatch
