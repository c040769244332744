#include "gpt/checkpoint/manifest.h"

#include <cmath>
#include <span>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "gpttrain-checkpoint-1";

std::string suffix(std::string_view body) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(body.data(), body.size())));
  return ",\n  \"crc32c\": \"" + hex32(crc) + "\"\n}\n";
}

std::string to_hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string from_hex(const std::string& text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw InputError("generator_state is not hexadecimal");
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  return bytes;
}

// JSON has no NaN and no infinity.
Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double to_double(const Json& json) {
  if (json.is_number()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  throw InputError("'" + text + "' is no number");
}

void require_counts(const std::vector<std::int64_t>& counts) {
  for (const std::int64_t count : counts)
    if (count < 0 || count > (std::int64_t{1} << 53))
      throw InputError(concat("windows_taken: ", count, " is no count of windows"));
}

Manifest from_json(const Json& json) {
  if (json.at("format") != kFormat)
    throw InputError("format is not " + std::string(kFormat) + "; written by another version?");
  Manifest m;
  json.at("step").get_to(m.step);
  json.at("reason").get_to(m.reason);
  json.at("best").get_to(m.best);
  m.val_loss = to_double(json.at("val_loss"));
  m.best_val_loss = to_double(json.at("best_val_loss"));
  json.at("last_eval_step").get_to(m.last_eval_step);
  m.last_task_step = json.value("last_task_step", m.last_task_step);
  m.last_sample_step = json.value("last_sample_step", m.last_sample_step);
  json.at("tokens_seen").get_to(m.tokens_seen);
  m.loss_scale = to_double(json.at("loss_scale"));
  json.at("scale_growth_steps").get_to(m.scale_growth_steps);
  json.at("bad_steps").get_to(m.bad_steps);
  json.at("program_version").get_to(m.program_version);
  for (const Json& file : json.at("files"))
    m.files.push_back({file.at("name").get<std::string>(), file.at("size").get<std::uint64_t>(),
                       file.at("crc32c").get<std::uint32_t>()});
  m.config_json = json.at("config").dump(2);
  json.at("vocabulary").get_to(m.vocabulary_json);
  if (json.contains("choices")) m.choices_json = json.at("choices").dump();
  if (json.contains("recent_steps"))
    for (const Json& step : json.at("recent_steps"))
      m.recent_steps.push_back(
          {step.at(0).get<std::int64_t>(), to_double(step.at(1)), to_double(step.at(2))});
  if (json.contains("rollbacks")) {
    json.at("rollbacks").get_to(m.rollbacks);
    json.at("rolled_back_from").get_to(m.rolled_back_from);
  }
  json.at("pending_offsets").get_to(m.pending_offsets);
  if (json.contains("windows_taken")) {
    json.at("windows_taken").get_to(m.windows_taken);
    json.at("source_tokens").get_to(m.source_tokens);
    require_counts(m.windows_taken);
  }
  m.generator_state = from_hex(json.at("generator_state").get<std::string>());
  return m;
}

}  // namespace

std::string to_json(const Manifest& m) {
  Json json;
  json["format"] = kFormat;
  json["step"] = m.step;
  json["reason"] = m.reason;
  json["best"] = m.best;
  json["val_loss"] = number(m.val_loss);
  json["best_val_loss"] = number(m.best_val_loss);
  json["last_eval_step"] = m.last_eval_step;
  if (m.last_task_step >= 0) json["last_task_step"] = m.last_task_step;
  if (m.last_sample_step >= 0) json["last_sample_step"] = m.last_sample_step;
  json["tokens_seen"] = m.tokens_seen;
  json["loss_scale"] = number(m.loss_scale);
  json["scale_growth_steps"] = m.scale_growth_steps;
  json["bad_steps"] = m.bad_steps;
  json["program_version"] = m.program_version;
  json["files"] = Json::array();
  for (const FileRecord& file : m.files)
    json["files"].push_back({{"name", file.name}, {"size", file.size}, {"crc32c", file.crc32c}});
  json["config"] =
      m.config_json.empty() ? Json::object() : parse_ordered_json(m.config_json, "config");
  json["vocabulary"] = m.vocabulary_json;
  if (!m.choices_json.empty()) json["choices"] = parse_ordered_json(m.choices_json, "choices");
  for (const StepValues& step : m.recent_steps)
    json["recent_steps"].push_back({step.step, number(step.loss), number(step.gradient_norm)});
  if (m.rollbacks > 0) {
    json["rollbacks"] = m.rollbacks;
    json["rolled_back_from"] = m.rolled_back_from;
  }
  json["pending_offsets"] = m.pending_offsets;
  if (!m.windows_taken.empty()) {
    json["windows_taken"] = m.windows_taken;
    json["source_tokens"] = m.source_tokens;
  }
  json["generator_state"] = to_hex(m.generator_state);
  std::string body = json.dump(2, ' ', false, Json::error_handler_t::replace);
  body.resize(body.size() - 2);  // the closing "\n}"
  return body + suffix(body);
}

Manifest parse_manifest(std::string_view text, const std::string& origin) {
  const std::size_t length = suffix("").size();
  if (text.size() < length)
    throw InputError(concat(origin, ": truncated (", text.size(), " bytes)"));
  const std::string_view body = text.substr(0, text.size() - length);
  if (text.substr(body.size()) != suffix(body))
    throw InputError(origin + ": checksum does not match; the file is damaged or incomplete");
  const Json json = parse_ordered_json(text, origin);
  try {
    return from_json(json);
  } catch (const Json::exception& error) {
    throw InputError(origin + ": " + error.what());
  } catch (const InputError& error) {
    throw InputError(origin + ": " + error.what());
  }
}

}  // namespace gpt
