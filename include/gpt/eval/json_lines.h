// Files with a JSON object a line.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gpt {

// `where` is "FILE:LINE". Empty lines are passed over. InputError for a line that is no object, and
// for a file without any.
void for_each_object(
    const std::filesystem::path& path,
    const std::function<void(const nlohmann::json& object, const std::string& where)>& take);

// InputError naming `where` and the key if it is missing or of another type.
std::string text_member(const nlohmann::json& object, const char* key, const std::string& where);
std::vector<std::string> text_list_member(const nlohmann::json& object, const char* key,
                                          const std::string& where);

}  // namespace gpt
