#include "gpt/dataprep/prepare_state.h"

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

using nlohmann::json;

constexpr int kVersion = 5;

json stamps_json(const std::vector<FileStamp>& stamps) {
  json list = json::array();
  for (const FileStamp& stamp : stamps)
    list.push_back({stamp.bytes, stamp.modified, stamp.text_bytes, stamp.text_crc});
  return list;
}

std::vector<FileStamp> stamps_of(const json& list) {
  std::vector<FileStamp> stamps;
  for (const json& stamp : list)
    stamps.push_back({stamp.at(0).get<std::uint64_t>(), stamp.at(1).get<std::int64_t>(),
                      stamp.at(2).get<std::uint64_t>(), stamp.at(3).get<std::uint32_t>()});
  return stamps;
}

// Both directions from one list of fields.
template <class Position, class Visitor>
void visit_position(Position& position, const Visitor& visit) {
  visit("file", position.file);
  visit("text", position.text);
  visit("offset", position.offset);
  visit("crc", position.crc);
  visit("line", position.line);
  visit("document", position.document);
  visit("inside", position.inside);
  visit("all_bytes", position.all_bytes);
  visit("all_crc", position.all_crc);
}

json extent_json(const TokenWriter::Extent& extent) {
  return {{"bytes", extent.bytes}, {"crc", extent.crc}};
}

TokenWriter::Extent extent_of(const json& extent) {
  return {extent.at("bytes").get<std::uint64_t>(), extent.at("crc").get<std::uint32_t>()};
}

json state_json(const PrepareState& state) {
  json out{{"format", "gpttrain-prepare-state"},
           {"version", kVersion},
           {"request", state.request},
           {"characters", to_utf8(state.characters)},
           {"character_files", stamps_json(state.character_files)},
           {"files", stamps_json(state.files)},
           {"token_bytes", state.token_bytes},
           {"train", extent_json(state.train)},
           {"val", extent_json(state.val)},
           {"train_mask", extent_json(state.train_mask)},
           {"val_mask", extent_json(state.val_mask)},
           {"counted", state.counted},
           {"documents", state.documents},
           {"text_characters", state.text_characters},
           {"invalid", state.invalid},
           {"first_invalid", to_utf8(from_utf8(state.first_invalid))},
           {"bad_rows", state.bad_rows.count},
           {"read_all", state.read_all}};
  visit_position(state.position,
                 [&](const char* key, const auto& value) { out["position"][key] = value; });
  out["first_bad_rows"] = json::array();
  for (const std::string& row : state.bad_rows.first)
    out["first_bad_rows"].push_back(to_utf8(from_utf8(row)));
  out["marks"] = json::array();
  for (const TextMark& mark : state.marks)
    out["marks"].push_back({mark.characters, mark.tokens, mark.crc});
  if (state.cut) out["cut"] = {{"keep", state.cut->keep}, {"then", state.cut->then}};
  return out;
}

PrepareState state_of(const json& in, const std::string& origin) {
  if (in.at("format") != "gpttrain-prepare-state" || in.at("version") != kVersion)
    throw InputError(origin + ": is of another version of gpttrain");
  PrepareState state;
  state.request = in.at("request").get<std::string>();
  state.characters = from_utf8(in.at("characters").get<std::string>());
  state.character_files = stamps_of(in.at("character_files"));
  state.files = stamps_of(in.at("files"));
  in.at("token_bytes").get_to(state.token_bytes);
  state.train = extent_of(in.at("train"));
  state.val = extent_of(in.at("val"));
  state.train_mask = extent_of(in.at("train_mask"));
  state.val_mask = extent_of(in.at("val_mask"));
  in.at("counted").get_to(state.counted);
  in.at("documents").get_to(state.documents);
  in.at("text_characters").get_to(state.text_characters);
  in.at("invalid").get_to(state.invalid);
  in.at("first_invalid").get_to(state.first_invalid);
  in.at("bad_rows").get_to(state.bad_rows.count);
  in.at("first_bad_rows").get_to(state.bad_rows.first);
  in.at("read_all").get_to(state.read_all);
  visit_position(state.position,
                 [&](const char* key, auto& value) { in.at("position").at(key).get_to(value); });
  state.marks.clear();
  for (const json& mark : in.at("marks"))
    state.marks.push_back({mark.at(0).get<std::int64_t>(), mark.at(1).get<std::int64_t>(),
                           mark.at(2).get<std::uint32_t>()});
  if (state.marks.empty()) throw InputError(origin + ": has no mark");
  if (in.contains("cut"))
    state.cut = TrainCut{in.at("cut").at("keep").get<std::int64_t>(),
                         in.at("cut").at("then").get<std::vector<std::int32_t>>()};
  return state;
}

}  // namespace

void save_state(const std::filesystem::path& path, const PrepareState& state) {
  replace_file(path, state_json(state).dump());
}

std::optional<PrepareState> load_state(const std::filesystem::path& path) {
  constexpr std::uint64_t kLargest = 256 << 20;  // of 10 TB of text it has 240 MB
  if (!file_exists(path)) return std::nullopt;
  try {
    const std::string origin = path.string();
    return state_of(parse_json(read_small_file(path, kLargest, "a state"), origin), origin);
  } catch (const json::exception& error) {
    log_warning(path.string() + ": cannot be understood (" + error.what() +
                "); what it belongs to is made again");
  } catch (const InputError& error) {
    log_warning(std::string(error.what()) + "; what it belongs to is made again");
  }
  return std::nullopt;
}

}  // namespace gpt
