// SPDX-License-Identifier: Apache-2.0
#include "serve/query_pool.h"

#include <algorithm>
#include <utility>

#include "core/thread_name.h"
#include "core/thread_priority.h"

namespace tidewatch {
namespace {

// On a full machine queries get about a quarter of what a thread of ingest gets.
constexpr int kQueryNice = 5;

}  // namespace

QueryPool::QueryPool(int threads, std::size_t waiting_max) : jobs_(waiting_max) {
  for (int i = 0; i < std::max(threads, 1); ++i) {
    threads_.emplace_back([this] {
      name_thread("query");
      lower_thread_priority(kQueryNice);
      while (auto job = jobs_.pop()) (*job)();
    });
  }
}

QueryPool::~QueryPool() { stop(); }

bool QueryPool::try_run(Job job) { return jobs_.try_push(std::move(job)); }

void QueryPool::stop() {
  jobs_.close();
  threads_.clear();
}

}  // namespace tidewatch
