// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>
#include <set>

#include "app/first_steps.h"

namespace tidewatch {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option*) { return true; });
}
bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// "--port", "-h"
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

// The values of a choice: "{a,b}" within what CLI11 says of the type; else none.
std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string one;
  for (const char c : type.substr(open + 1, close - open - 1) + ",") {
    if (c != ',') {
      one += c;
    } else if (!one.empty()) {
      choices.push_back(std::exchange(one, ""));
    }
  }
  return choices;
}

// Calls `visit` for every command with the words before it: "", "serve", "bench serve".
void walk(const CLI::App& app, const std::string& path,
          const std::function<void(const std::string&, const CLI::App&)>& visit) {
  visit(path, app);
  for (const CLI::App* command : commands_of(app)) {
    walk(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), visit);
  }
}

std::string words_after(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : commands_of(app)) words += command->get_name() + " ";
  for (const CLI::Option* option : options_of(app)) {
    for (const std::string& name : names_of(*option)) words += name + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

// One shell function for bash, which zsh runs as well through bashcompinit.
std::string bash_script(const CLI::App& app) {
  std::string cases;
  std::string values;
  std::string paths;
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    cases += fmt::format("    '{}') words='{}' ;;\n", path, words_after(command));
    paths += fmt::format("{}'{}'", paths.empty() ? "" : "|", path);
    for (const CLI::Option* option : options_of(command)) {
      const auto choices = choices_of(*option);
      if (choices.empty()) continue;
      for (const std::string& name : names_of(*option)) {
        values +=
            fmt::format("    '{} {}') COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n",
                        path, name, fmt::join(choices, " "));
      }
    }
  });
  return fmt::format(R"sh(# bash completion of tidewatch; made by `tidewatch completion bash`
_tidewatch() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path='' next word words=''
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    next="${{path:+$path }}$word"
    case "$next" in {}) path=$next ;; esac
  done
  case "$path $prev" in
{}  esac
  case "$path" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "$cur"))
}}
complete -o filenames -F _tidewatch tidewatch
)sh",
                     paths, values, cases);
}

std::string quoted(std::string text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string fish_script(const CLI::App& app) {
  std::string out = "# fish completion of tidewatch; made by `tidewatch completion fish`\n";
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    std::string seen;
    for (std::size_t at = 0; at < path.size();) {
      const std::size_t end = std::min(path.find(' ', at), path.size());
      seen += fmt::format("{}__fish_seen_subcommand_from {}", seen.empty() ? "" : "; and ",
                          path.substr(at, end - at));
      at = end + 1;
    }
    std::string below;
    for (const CLI::App* sub : commands_of(command)) below += " " + sub->get_name();
    const std::string here = path.empty() ? "__fish_use_subcommand"
                             : below.empty()
                                 ? seen
                                 : seen + "; and not __fish_seen_subcommand_from" + below;
    for (const CLI::App* sub : commands_of(command)) {
      out += fmt::format("complete -c tidewatch -f -n {} -a {} -d {}\n", quoted(here),
                         sub->get_name(), quoted(sub->get_description()));
    }
    for (const CLI::Option* option : options_of(command)) {
      if (names_of(*option).empty()) continue;
      std::string line = "complete -c tidewatch" + (path.empty() ? "" : " -n " + quoted(seen));
      for (const std::string& name : option->get_lnames()) line += " -l " + name;
      for (const std::string& name : option->get_snames()) line += " -s " + name;
      const auto choices = choices_of(*option);
      if (!choices.empty())
        line += fmt::format(" -x -a '{}'", fmt::join(choices, " "));
      else if (!is_flag(*option))
        line += " -r";
      out += line + " -d " + quoted(option->get_description()) + "\n";
    }
  });
  return out;
}

// Text for roff: a backslash, and a dot or quote at a line's begin, mean something there.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += std::string("\\&") + c;
    else
      out += c;
  }
  return out;
}

void add_options(const CLI::App& command, std::string& out) {
  for (const CLI::Option* option : options_of(command)) {
    std::string head;
    for (const std::string& name : names_of(*option)) head += (head.empty() ? "" : ", ") + name;
    if (head.empty()) head = option->get_name(true);
    out += fmt::format(".TP\n.B {}\n{}\n", roff(head), roff(option->get_description()));
    const auto choices = choices_of(*option);
    if (!choices.empty()) out += roff(fmt::format("One of: {}.", fmt::join(choices, ", "))) + "\n";
  }
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") return fish_script(app);
  if (shell == "bash") return bash_script(app);
  return "#compdef tidewatch\n# zsh completion of tidewatch; made by `tidewatch completion zsh`\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(app);
}

std::string manual_page(const CLI::App& app, const std::string& version) {
  std::string out = fmt::format(
      ".\\\" Made by `tidewatch completion man`.\n.TH TIDEWATCH 1 \"\" \"tidewatch {}\" \"User "
      "Commands\"\n"
      ".SH NAME\ntidewatch \\- watches the tide of public opinion\n.SH SYNOPSIS\n.B tidewatch\n.I "
      "command\n"
      "[\\fIoptions\\fR]\n.SH DESCRIPTION\nReads a stream of social\\-media posts, classifies and "
      "counts every one, notices within "
      "seconds when something builds up, and tells people. Each command explains itself with "
      "\\-\\-help.\n",
      roff(version));
  walk(app, "", [&](const std::string& path, const CLI::App& command) {
    if (path.empty()) {
      out += ".SH OPTIONS\n";
    } else {
      out += fmt::format(".SH \"{}\"\n{}.\n", roff("tidewatch " + path),
                         roff(command.get_description()));
    }
    add_options(command, out);
  });
  out +=
      ".SH EXIT STATUS\n0 well, 1 failed (the reason is on standard error), 2 wrong usage.\n"
      ".SH FILES\n.TP\n.I tidewatch.toml\nThe configuration; `tidewatch init` writes one.\n"
      ".TP\n.I tidewatch\\-data\nPosts, counts, alerts and reports, unless \\-\\-data\\-dir names "
      "another folder.\n";
  return out;
}

}  // namespace tidewatch
