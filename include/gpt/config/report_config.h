// What `gpttrain report` takes.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct ReportConfig {
  CONFIG(ReportConfig);
  FIELD(std::string, out,
        "The page to write. Empty: report.html in the out_dir, of several runs in this folder.",
        anything()) = "";
  FIELD(std::int64_t, points,
        "Points of a curve at most; of more, neighbours become their lowest and highest.",
        between(100, 1000000)) = 10000;
  FIELD(bool, terminal, "Draw the curves in the terminal instead.", anything()) = false;
  FIELD(bool, log, "With terminal: the loss on a logarithmic scale.", anything()) = false;
  FIELD(bool, csv, "Write metrics.csv into each out_dir instead.", anything()) = false;
  FIELD(bool, watch, "Serve the page on this machine instead, and keep it up to date.",
        anything()) = false;
  FIELD(std::int64_t, port, "With watch: the port; 0: any that is free.", between(0, 65535)) = 8008;
  END_CONFIG;
};

}  // namespace gpt
