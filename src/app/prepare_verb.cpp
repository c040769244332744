#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/corpus/prepare.h"

#include "app/verbs.h"

namespace gpt {

ExitCode prepare_verb(const Arguments& arguments) {
  PrepareConfig config;
  Settings settings(knobs(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/true);
  if (line.help) {
    print_text("Usage: gpttrain prepare --out=DIR FILE_OR_FOLDER... [--key=value...]\n\n" +
               help_text(knobs(config)));
    return kExitDone;
  }
  if (config.out.empty())
    throw InputError(
        "command line: --out is missing: the folder for the dataset, e.g. "
        "--out=data/mytext");
  if (line.inputs.empty())
    throw InputError("command line: no text given: name files or folders after --out=" +
                     config.out);

  PrepareRequest request{.inputs = {line.inputs.begin(), line.inputs.end()},
                         .out_dir = config.out,
                         .val_fraction = config.val_fraction,
                         .force = config.force};
  const PrepareResult result = prepare(request);
  print_line(format(
      "%s: %s characters from %ld file(s), vocabulary %ld, train %s tokens, val %s "
      "tokens",
      config.out.c_str(), with_commas(result.meta.characters).c_str(),
      static_cast<long>(result.files), static_cast<long>(result.meta.vocab_size),
      with_commas(result.meta.train_tokens).c_str(), with_commas(result.meta.val_tokens).c_str()));
  return kExitDone;
}

ExitCode keys_verb(const Arguments&) {
  TrainConfig train;
  SampleConfig sample;
  PrepareConfig prepare;
  print_text(key_table(knobs(train)) + key_table(knobs(sample)) + key_table(knobs(prepare)));
  return kExitDone;
}

}  // namespace gpt
