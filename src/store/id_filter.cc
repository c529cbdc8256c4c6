// SPDX-License-Identifier: Apache-2.0
#include "store/id_filter.h"

#include <algorithm>
#include <cstring>

namespace tidewatch {
namespace {

constexpr std::size_t kKeysPerBlock = 16;  // 16 bits a key

// Odd numbers, one for each word of a block (as in Parquet's split block filters).
constexpr std::array<std::uint32_t, 8> kSalts = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                 0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                 0x9efc4947U, 0x5c6bfb31U};

// Keys of ids that count up are neighbours: spread them.
std::uint64_t mix(std::int64_t key) {
  auto x = static_cast<std::uint64_t>(key);
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

std::size_t block_of_hash(std::uint64_t hash, std::size_t num_blocks) {
  return static_cast<std::size_t>((hash >> 32) * num_blocks >> 32);
}

std::uint32_t bit_of_hash(std::uint64_t hash, std::size_t word) {
  return 1U << (static_cast<std::uint32_t>(hash) * kSalts[word] >> 27);
}

}  // namespace

IdFilter::IdFilter(std::size_t num_keys)
    : blocks_(std::max<std::size_t>((num_keys + kKeysPerBlock - 1) / kKeysPerBlock, 1)) {}

IdFilter IdFilter::from_bytes(std::string_view bytes) {
  IdFilter filter(0);
  if (bytes.empty() || bytes.size() % sizeof(Block) != 0) {
    filter.blocks_.front().fill(~0U);
    return filter;
  }
  filter.blocks_.resize(bytes.size() / sizeof(Block));
  std::memcpy(filter.blocks_.data(), bytes.data(), bytes.size());
  return filter;
}

void IdFilter::add(std::int64_t key) {
  const std::uint64_t hash = mix(key);
  Block& block = blocks_[block_of_hash(hash, blocks_.size())];
  for (std::size_t word = 0; word < block.size(); ++word) block[word] |= bit_of_hash(hash, word);
}

bool IdFilter::may_hold(std::int64_t key) const {
  const std::uint64_t hash = mix(key);
  const Block& block = blocks_[block_of_hash(hash, blocks_.size())];
  bool all = true;
  for (std::size_t word = 0; word < block.size(); ++word) {
    all = all && (block[word] & bit_of_hash(hash, word)) != 0;
  }
  return all;
}

std::string_view IdFilter::bytes() const {
  return {reinterpret_cast<const char*>(blocks_.data()), blocks_.size() * sizeof(Block)};
}

}  // namespace tidewatch
