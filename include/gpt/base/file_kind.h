// What a file is that is not what was expected, told by its first bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace gpt {

// "a Git LFS pointer, not the file itself; run `git lfs pull` ..." and the like, for what people
// come to have under the name of a model, a tokenizer or a checkpoint; "" for all else. It reads on
// after "PATH: is ".
std::string foreign_file_kind(std::span<const std::byte> bytes);
// The same of a file's first bytes; "" also if it cannot be read.
std::string foreign_file_kind(const std::filesystem::path& path);

// InputError "PATH: is ..." for a file of such a kind.
void refuse_foreign_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace gpt
