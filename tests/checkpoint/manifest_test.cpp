#include "gpt/checkpoint/manifest.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"

#include "support/error_text.h"

namespace gpt {
namespace {

Manifest full_manifest() {
  Manifest m;
  m.step = 2000;
  m.reason = "signal SIGTERM";
  m.best = true;
  m.val_loss = 0.1 + 0.2;
  m.best_val_loss = std::nextafter(1.8857, 2.0);
  m.last_eval_step = 1999;
  m.pending_offsets = {0, 7, 1'099'511'627'776, 3};
  m.windows_taken = {12, 0};
  m.source_tokens = {1'099'511'627'776, 17};
  for (int byte = 0; byte < 256; ++byte) m.generator_state += static_cast<char>(byte);
  m.loss_scale = 65536;
  m.scale_growth_steps = 17;
  m.bad_steps = 2;
  m.tokens_seen = 9'007'199'254'740'993;  // beyond a double's integers
  m.config_json = "{\n  \"learning_rate\": 0.0006,\n  \"out_dir\": \"out \\\"é\\\"\"\n}";
  m.vocabulary_json = "{\"itos\": \"\\n !ab\"}";
  m.program_version = "0.1.0";
  m.files = {{"model.safetensors", 123456789012, 0xDEADBEEF}, {"optimizer.safetensors", 0, 0}};
  return m;
}

// `body` with the suffix that makes its checksum right.
std::string sealed(const std::string& body) {
  return body + ",\n  \"crc32c\": \"" +
         hex32(crc32c(std::as_bytes(std::span(body.data(), body.size())))) + "\"\n}\n";
}

std::string body_of(const std::string& text) {
  return text.substr(0, text.rfind(",\n  \"crc32c\""));
}

std::string complaint(const std::string& text) {
  return testing::error_text([&] { parse_manifest(text, "m.json"); });
}

TEST(Manifest, EveryMemberComesBack) {
  const Manifest m = full_manifest();
  const Manifest back = parse_manifest(to_json(m), "m.json");
  EXPECT_EQ(back.step, m.step);
  EXPECT_EQ(back.reason, m.reason);
  EXPECT_EQ(back.best, m.best);
  EXPECT_EQ(back.val_loss, m.val_loss);
  EXPECT_EQ(back.best_val_loss, m.best_val_loss);
  EXPECT_EQ(back.last_eval_step, m.last_eval_step);
  EXPECT_EQ(back.pending_offsets, m.pending_offsets);
  EXPECT_EQ(back.windows_taken, m.windows_taken);
  EXPECT_EQ(back.source_tokens, m.source_tokens);
  EXPECT_EQ(back.generator_state, m.generator_state);
  EXPECT_EQ(back.loss_scale, m.loss_scale);
  EXPECT_EQ(back.scale_growth_steps, m.scale_growth_steps);
  EXPECT_EQ(back.bad_steps, m.bad_steps);
  EXPECT_EQ(back.tokens_seen, m.tokens_seen);
  EXPECT_EQ(back.config_json, m.config_json);
  EXPECT_EQ(back.vocabulary_json, m.vocabulary_json);
  EXPECT_EQ(back.program_version, m.program_version);
  ASSERT_EQ(back.files.size(), 2u);
  EXPECT_EQ(back.files[0].name, "model.safetensors");
  EXPECT_EQ(back.files[0].size, 123456789012u);
  EXPECT_EQ(back.files[0].crc32c, 0xDEADBEEFu);
  EXPECT_EQ(to_json(back), to_json(m));
}

TEST(Manifest, DefaultsComeBack) {
  const Manifest back = parse_manifest(to_json(Manifest{}), "m.json");
  EXPECT_TRUE(std::isnan(back.val_loss));
  EXPECT_EQ(back.best_val_loss, 1e9);
  EXPECT_EQ(back.last_eval_step, -1);
  EXPECT_TRUE(back.pending_offsets.empty());
  EXPECT_EQ(back.generator_state, "");
  EXPECT_EQ(back.vocabulary_json, "");
}

TEST(Manifest, DoublesComeBackExactly) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 6e-4,
                             123456789.123456789, infinity, -infinity}) {
    Manifest m;
    m.val_loss = value;
    const double back = parse_manifest(to_json(m), "m.json").val_loss;
    EXPECT_EQ(back, value);
    EXPECT_EQ(std::signbit(back), std::signbit(value)) << value;
  }
}

TEST(Manifest, AnyFlippedBitShows) {
  const std::string good = to_json(full_manifest());
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = good;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      EXPECT_NE(complaint(text), "") << "byte " << at << " bit " << bit;
    }
}

TEST(Manifest, AnyMissingOrAddedByteShows) {
  const std::string good = to_json(full_manifest());
  ASSERT_EQ(complaint(good), "");
  for (std::size_t at = 0; at < good.size(); ++at) {
    EXPECT_NE(complaint(good.substr(0, at)), "") << "cut at " << at;
    EXPECT_NE(complaint(good.substr(0, at) + good.substr(at + 1)), "") << "without " << at;
    EXPECT_NE(complaint(good.substr(0, at) + " " + good.substr(at)), "") << "space at " << at;
  }
  EXPECT_NE(complaint(good + "\n"), "");
  EXPECT_NE(complaint(""), "");
}

TEST(Manifest, DamageIsNamed) {
  const std::string good = to_json(full_manifest());
  EXPECT_EQ(complaint("{}"), "m.json: truncated (2 bytes)");
  EXPECT_EQ(complaint(" " + good),
            "m.json: checksum does not match; the file is damaged or incomplete");
}

// A right checksum proves that the bytes are those written, not who wrote them.
TEST(Manifest, ARightChecksumIsNotEnough) {
  const std::string body = body_of(to_json(full_manifest()));
  ASSERT_EQ(complaint(sealed(body)), "");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = body;
    const auto at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    return sealed(text.replace(at, from.size(), to));
  };
  EXPECT_NE(complaint(with("\"step\": 2000", "\"step\": \"2000\"")), "");
  EXPECT_NE(complaint(with("\"step\": 2000", "\"stop\": 2000")), "");
  EXPECT_NE(complaint(with("\"best\": true", "\"best\": 1")), "");
  EXPECT_NE(complaint(with("\"loss_scale\": 65536.0", "\"loss_scale\": \"much\"")), "");
  EXPECT_NE(complaint(with("\"generator_state\": \"00", "\"generator_state\": \"0")), "");
  EXPECT_NE(complaint(with("\"generator_state\": \"00", "\"generator_state\": \"0G")), "");
  EXPECT_NE(complaint(with("gpttrain-checkpoint-1", "gpttrain-checkpoint-9")), "");
  EXPECT_NE(complaint(sealed("{\"step\": ")), "");
  EXPECT_NE(complaint(sealed("[1")), "");
}

TEST(Manifest, DeepNestingIsRefused) {
  const std::string body = body_of(to_json(Manifest{}));
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_NE(complaint(sealed(body + ",\n  \"more\": " + deep)).find("64 levels"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
