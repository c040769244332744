// Where a run lives, when it evaluates and what it keeps.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct IoConfig {
  CONFIG(IoConfig);
  FIELD(std::string, out_dir, "Folder for checkpoints, metrics.jsonl and config.json.",
        not_empty()) = "out";
  FIELD(std::int64_t, eval_interval,
        "Iterations between evaluations; 0: none, and no val.bin is needed.", at_least(0)) = 2000;
  FIELD(std::int64_t, log_interval, "Iterations between printed losses.", at_least(1)) = 1;
  FIELD(std::int64_t, eval_iters, "Batches per split in an evaluation.",
        between(std::int64_t{1}, std::int64_t{1} << 53)) = 200;
  FIELD(bool, eval_only, "Evaluate once and stop.", anything()) = false;
  FIELD(bool, always_save_checkpoint, "Save at every evaluation, not only when val loss improves.",
        anything()) = true;
  FIELD(
      std::string, init_from,
      "Where weights come from: new ones, out_dir's checkpoint (or nanoGPT's ckpt.pt in it), auto: "
      "out_dir's checkpoint if there is one, else new ones; OpenAI's GPT-2; or, weights only, from "
      "iteration 0: another run's folder, a checkpoint, a Hugging Face folder, a PyTorch, "
      "safetensors or llm.c file.",
      one_of_or_path("scratch", "resume", "auto", "gpt2", "gpt2-medium", "gpt2-large",
                     "gpt2-xl")) = "scratch";
  FIELD(std::string, pretrained_dir,
        "Folder with OpenAI's weights as NAME/model.safetensors. Empty: the Hugging Face cache.",
        anything()) = "";
  FIELD(bool, tensorboard, "Write out_dir/tb, which TensorBoard shows.", anything()) = true;
  FIELD(bool, wandb_log,
        "Log to Weights & Biases: live where a python3 has wandb, else to an offline run.",
        anything()) = false;
  FIELD(std::string, wandb_project, "Project name for wandb_log.", anything()) = "owt";
  FIELD(std::string, wandb_run_name, "Run name for wandb_log.", anything()) = "gpt2";
  FIELD(std::int64_t, checkpoint_interval,
        "Iterations between checkpoints besides those of evaluations; 0: none.", at_least(0)) = 0;
  FIELD(std::int64_t, keep_checkpoints, "Newest checkpoints to keep; the best one is kept as well.",
        at_least(2)) = 2;
  FIELD(bool, async_checkpoints,
        "A step waits only until a checkpoint is copied in memory; a thread writes it.",
        anything()) = false;
  FIELD(bool, overwrite,
        "Start from scratch where out_dir holds a run; its checkpoints are moved aside.",
        anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
