// SPDX-License-Identifier: Apache-2.0
// Turns files into C++ source, at build time.
//   embed_files table OUT.cc FUNCTION DIR    a StaticFiles FUNCTION() of all files under DIR
//   embed_files text OUT.cc FUNCTION FILE    a std::string_view FUNCTION() of one file
// FUNCTION is in namespace tidewatch. Files that gzip makes smaller are held in both forms.

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& why) {
  fmt::print(stderr, "embed_files: {}\n", why);
  std::exit(1);
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string gzip(const std::string& bytes) {
  constexpr int kGzip = 16;
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + kGzip, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    fail("zlib does not start");
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  std::string input = bytes;  // zlib wants it writable
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) fail("zlib does not finish");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string_view content_type(const fs::path& path) {
  static const std::map<std::string, std::string_view> types = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".woff", "font/woff"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"}};
  const auto found = types.find(path.extension().string());
  return found != types.end() ? found->second : "application/octet-stream";
}

// A string_view of a literal; the length is given because the bytes may hold NULs.
std::string literal(std::string_view bytes) {
  std::string out = "std::string_view(";
  constexpr std::size_t kLine = 64;
  if (bytes.empty()) out += "\"\"";
  for (std::size_t at = 0; at < bytes.size(); at += kLine) {
    out += "\n    \"";
    for (const char c : bytes.substr(at, kLine)) {
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (c == '?' || c < 0x20 || c == 0x7F) {  // '?': no trigraphs
        out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out + fmt::format(", {})", bytes.size());
}

std::string table(const std::string& function, const fs::path& dir) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::map<std::string, fs::path> by_name;  // std::map orders bytewise, as StaticFiles wants it
  for (const fs::path& path : paths) {
    by_name['/' + path.lexically_relative(dir).generic_string()] = path;
  }
  if (!by_name.contains("/index.html")) fail("no index.html in " + dir.string());

  std::string out = "#include \"serve/static_files.h\"\n\nnamespace tidewatch {\nnamespace {\n";
  out += "const StaticFile kFiles[] = {\n";
  for (const auto& [name, path] : by_name) {
    const std::string bytes = read_file(path);
    std::string compressed = gzip(bytes);
    if (compressed.size() + 64 > bytes.size()) compressed.clear();
    const std::string etag = fmt::format("\"{:016x}\"", XXH3_64bits(bytes.data(), bytes.size()));
    out += fmt::format("{{{},\n{},\n{},\n{},\n{}}},\n", literal(name), literal(bytes),
                       literal(compressed), literal(content_type(path)), literal(etag));
  }
  out += "};\n}  // namespace\n";
  out += fmt::format("StaticFiles {}() {{ return StaticFiles(kFiles); }}\n", function);
  return out + "}  // namespace tidewatch\n";
}

std::string text(const std::string& function, const fs::path& file) {
  return fmt::format(
      "#include <string_view>\n\nnamespace tidewatch {{\nstd::string_view {0}();\n"
      "std::string_view {0}() {{ return {1}; }}\n}}  // namespace tidewatch\n",
      function, literal(read_file(file)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) fail("usage: embed_files table|text OUT.cc FUNCTION DIR|FILE");
  const std::string kind = argv[1];
  const std::string source = "// Generated by embed_files; do not edit.\n" +
                             (kind == "table" ? table(argv[3], argv[4]) : text(argv[3], argv[4]));
  std::ofstream out(argv[2], std::ios::binary);
  out << source;
  out.close();
  if (!out) fail(std::string("cannot write ") + argv[2]);
  return 0;
}
