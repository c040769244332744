// Every option of `gpttrain train`, once. The 33 keys of nanoGPT's train.py keep their names and
// defaults (tests/config/nanogpt_keys_test.cpp holds them); the rest are ours. Keys are flat:
// sections tell the owner, not the spelling.
#pragma once

#include "gpt/config/data_config.h"
#include "gpt/config/io_config.h"
#include "gpt/config/memory_config.h"
#include "gpt/config/model_config.h"
#include "gpt/config/monitor_config.h"
#include "gpt/config/optimizer_config.h"
#include "gpt/config/schedule_config.h"
#include "gpt/config/system_config.h"

namespace gpt {

struct TrainConfig {
  IoConfig io;
  DataConfig data;
  ModelConfig model;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  MonitorConfig monitor;
  MemoryConfig memory;
  SystemConfig system;
};

}  // namespace gpt
