#include "gpt/text/tokenizer_within_rows.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

std::optional<std::int32_t> TokenizerWithinRows::end_of_text() const {
  const auto id = tokenizer_->end_of_text();
  return id && *id < rows_ ? id : std::nullopt;
}

std::int64_t TokenizerWithinRows::append_ids(std::string_view text, const std::string& origin,
                                             std::vector<std::int32_t>& ids,
                                             const EncodeOptions& options) const {
  const std::size_t begin = ids.size();
  const std::int64_t invalid = tokenizer_->append_ids(text, origin, ids, options);
  for (std::size_t i = begin; i < ids.size(); ++i) {
    if (ids[i] < rows_) continue;
    std::string bytes;
    tokenizer_->append_text(ids[i], bytes);
    throw InputError(concat(origin, ": token ", ids[i], " (", quoted_name(bytes),
                            ") has no row in the model, which has ", rows_,
                            "; leave it out of the text"));
  }
  return invalid;
}

}  // namespace gpt
