// Memory of the command over sets that do not end.
#include <fstream>

#include "cli/cli_support.hpp"

namespace {

using hn::test::hnhost;
using hn::test::Outcome;
namespace fs = std::filesystem;

// One picture many times, each time with a prompt of its own: what a handle a prompt would cost is
// the hard part, pictures come and go anyway.
Outcome score_prompts(const fs::path& folder, int count) {
  const fs::path table = folder / (std::to_string(count) + ".csv");
  std::ofstream out(table);
  out << "image,prompt\n";
  for (int i = 0; i < count; ++i)
    out << HN_SOURCE_DIR "/tests/golden/images/rgb.png,a red cat and " << i << " blue stars\n";
  out.close();
  return hnhost({"score", table.string(), "--reward", "clip", "--out",
                 (folder / (std::to_string(count) + ".jsonl")).string(), "--threads", "1",
                 "--quiet"});
}

TEST(Memory, OfASetDoesNotGrowWithItsLength) {
  const hn::test::TestFolder folder;
  const Outcome some = score_prompts(folder.path(), 2000),
                many = score_prompts(folder.path(), 8000);
  ASSERT_EQ(some.code, 0) << some.err;
  ASSERT_EQ(many.code, 0) << many.err;
  EXPECT_GT(some.peak_mib, 50);
  // With every prompt kept it was 20 KiB a prompt, 120 MiB here.
  EXPECT_LT(many.peak_mib, some.peak_mib + 40);
}

}  // namespace
