// The readers of files that others made, each as a function of bytes: what libFuzzer drives
// (scripts/fuzz) and what the replay in ctest goes through.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt::fuzz {

struct Target {
  std::string_view name;  // also of its folders of seeds and regressions
  void (*read)(std::string_view bytes);
  std::size_t longest;  // bytes of an input that are worth trying
};

const std::vector<Target>& targets();
const Target& target_named(std::string_view name);  // std::out_of_range

// Calls `read`. A gpt::Error of one line is what a reader owes to a bad file; anything else that is
// thrown continues to the caller, and std::logic_error is thrown for an error of several lines.
void read_or_refuse(const std::function<void()>& read);

// A file that holds `bytes` and goes with the object; the memory is the kernel's, so that a fuzzer
// that is killed leaves nothing behind.
class BytesFile {
 public:
  explicit BytesFile(std::string_view bytes);
  ~BytesFile();
  BytesFile(const BytesFile&) = delete;
  BytesFile& operator=(const BytesFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;  // "/proc/self/fd/7"
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// format_targets.cpp
void read_safetensors(std::string_view bytes);
void read_zip(std::string_view bytes);     // as a file of torch.save as well
void read_pickle(std::string_view bytes);  // with torch's globals
void read_torch(std::string_view bytes);   // the data.pkl of a whole archive with two storages
void read_torch_legacy(std::string_view bytes);  // a whole file from before PyTorch 1.6
void read_llmc(std::string_view bytes);          // its weights
void read_tokens(std::string_view bytes);        // 16 and 32 bits wide
void read_mask(std::string_view bytes);          // of tokens that count
void read_manifest(std::string_view bytes);      // as it is, and with the checksum put right

// text_targets.cpp
void read_tiktoken(std::string_view bytes);
void read_tokenizer_json(std::string_view bytes);
void read_merges(std::string_view bytes);  // what follows a NUL is the vocab.json next to it
void read_tokenizer_config(std::string_view bytes);
void read_added_tokens(std::string_view bytes);
void read_char_tokenizer(std::string_view bytes);
void read_text_mode(std::string_view bytes);
void read_python_config(std::string_view bytes);
void read_json_config(std::string_view bytes);

// corpus_targets.cpp
void read_meta_json(std::string_view bytes);
void read_meta_pickle(std::string_view bytes);
void read_metrics(std::string_view bytes);  // as the config and the log of the run, too
void read_json_line(std::string_view bytes);
void read_documents(std::string_view bytes);      // as one, by line, by JSON object
void read_prepare_input(std::string_view bytes);  // packed, encoded, JSON of any shape
void read_prepare_state(std::string_view bytes);
void read_eval_lines(std::string_view bytes);  // HellaSwag in both styles, LAMBADA
void read_hellaswag(std::string_view bytes);   // llm.c's file

// exchange_targets.cpp
void read_hf_config(std::string_view bytes);          // and what is written for it
void read_hf_index(std::string_view bytes);           // of shards
void read_checkpoint_layout(std::string_view bytes);  // a pickle, and what is found in it

}  // namespace gpt::fuzz
