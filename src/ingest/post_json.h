// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ingest/post.h"

namespace tidewatch {

// Appends the members of a post as search answers have them, without braces and without `extra`:
// "id":…,"text":…,"time":…,"source":…,"author":…,"region":…,"repost_of":…,"url":…,"likes":…,
// "reposts":…, where what was not said is null.
void append_post_members(const Post& post, std::string& out);

// Appends the post as one NDJSON object (no line break), as PostDecoder reads it: what was not
// said is left out, unknown members stand as they came. Decoding it gives an equal post.
void append_post_json(const Post& post, std::string& out);

}  // namespace tidewatch
