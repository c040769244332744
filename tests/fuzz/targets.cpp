#include "fuzz/targets.h"

#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

#include "gpt/base/error.h"

namespace gpt::fuzz {

const std::vector<Target>& targets() {
  static const std::vector<Target> kTargets = {{"safetensors", read_safetensors, 2048},
                                               {"zip", read_zip, 4096},
                                               {"pickle", read_pickle, 1024},
                                               {"torch", read_torch, 1024},
                                               {"tokens", read_tokens, 2048},
                                               {"mask", read_mask, 8192},
                                               {"manifest", read_manifest, 2048},
                                               {"tiktoken", read_tiktoken, 8192},
                                               {"tokenizer_json", read_tokenizer_json, 16384},
                                               {"merges", read_merges, 8192},
                                               {"python_config", read_python_config, 1024},
                                               {"json_config", read_json_config, 1024},
                                               {"meta_json", read_meta_json, 2048},
                                               {"meta_pickle", read_meta_pickle, 1024},
                                               {"json_line", read_json_line, 512},
                                               {"documents", read_documents, 512},
                                               {"prepare_state", read_prepare_state, 2048},
                                               {"prepare_input", read_prepare_input, 4096},
                                               {"eval_lines", read_eval_lines, 1024},
                                               {"hellaswag", read_hellaswag, 2048},
                                               {"hf_config", read_hf_config, 1024},
                                               {"hf_index", read_hf_index, 1024},
                                               {"metrics", read_metrics, 2048},
                                               {"tokenizer_config", read_tokenizer_config, 2048},
                                               {"added_tokens", read_added_tokens, 1024},
                                               {"char_tokenizer", read_char_tokenizer, 2048},
                                               {"text_mode", read_text_mode, 512},
                                               {"torch_legacy", read_torch_legacy, 2048},
                                               {"checkpoint_layout", read_checkpoint_layout, 2048},
                                               {"llmc", read_llmc, 4096}};
  return kTargets;
}

const Target& target_named(std::string_view name) {
  for (const Target& target : targets())
    if (target.name == name) return target;
  throw std::out_of_range("no target is named '" + std::string(name) + "'");
}

void read_or_refuse(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos)
      throw std::logic_error(std::string("an error of several lines: ") + error.what());
  }
}

BytesFile::BytesFile(std::string_view bytes) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written <= 0) throw std::runtime_error("writing to a memfd failed");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

BytesFile::~BytesFile() {
  close(descriptor_);
}

}  // namespace gpt::fuzz
