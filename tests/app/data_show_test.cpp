// `gpttrain data show`: the text of a window that a log names.
#include <gtest/gtest.h>

#include "support/child.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;

class DataShow : public ::testing::Test {
 protected:
  DataShow() { prepare_tiny(dir_); }
  Finished show(std::vector<std::string> more) {
    more.insert(more.begin(), {"data", "show"});
    return run(dir_, more);
  }
  void expect_refused(const std::vector<std::string>& arguments, const std::string& reason) {
    const Finished done = run(dir_, arguments);
    EXPECT_EQ(done.code, 2) << done.out;
    EXPECT_NE(done.err.find(reason), std::string::npos) << done.err;
  }
  TempDir dir_;
};

TEST_F(DataShow, PrintsTheTextOfAWindow) {
  const std::string all = show({"--dataset=tiny", "--tokens=200"}).out;
  ASSERT_EQ(all.size(), 201u);
  const Finished part = show({"--dataset=tiny", "--offset=50", "--tokens=20"});
  EXPECT_EQ(part.code, 0) << part.err;
  EXPECT_EQ(part.out, all.substr(50, 20) + "\n");
  EXPECT_NE(part.err.find("data/tiny/train.bin:50, 20 of "), std::string::npos) << part.err;
  EXPECT_EQ(show({"--train_files=data/tiny/train.bin", "--offset=50", "--tokens=20"}).out,
            part.out);
  const Finished val = show({"--dataset=tiny", "--offset=50", "--split=val"});
  EXPECT_NE(val.err.find("data/tiny/val.bin:50, 256 of "), std::string::npos) << val.err;
  EXPECT_EQ(show({"--train_files=2:data/tiny/val.bin,1:data/tiny/train.bin", "--source=2",
                  "--offset=50", "--tokens=20"})
                .out,
            part.out);
}

TEST_F(DataShow, AFileOrAFolderMayBeNamed) {
  const Finished part = show({"--dataset=tiny", "--offset=50", "--tokens=20"});
  for (const char* name : {"data/tiny", "data/tiny/", "./data/tiny/train.bin"})
    EXPECT_EQ(show({name, "--offset=50", "--tokens=20"}).out, part.out) << name;
  EXPECT_EQ(show({"data/tiny/train.bin:50", "--tokens=20"}).out, part.out);
  EXPECT_NE(show({"data/tiny/val.bin:50", "--split=val"}).err.find("val.bin:50, 256 of "),
            std::string::npos);
  for (const char* wrong : {"data/tiny/train.bin:", "data/tiny/train.bin:5x", "data/none.bin:5"})
    expect_refused({"data", "show", wrong}, "FILE:TOKEN as logs name it, or a dataset's folder");
  expect_refused({"data", "show", "data/tiny", "data/tiny"}, "expected one file or folder");
  expect_refused({"data", "show", "data/tiny/train.bin:99999999"}, "expected at most");
}

TEST_F(DataShow, TokensThatNobodyExplainsAreNumbers) {
  dir_.write_tokens("data/raw/train.bin", {5, 700, 3, 65535, 9});
  dir_.write("data/raw/meta.pkl", "\x80\x04}\x8c\nvocab_sizeM\xff\xffs.");
  const Finished done = show({"--dataset=raw", "--offset=1", "--tokens=3"});
  EXPECT_EQ(done.out, "700 3 65535\n") << done.err;
  EXPECT_NE(done.err.find("does not tell"), std::string::npos) << done.err;
}

TEST_F(DataShow, WhatIsWrongIsSaid) {
  expect_refused({"data", "show", "--dataset=tiny", "--offset=99999999"},
                 "data/tiny/train.bin has ");
  expect_refused({"data", "show", "--dataset=none"}, "data/none/train.bin: ");
  expect_refused({"data", "show", "--dataset=tiny", "--source=2"}, "expected a number from 1 to 1");
  expect_refused({"data", "list"}, "expected `gpttrain data show");
  const Finished alone = run(dir_, {"data"});
  EXPECT_EQ(alone.code, 0);
  EXPECT_NE(alone.out.find("gpttrain data show FILE:TOKEN"), std::string::npos);
  EXPECT_EQ(run(dir_, {"data", "--help"}).out, alone.out);
}

}  // namespace
}  // namespace gpt
