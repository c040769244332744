// Every knob of `gpttrain prepare`, once. Its inputs are positional arguments.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct PrepareConfig {
  CONFIG(PrepareConfig);
  FIELD(std::string, out, "Folder to write train.bin, val.bin and meta.json to.", anything()) = "";
  FIELD(std::string, tokenizer, "How text becomes tokens.", one_of("char")) = "char";
  FIELD(double, val_fraction, "Share of the text, at its end, that becomes val.bin.",
        between(0.0, 0.9)) = 0.1;
  FIELD(bool, force, "Replace a dataset that is already there.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
