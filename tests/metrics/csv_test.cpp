#include "gpt/metrics/csv.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

TEST(Csv, OneRowAnEventAndOneColumnAKey) {
  const TempDir dir;
  const auto file = dir.write(
      "metrics.jsonl", R"({"event":"start","time":1,"iter":0})"
                       "\n"
                       R"j({"event":"config","time":1,"dtype":"float32 (it is a CPU)"})j"
                       "\n"
                       R"({"event":"train","time":1.25,"iter":0,"loss":2.5,"grad_norm":null})"
                       "\n"
                       R"({"event":"train","time":2,"iter":1,"loss":9,"grad_norm":9})"
                       "\n"
                       R"({"event":"resume","time":3,"iter":1})"
                       "\n"
                       R"({"event":"replanned","time":3,"iter":1,"reason":"a, \"b\"\nc"})"
                       "\n"
                       R"({"event":"train","time":4,"iter":1,"loss":0.1,"a,b":"=1+1"})"
                       "\n");
  EXPECT_EQ(write_csv(file, dir / "metrics.csv"), 5);
  EXPECT_EQ(read_file(dir / "metrics.csv"),
            "event,time,iter,loss,grad_norm,reason,\"a,b\"\n"
            "start,1,0,,,,\n"
            "train,1.25,0,2.5,,,\n"
            "resume,3,1,,,,\n"
            "replanned,3,1,,,\"a, \"\"b\"\"\nc\",\n"
            "train,4,1,0.1,,,'=1+1\n");
}

TEST(Csv, AFullDiskLeavesTheOldTable) {
  const TempDir dir;
  const auto file = dir.write("metrics.jsonl", "{\"event\":\"train\",\"iter\":0,\"loss\":1}\n");
  const auto table = dir.write("metrics.csv", "old");
  {
    const testing::FileFaultGuard full(testing::full_after(5));
    EXPECT_THROW(write_csv(file, table), IoError);
  }
  EXPECT_EQ(read_file(table), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(table).parent_path()), {}), 2);
}

}  // namespace
}  // namespace gpt
