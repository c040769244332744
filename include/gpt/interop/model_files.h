// Whether what is in the way of an export is itself an export, which may go.
#pragma once

#include <filesystem>
#include <string>

namespace gpt {

// InputError unless `folder` is empty, or a GPT-2 model as this program or transformers'
// save_pretrained writes it, with no file next to theirs; the first other one is named. Errors
// speak of the folder as `shown`.
void require_exported_folder(const std::filesystem::path& folder, const std::string& shown);

// InputError unless `file` begins as torch.save's files do.
void require_exported_file(const std::filesystem::path& file, const std::string& shown);

}  // namespace gpt
