// SPDX-License-Identifier: Apache-2.0
#include "query/query.h"

namespace tidewatch {
namespace {

void write(const QueryNode& node, std::string& out);

// With no more brackets than the query needs, so that it stays within kQueryDepthMax.
void write_within(QueryKind outer, const QueryNode& node, std::string& out) {
  const bool looser =
      node.kind == QueryKind::kOr || (node.kind == QueryKind::kAnd && outer == QueryKind::kNot);
  if (looser) out += '(';
  write(node, out);
  if (looser) out += ')';
}

void write_joined(const QueryNode& node, std::string_view joint, std::string& out) {
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    if (i > 0) out += joint;
    write_within(node.kind, node.children[i], out);
  }
}

void write(const QueryNode& node, std::string& out) {
  switch (node.kind) {
    case QueryKind::kAnd:
      return write_joined(node, " AND ", out);
    case QueryKind::kOr:
      return write_joined(node, " OR ", out);
    case QueryKind::kNear:
      return write_joined(node, " NEAR/" + std::to_string(node.distance) + " ", out);
    case QueryKind::kNot:
      out += "NOT ";
      return write_within(node.kind, node.children.front(), out);
    case QueryKind::kField:
      out += field_name(node.field);
      out += ':';
      [[fallthrough]];
    case QueryKind::kPhrase:
      out += '"';
      out += node.text;
      out += '"';
      return;
    case QueryKind::kRegex:
      out += '/';
      out += node.text;
      out += '/';
      return;
  }
}

}  // namespace

std::string to_string(const QueryNode& query) {
  std::string out;
  write(query, out);
  return out;
}

}  // namespace tidewatch
