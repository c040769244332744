#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/signal.h"
#include "gpt/base/strings.h"
#include "gpt/config/printing.h"
#include "gpt/dataprep/prepare.h"
#include "gpt/text/tokenizer_files.h"

#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kPrepareUsage =
    "Usage: gpttrain prepare --out=DIR INPUT... [--key=value...]\n"
    "An input is a text file, JSON rows, parquet, an archive or a packed file of those, a folder, "
    "a "
    "pattern, or - for standard input.\n\n";

PrepareRequest request_of(const PrepareConfig& config, const std::vector<std::string>& inputs) {
  PrepareRequest request{.inputs = {inputs.begin(), inputs.end()},
                         .out_dir = config.out,
                         .val_fraction = config.val_fraction,
                         .seed = config.seed,
                         .split = config.split,
                         .document = config.document,
                         .encoding = config.encoding,
                         .text_key = config.text_key,
                         .text_template = config.text_template,
                         .answer_keys = config.answer_keys,
                         .message_template = config.message_template,
                         .skip_bad_rows = config.bad_rows == "skip",
                         .eot = config.eot,
                         .added_tokens = config.added_tokens,
                         .threads = static_cast<int>(config.threads.or_else(0)),
                         .force = config.force,
                         .restart = config.restart};
  if (config.tokenizer == "char") return request;
  request.tokenizer = open_tokenizer(config.tokenizer);
  std::error_code no_such_place;
  if (request.tokenizer->name() != "gpt2")
    request.tokenizer_file = fs::absolute(config.tokenizer, no_such_place).string();
  const fs::path file =
      config.tokenizer == "gpt2" ? gpt2_vocabulary_file() : fs::path(config.tokenizer);
  if (fs::is_regular_file(file, no_such_place))
    request.tokenizer_crc32c = hex32(crc32c_of_file(file));
  return request;
}

std::string summary(const PrepareResult& result, const std::string& out) {
  const DatasetMeta& meta = result.meta;
  const auto count = [](std::int64_t value) { return with_commas(value); };
  std::string from = concat(result.files, " file(s)");
  if (meta.documents != result.files) from = concat(count(meta.documents), " documents of ", from);
  return concat(out, ": ", count(meta.characters), " characters from ", from, ", vocabulary ",
                meta.vocab_size, ", train ", count(meta.train_tokens), " tokens, ",
                meta.val_fraction > 0 ? concat("val ", count(meta.val_tokens), " tokens")
                                      : std::string("no val.bin"),
                meta.train_mask_crc32c.empty()
                    ? std::string()
                    : concat("; of these ", count(meta.train_counted), " and ",
                             count(meta.val_counted), " count in the loss (answers)"));
}

}  // namespace

ExitCode prepare_command(const Arguments& arguments) {
  const StopSignals signals;  // reading the vocabulary takes a while, too
  PrepareConfig config;
  const auto line = read_options(arguments, options_of(config), kPrepareUsage,
                                 /*inputs_allowed=*/true);
  if (!line) return kExitDone;
  if (config.out.empty())
    throw InputError(
        "command line: --out is missing: the folder for the dataset, e.g. "
        "--out=data/mytext");
  if (line->inputs.empty())
    throw InputError("command line: no text given: name files or folders after --out=" +
                     config.out);

  PrepareRequest request = request_of(config, line->inputs);
  request.stop = [&] { return signals.requested(); };
  const auto result = prepare(request);
  if (!result) return kExitStopped;
  print_line(summary(*result, config.out));
  return kExitDone;
}

ExitCode keys_command(const Arguments&) {
  print_text(key_tables());
  return kExitDone;
}

}  // namespace gpt
