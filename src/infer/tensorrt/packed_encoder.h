// SPDX-License-Identifier: Apache-2.0
#pragma once

// The interface of the plan that Library::build_encoder makes. R rows of W ids hold texts one after
// another, up to S in a row; attention sees a text's own ids alone.
//
//   token_ids     [R, W] int32   0 where a row is not filled
//   positions     [R, W] int32   of an id within its text
//   texts         [R, W] int32   which slot of its row an id belongs to, 0 to S-1; -1: none
//   slot_numbers  [S]    int32   0, 1, 2, …
//   shares        [R, S] float   1 / the number of the slot's ids; 0 for none
//   logits        [R, S, emotions + topics] float; of empty slots meaningless
namespace tidewatch::tensorrt {

inline constexpr const char* kTokenIds = "token_ids";
inline constexpr const char* kPositions = "positions";
inline constexpr const char* kTexts = "texts";
inline constexpr const char* kSlotNumbers = "slot_numbers";
inline constexpr const char* kShares = "shares";
inline constexpr const char* kLogits = "logits";

}  // namespace tidewatch::tensorrt
