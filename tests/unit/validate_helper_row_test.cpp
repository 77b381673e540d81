// Rows that the helper process of the contract suite says, and what is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <hn/cpp/error.hpp>

#include "validate/helper_row.hpp"

namespace hn::validate {
namespace {

TEST(HelperRow, IsReadAsItWasSaid) {
  const HelperRow row = read_helper_row(
      R"({"job": 3, "seconds": 0.25, "status": "skipped", "text": "na\u00efve"})", 4);
  EXPECT_EQ(row.job, 3u);
  EXPECT_EQ(row.status, Status::kSkipped);
  EXPECT_EQ(row.text, "na\u00efve");
  EXPECT_EQ(row.seconds, 0.25);
}

TEST(HelperRow, AStatusThatIsNoneIsAFailure) {
  EXPECT_EQ(read_helper_row(R"({"job":0,"status":"fine","text":"","seconds":0})", 1).status,
            Status::kFailed);
}

TEST(HelperRow, WhatIsNoRowIsRefusedWithWhatCame) {
  for (const char* line :
       {"", "garbage", "[]", "7", "{}", R"({"job":0,"status":"passed","text":""})",
        R"({"job":-1,"status":"passed","text":"","seconds":0})",
        R"({"job":0.5,"status":"passed","text":"","seconds":0})",
        R"({"job":4,"status":"passed","text":"","seconds":0})",
        R"({"job":0,"status":1,"text":"","seconds":0})",
        R"({"job":0,"status":"passed","text":null,"seconds":0})",
        R"({"job":0,"status":"passed","text":"","seconds":"0"})",
        R"({"job":0,"status":"passed","text":"","seconds":1e999})"}) {
    SCOPED_TRACE(line);
    try {
      read_helper_row(line, 4);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_DATA_LOSS);
      EXPECT_THAT(e.what(), ::testing::HasSubstr("no row of one of 4 checks"));
      EXPECT_THAT(e.what(), ::testing::HasSubstr(line));
    }
  }
}

}  // namespace
}  // namespace hn::validate
