// Every rung of every ladder, from planted findings.
#include "gpt/probe/ladder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"

namespace gpt {
namespace {

using Findings = std::vector<CheckResult>;
using Kernels = std::vector<AttentionKernel>;
using enum AttentionKernel;

CheckResult finding(const std::string& check, const std::string& item,
                    Verdict verdict = Verdict::kRight, double milliseconds = 0) {
  return {.check = check, .item = item, .verdict = verdict, .milliseconds = milliseconds};
}

Findings attention(Verdict cudnn, Verdict flash, Verdict efficient,
                   Verdict plain = Verdict::kRight) {
  return {finding(kCheckAttention, "plain", plain), finding(kCheckAttention, "cuDNN", cudnn),
          finding(kCheckAttention, "flash", flash),
          finding(kCheckAttention, "efficient", efficient)};
}

CheckResult product(const std::string& item, std::uint64_t algorithm, Verdict verdict,
                    double milliseconds = 0) {
  CheckResult result = finding(kCheckProduct, item, verdict, milliseconds);
  result.shape = "8x8 * 8x8";
  result.algorithm = GemmAlgorithm{algorithm};
  return result;
}

// "attention cuDNN -> flash, ..."
std::string steps_of(const ProbeReport& report) {
  std::string text;
  for (const StepDown& step : report.steps)
    text += (text.empty() ? "" : ", ") + step.ladder + " " + step.from + " -> " + step.to;
  return text;
}

constexpr auto kRight = Verdict::kRight, kWrong = Verdict::kWrong, kRefused = Verdict::kRefused,
               kFailed = Verdict::kFailed, kSilent = Verdict::kSilent;
constexpr ProbeWants kHopper{.cudnn_first = true};

TEST(ProbeLadder, WhatIsRightInEverythingStaysAsItIs) {
  const ProbeReport report = settle(attention(kRight, kRight, kRight), kHopper);
  EXPECT_EQ(report.choices.attention, (Kernels{kCudnn, kFlash, kEfficient}));
  EXPECT_TRUE(report.choices.fused && report.choices.kernels && report.choices.graphs &&
              report.choices.expandable_segments);
  EXPECT_EQ(steps_of(report), "");
  EXPECT_EQ(report.unusable, "");
}

TEST(ProbeLadder, AttentionStepsFromCudnnToFlashToEfficientToPlain) {
  struct Rung {
    Findings findings;
    Kernels kernels;
    std::string steps;
  };
  for (const Rung& rung :
       {Rung{attention(kWrong, kRight, kRight), {kFlash, kEfficient}, "attention cuDNN -> flash"},
        Rung{attention(kFailed, kSilent, kRight),
             {kEfficient},
             "attention cuDNN -> efficient, attention flash -> efficient"},
        Rung{attention(kWrong, kWrong, kWrong),
             {},
             "attention cuDNN -> plain, attention flash -> plain, attention efficient -> plain"}}) {
    const ProbeReport report = settle(rung.findings, kHopper);
    EXPECT_EQ(report.choices.attention, rung.kernels);
    EXPECT_EQ(steps_of(report), rung.steps);
    EXPECT_EQ(report.unusable, "");
  }
  EXPECT_NE(settle(attention(kRight, kRight, kRight, kWrong), kHopper).unusable, "");
}

// A card that lacks a kernel is none the worse for it, as long as it has another.
TEST(ProbeLadder, AKernelThatACardLacksIsNoStepDown) {
  EXPECT_EQ(steps_of(settle(attention(kRefused, kRight, kRight), {})), "");
  EXPECT_EQ(steps_of(settle(attention(kRefused, kRefused, kRefused), {})),
            "attention efficient -> plain");
}

TEST(ProbeLadder, AnotherKernelMustBeTwoPercentFaster) {
  for (const auto& [cudnn, expected] : {std::pair{9.9, kFlash}, {9.7, kCudnn}}) {
    Findings findings = attention(kRight, kRight, kRight);
    findings[1].milliseconds = cudnn;
    findings[2].milliseconds = 10;
    findings[3].milliseconds = 20;
    EXPECT_EQ(settle(findings, {}).choices.attention.front(), expected);
  }
}

// Right, and by time 2 % faster than the plain one, or no time was taken.
TEST(ProbeLadder, MaskedAttentionStepsFromTiledToPlain) {
  struct Rung {
    Verdict tiled;
    double tiled_time, plain_time;
    bool taken;
    std::string steps;
  };
  for (const Rung& rung :
       {Rung{kRight, 9.7, 10, true, ""}, Rung{kRight, 9.9, 10, false, ""},
        Rung{kRight, 0, 0, true, ""}, Rung{kWrong, 0, 0, false, "masked attention tiled -> plain"},
        Rung{kRefused, 0, 0, false, "masked attention tiled -> plain"},
        Rung{kFailed, 0, 0, false, "masked attention tiled -> plain"}}) {
    Findings findings = attention(kRight, kRight, kRight);
    findings.push_back(finding(kCheckMasked, "tiled", rung.tiled, rung.tiled_time));
    findings.push_back(finding(kCheckMasked, "plain", kRight, rung.plain_time));
    const ProbeReport report = settle(findings, kHopper);
    EXPECT_EQ(report.choices.tiled_attention, rung.taken) << rung.tiled_time;
    EXPECT_EQ(steps_of(report), rung.steps);
    EXPECT_EQ(report.choices.attention, (Kernels{kCudnn, kFlash, kEfficient}));
    EXPECT_TRUE(report.choices.fused);
  }
  EXPECT_FALSE(settle(attention(kRight, kRight, kRight), {}).choices.tiled_attention);
  // The plain one is the last rung of the fused engine.
  EXPECT_EQ(steps_of(settle({finding(kCheckMasked, "plain", kWrong)}, {})),
            "engine fused -> eager");
}

TEST(ProbeLadder, ProductsStepFromTunedToFirstToAtMm) {
  const std::string shape = "8x8 * 8x8";
  Findings findings{product("first", 0, kRight, 10), product("tuned", 1, kRight, 5),
                    product("tuned", 2, kRight, 9)};
  EXPECT_EQ(settle(findings, {}).choices.gemm.at(shape), GemmAlgorithm{1});
  findings[1].verdict = findings[2].verdict = kWrong;
  ProbeReport report = settle(findings, {});
  EXPECT_EQ(report.choices.gemm.at(shape), GemmAlgorithm{0});
  EXPECT_EQ(steps_of(report), "matrix products the tuned algorithm -> the first suggestion");
  findings[0].verdict = kWrong;
  report = settle(findings, {});
  EXPECT_EQ(report.choices.gemm.at(shape), std::nullopt);
  EXPECT_EQ(steps_of(report),
            "matrix products the first suggestion -> at::mm, "
            "matrix products the tuned algorithm -> at::mm");
}

// 1 % is not worth an algorithm that the library did not suggest first.
TEST(ProbeLadder, AnotherAlgorithmMustBeTwoPercentFaster) {
  const Findings findings{product("first", 0, kRight, 10), product("tuned", 1, kRight, 9.9)};
  EXPECT_EQ(settle(findings, {}).choices.gemm.begin()->second, GemmAlgorithm{0});
}

TEST(ProbeLadder, AProductThatKilledTheProcessEndsItsKind) {
  Findings findings{product("first", 0, kRight, 10), product("tuned", 1, kRight, 5),
                    finding(kCheckProduct, "tuned", kFailed)};
  ProbeReport report = settle(findings, {});
  EXPECT_EQ(report.choices.gemm_level, GemmLevel::kFirst);
  EXPECT_EQ(report.choices.gemm.begin()->second, GemmAlgorithm{0});
  findings.push_back(finding(kCheckProduct, "first", kSilent));
  report = settle(findings, {});
  EXPECT_EQ(report.choices.gemm_level, GemmLevel::kAten);
  EXPECT_TRUE(report.choices.gemm.empty());
  EXPECT_EQ(steps_of(report),
            "matrix products the tuned algorithm -> the first suggestion, "
            "matrix products the first suggestion -> at::mm");
}

TEST(ProbeLadder, GraphsAllocatorAndEngineStepDown) {
  const ProbeWants wants{.graphs = true};
  ProbeReport report = settle({finding(kCheckGraphs, "replay", kWrong)}, wants);
  EXPECT_FALSE(report.choices.graphs);
  EXPECT_EQ(steps_of(report), "graphs graphs -> launches");
  report = settle({finding(kCheckAllocator, kItemExpandable, kFailed)}, wants);
  EXPECT_FALSE(report.choices.expandable_segments);
  EXPECT_EQ(steps_of(report), "allocator expandable segments -> native");
  for (const CheckResult& bad :
       {finding(kCheckKernel, "gelu", kWrong), finding(kCheckEngine, kItemFused, kWrong),
        finding(kCheckUpdates, kItemFused, kRefused)}) {
    report = settle({bad}, wants);
    EXPECT_FALSE(report.choices.fused || report.choices.kernels);
    EXPECT_EQ(steps_of(report), "engine fused -> eager");
    EXPECT_EQ(report.unusable, "");
  }
  report = settle({finding(kCheckKernel, "gelu", kWrong)}, {.fused = false});
  EXPECT_EQ(steps_of(report), "kernels our kernels -> ATen's operators");
}

TEST(ProbeLadder, WithoutEagerNothingIsLeft) {
  for (const CheckResult& bad :
       {finding(kCheckEngine, kItemEager, kWrong), finding(kCheckUpdates, kItemEager, kFailed),
        finding(kCheckDevice, "start", kFailed), finding(kCheckAllocator, kItemNative, kRefused)})
    EXPECT_NE(settle({bad}, {}).unusable, "") << bad.text();
  EXPECT_EQ(settle({finding(kCheckEngine, kItemEager, Verdict::kSkipped)}, {}).unusable, "");
}

TEST(ProbeLadder, ARunStepsDownOneRungAtATime) {
  DeviceChoices choices{.attention = {kCudnn, kFlash}, .tiled_attention = true};
  EXPECT_EQ(step_down(choices, "x"), (StepDown{"attention", "cuDNN", "flash", "x"}));
  EXPECT_EQ(step_down(choices, "x"), (StepDown{"attention", "flash", "plain", "x"}));
  EXPECT_TRUE(choices.tiled_attention);
  EXPECT_EQ(step_down(choices, "x"), (StepDown{"masked attention", "tiled", "plain", "x"}));
  EXPECT_FALSE(choices.tiled_attention);
  EXPECT_TRUE(choices.fused && choices.kernels);
  EXPECT_EQ(step_down(choices, "x"), (StepDown{"engine", "fused", "eager", "x"}));
  EXPECT_FALSE(choices.fused || choices.kernels);
  EXPECT_FALSE(step_down(choices, "x"));
}

TEST(ProbeReport, ComesBackFromItsJson) {
  Findings findings = attention(kWrong, kRight, kRight);
  findings[1].error = std::numeric_limits<double>::quiet_NaN();
  findings[1].what = "why";
  findings.push_back(product("first", 3, kRight, 2.5));
  ProbeReport report = settle(findings, kHopper);
  report.key = "card and shapes";
  report.choices.machine = "card";
  const std::string text = to_json(report).dump();
  const ProbeReport again = parse_probe_report(text, "file");
  EXPECT_EQ(again.choices, report.choices);
  EXPECT_EQ(again.steps, report.steps);
  EXPECT_EQ(to_json(again).dump(), text);
  for (const char* wrong : {"{}", "[1]", "{\"format\": \"another\"}", "not JSON"})
    EXPECT_THROW(parse_probe_report(wrong, "file"), InputError) << wrong;
}

}  // namespace
}  // namespace gpt
