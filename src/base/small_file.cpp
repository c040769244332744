#include "gpt/base/small_file.h"

#include "gpt/base/error.h"
#include "gpt/base/input_file.h"
#include "gpt/base/strings.h"

namespace gpt {

std::string read_small_file(const std::filesystem::path& path, std::uint64_t most,
                            const std::string& what) {
  InputFile file(path, Streams::kHandedOver);
  std::string text;
  char chunk[1 << 16];
  while (text.size() <= most) {
    const std::size_t got = file.read(chunk, sizeof chunk);
    if (got == 0) break;
    text.append(chunk, got);
  }
  if (text.size() > most)
    throw InputError(concat(path.string(), ": is too large; expected ", what, " of at most ",
                            human_bytes(most)));
  return text;
}

}  // namespace gpt
