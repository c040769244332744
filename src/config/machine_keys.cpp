#include "gpt/config/machine_keys.h"

#include <set>

namespace gpt {

bool is_machine_key(const std::string& key) {
  static const std::set<std::string> kKeys{"micro_batch_size",  "eval_batch_size", "head_chunk",
                                           "pretrained_dir",    "memory_limit",    "recompute",
                                           "optimizer_offload", "eval_device",     "empty_cache",
                                           "allocator",         "device",          "dtype",
                                           "threads",           "profile",         "verify_data"};
  return kKeys.contains(key);
}

bool is_reporting_key(const std::string& key) {
  static const std::set<std::string> kKeys{
      "tensorboard",    "task_files",    "task_interval", "task_limit",     "sample_interval",
      "sample_prompts", "sample_tokens", "max_minutes",   "stats_interval", "async_checkpoints"};
  return kKeys.contains(key);
}

}  // namespace gpt
