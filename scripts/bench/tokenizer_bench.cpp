// Times the GPT-2 tokenizer on one thread: tokenizer_bench FILE IDS ROUNDS. Writes the ids of FILE
// to IDS (int32) and the seconds of each round to stdout; scripts/bench/tokenizer.py runs it.
#include <chrono>
#include <iostream>
#include <string>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/text/tokenizer_files.h"

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run(const std::string& file, const std::string& ids_file, int rounds) {
  const std::string text = gpt::read_file(file);
  const auto tokenizer = gpt::open_tokenizer("gpt2");
  std::vector<std::int32_t> ids;
  for (int round = 0; round < rounds; ++round) {
    ids.clear();
    const auto start = std::chrono::steady_clock::now();
    tokenizer->append_ids(text, file, ids);
    std::cout << seconds_since(start) << "\n";
  }
  gpt::OutputFile(ids_file).write(std::as_bytes(std::span(ids)));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw gpt::InputError("usage: tokenizer_bench FILE IDS ROUNDS");
    run(argv[1], argv[2], std::stoi(argv[3]));
  } catch (const std::exception& error) {
    std::cerr << "tokenizer_bench: " << error.what() << "\n";
    return 1;
  }
}
