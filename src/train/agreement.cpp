#include "gpt/train/agreement.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/version.h"
#include "gpt/config/machine_keys.h"
#include "gpt/train/rollback.h"

namespace gpt {

namespace {

// Checksum of tokens from all over the split: enough to tell one dataset from another.
std::string fingerprint(const TokenFile& split) {
  constexpr std::int64_t kSamples = 64, kTokens = 1024;
  const std::int64_t count = std::min(kTokens, split.size());
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(count));
  Crc32c crc;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const std::int64_t last = split.size() - count;
    split.copy(last / kSamples * i + (i + 1 == kSamples ? last % kSamples : 0), count,
               tokens.data());
    crc.update(std::as_bytes(std::span(tokens)));
  }
  return hex32(crc.value());
}

nlohmann::json to_json(const Facts& facts) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : facts) json[name] = value;
  return json;
}

}  // namespace

void require_same(ProcessGroup& group, const std::string& of_what, const Facts& facts) {
  if (group.size() == 1) return;
  const std::vector<std::string> texts = group.all_texts(to_json(facts).dump());
  const nlohmann::json first = nlohmann::json::parse(texts.front());
  std::vector<std::string> differences;
  for (int rank = 1; rank < group.size(); ++rank) {
    const auto other = nlohmann::json::parse(texts[static_cast<std::size_t>(rank)]);
    for (const auto& [name, value] : first.items())
      if (other.value(name, std::string()) != value)
        differences.push_back(concat(group.name(rank), " has ", name, " ",
                                     other.value(name, std::string("(none)")), ", ", group.name(0),
                                     " ", value.get<std::string>()));
  }
  if (differences.empty()) return;
  constexpr std::size_t kShown = 4;
  const std::size_t more = differences.size() - std::min(differences.size(), kShown);
  differences.resize(std::min(differences.size(), kShown));
  throw InputError(concat("the processes of this run do not have the same ", of_what, ": ",
                          join(differences, "; "),
                          more > 0 ? concat("; and ", more, " more") : std::string(),
                          ". Start all of them with the same program, configuration and data"));
}

void require_same_config(ProcessGroup& group, const TrainConfig& config) {
  static const std::set<std::string> kFolders{"out_dir", "data_dir", "train_files", "val_files"};
  Facts facts{{"program", version()}};
  TrainConfig copy = config;
  for (const Option& option : options_of(copy))
    if (!is_machine_key(option.key) && !kFolders.contains(option.key))
      facts.emplace_back(option.key, value_text(option));
  require_same(group, "configuration", facts);
}

void require_same_data(ProcessGroup& group, const Dataset& dataset) {
  if (group.size() == 1) return;
  const auto tokens = [](const TokenFile& split) { return with_commas(split.size()) + " tokens"; };
  Facts facts{{"sources of train:", std::to_string(dataset.train.size())}};
  for (std::size_t i = 0; i < dataset.train.size(); ++i) {
    const std::string of = dataset.train.size() == 1 ? "train" : concat("train source ", i + 1);
    const TrainingSource& source = dataset.train[i];
    facts.emplace_back(of + " tokens:", tokens(source.tokens));
    facts.emplace_back(of + " contents", fingerprint(source.tokens));
    facts.emplace_back(of + " share", format("%.17g", source.share));
  }
  facts.emplace_back("val tokens:", tokens(dataset.val));
  facts.emplace_back("val contents", fingerprint(dataset.val));
  facts.emplace_back("vocab_size", std::to_string(dataset.vocab_size));
  facts.emplace_back("document end", std::to_string(dataset.document_end.value_or(-1)));
  require_same(group, "data", facts);
}

void require_same_precision(ProcessGroup& group, const SystemConfig& system) {
  require_same(group, "kind of device",
               {{"device", system.device.substr(0, system.device.find(':'))},
                {"dtype", system.dtype},
                {"compile", system.compile ? "True" : "False"}});
}

RunStart common_start(const TrainConfig& config, const CheckpointStore& store,
                      ProcessGroup& group) {
  RunStart start;
  if (group.is_first()) start = choose_start(config, store);
  start.checkpoint = shared_checkpoint(start.checkpoint, group);
  return start;
}

}  // namespace gpt
