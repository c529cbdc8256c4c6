// SPDX-License-Identifier: Apache-2.0
#include "sources/xml_reader.h"

#include <expat.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace tidewatch {
namespace {

constexpr int kDepthMax = 256;
constexpr char kGrows[] =
    "its DTD declares entities or default attributes, which are not taken; leave them out";
constexpr std::size_t kFeedBytes = 1 << 20;  // expat counts in int

std::pair<std::string_view, std::string_view> split_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) return {{}, name};
  return {name.substr(0, colon), name.substr(colon + 1)};
}

}  // namespace

class XmlReader::Impl {
 public:
  Impl(Handler handler, const char* encoding)
      : handler_(std::move(handler)), parser_(XML_ParserCreate(encoding)) {
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, &Impl::start, &Impl::end);
    XML_SetCharacterDataHandler(parser_, &Impl::text);
    XML_SetEntityDeclHandler(parser_, &Impl::entity_declared);
    XML_SetAttlistDeclHandler(parser_, &Impl::attribute_declared);
    // Undeclared entities are an error of the document unless a DTD that is not read might have
    // them; there is always one then, and nothing is ever fetched.
    XML_UseForeignDTD(parser_, XML_TRUE);
    XML_SetParamEntityParsing(parser_, XML_PARAM_ENTITY_PARSING_ALWAYS);
    XML_SetExternalEntityRefHandler(parser_, &Impl::external);
    XML_SetSkippedEntityHandler(parser_, &Impl::skipped);
  }
  ~Impl() { XML_ParserFree(parser_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status feed(std::string_view text, bool last) {
    for (;;) {
      const std::string_view piece = text.substr(0, kFeedBytes);
      text.remove_prefix(piece.size());
      const bool is_last = last && text.empty();
      if (XML_Parse(parser_, piece.data(), static_cast<int>(piece.size()), is_last ? 1 : 0) ==
          XML_STATUS_ERROR) {
        return Error{Code::kInvalidArgument,
                     fmt::format("line {}, column {}: {}", XML_GetCurrentLineNumber(parser_),
                                 XML_GetCurrentColumnNumber(parser_) + 1,
                                 refused_ != nullptr ? refused_
                                                     : XML_ErrorString(XML_GetErrorCode(parser_)))};
      }
      if (text.empty()) return {};
    }
  }

 private:
  static void start(void* self, const char* name, const char** attributes) {
    auto& impl = *static_cast<Impl*>(self);
    if (++impl.depth_ > kDepthMax) {
      impl.refuse("nested too deeply");
      return;
    }
    Element element;
    std::tie(element.prefix, element.name) = split_name(name);
    for (; *attributes != nullptr; attributes += 2) {
      element.attributes.emplace(attributes[0], attributes[1]);
    }
    impl.handler_.on_start(element);
  }
  static void end(void* self, const char* name) {
    auto& impl = *static_cast<Impl*>(self);
    --impl.depth_;
    const auto [prefix, local] = split_name(name);
    impl.handler_.on_end(prefix, local);
  }
  static void text(void* self, const char* bytes, int size) {
    static_cast<Impl*>(self)->handler_.on_text({bytes, static_cast<std::size_t>(size)});
  }
  // Whatever stands outside is empty. Of a DTD that has to be said by reading it: only then does
  // expat take entities that it does not know for ones that might stand there.
  static int external(XML_Parser parser, const char* context, const char* /*base*/,
                      const char* /*system_id*/, const char* /*public_id*/) {
    if (context != nullptr) return XML_STATUS_OK;
    const XML_Parser empty = XML_ExternalEntityParserCreate(parser, nullptr, nullptr);
    if (empty == nullptr) return XML_STATUS_ERROR;
    const XML_Status read = XML_Parse(empty, "", 0, 1);
    XML_ParserFree(empty);
    return read;
  }
  // What a document declares once and repeats for a few bytes would make it grow a hundredfold.
  // Whatever is fetched from outside is empty and may be declared.
  static void entity_declared(void* self, const char* /*name*/, int /*is_parameter*/,
                              const char* value, int /*size*/, const char* /*base*/,
                              const char* /*system_id*/, const char* /*public_id*/,
                              const char* /*notation*/) {
    if (value != nullptr) static_cast<Impl*>(self)->refuse(kGrows);
  }
  static void attribute_declared(void* self, const char* /*element*/, const char* /*attribute*/,
                                 const char* /*type*/, const char* value, int /*is_required*/) {
    if (value != nullptr) static_cast<Impl*>(self)->refuse(kGrows);
  }
  void refuse(const char* why) {
    refused_ = why;
    XML_StopParser(parser_, XML_FALSE);
  }
  static void skipped(void* self, const char* name, int is_parameter) {
    if (is_parameter == 0) static_cast<Impl*>(self)->handler_.on_entity(name);
  }

  const Handler handler_;
  const XML_Parser parser_;
  int depth_ = 0;
  const char* refused_ = nullptr;  // why we stopped the parser
};

XmlReader::XmlReader(Handler handler, const char* encoding)
    : impl_(std::make_unique<Impl>(std::move(handler), encoding)) {}
XmlReader::~XmlReader() = default;
Status XmlReader::feed(std::string_view text, bool last) { return impl_->feed(text, last); }

}  // namespace tidewatch
